/** Jobs run to their end before they count as made; CronJobs are kept, and run when asked to. */
import { readFileSync } from "node:fs";
import type { Context, Handler, Properties, Resource } from "../handler";
import { sleep } from "../host/wait";
import { failureAction } from "./failurePolicy";
import { executableFor } from "./images";
import { admitObject, identify, metadataOf, stored, token } from "./objects";
import { Pod } from "./pod";
import { admit, cronJobSchema, jobSchema, type JobSpec } from "./spec";

export const jobHandler: Handler = {
  replaceOnChange: ["metadata.name", "metadata.namespace", "spec.template", "spec.selector", "spec.completions"],
  deleteBeforeReplace: (inputs) => metadataOf(inputs).name !== undefined,

  async create(inputs, context) {
    const identity = identify(inputs, context);
    const { spec } = admit("Job", identity.name, jobSchema, inputs);
    admitObject(identity, context);
    const startTime = new Date();
    for (let completion = 0; completion < (spec.completions ?? 1); completion++) {
      const { reason } = await runJob(spec, identity, context);
      if (reason !== undefined) throw new Error(reason);
    }
    return { id: identity.id, outputs: completed(stored(inputs, identity, context.directory), startTime) };
  },

  update(current, inputs, context) {
    const outputs = stored(inputs, identify(current.outputs, context), context.directory, current);
    return Promise.resolve({ ...outputs, status: current.outputs["status"] });
  },

  async stop(_current, context) {
    await Promise.all(Pod.list(context).map((pod) => pod.end()));
  },

  async delete(_current, context) {
    await Promise.all(Pod.list(context).map((pod) => pod.remove()));
  },

  status(current, context) {
    const { startTime, completionTime } = current.outputs["status"] as { startTime: string; completionTime: string };
    const took = (Date.parse(completionTime) - Date.parse(startTime)) / 1000;
    const log = Pod.list(context).at(-1)?.log() ?? "";
    return Promise.resolve({ healthy: true, text: `completed in ${took.toFixed(1)} s · ${log}` });
  },
};

function completed(outputs: Properties, startTime: Date): Properties {
  const completionTime = new Date().toISOString();
  const conditions = [{ type: "Complete", status: "True" }];
  return { ...outputs, status: { succeeded: 1, startTime: startTime.toISOString(), completionTime, conditions } };
}

/** Runs a Job's pod until it succeeds or has failed too often. `reason` is undefined where it succeeded. */
async function runJob(
  spec: JobSpec,
  owner: { name: string; namespace: string },
  context: Context,
  onPod?: (pod: Pod) => void,
): Promise<{ code: number; reason?: string }> {
  // An interrupted run's pod may still be at work: two must not be.
  const before = Pod.list(context);
  await Promise.all(before.map((pod) => pod.kill()));
  await Promise.all(before.slice(0, -2).map((pod) => pod.remove()));
  const deadline = Date.now() + (spec.activeDeadlineSeconds ?? Infinity) * 1000;
  const limit = spec.backoffLimit ?? 6;
  for (let failures = 0, pods = before.length; ; pods++) {
    if (Date.now() > deadline) return { code: 1, reason: `DeadlineExceeded after ${pods - before.length} tries` };
    const pod = Pod.create(spec.template, owner, pods, context);
    onPod?.(pod);
    let result: Awaited<ReturnType<Pod["run"]>>;
    try {
      result = await pod.run(deadline);
    } finally {
      pod.tidy();
    }
    if (result.code === 0) return { code: 0 };
    const { code, container } = result;
    const { action, rule } = failureAction(spec, container, code);
    if (action === "FailJob")
      return { code, reason: `PodFailurePolicy, FailJob rule at index ${rule}: ${result.reason}` };
    if (action === "Count") failures++;
    if (failures > limit)
      return {
        code,
        reason: `BackoffLimitExceeded after ${failures} ${failures === 1 ? "try" : "tries"}: ${result.reason}`,
      };
    context.log(
      `try ${failures} of ${limit + 1} failed${action === "Ignore" ? ", not counted" : ""}: ${lastLine(result.reason)}`,
    );
    // A Job controller begins at ten seconds; here a person waits.
    await sleep(Math.min(250 * 2 ** failures, 5000), context.signal);
  }
}

/** Of a reason that quotes a log: what the program said last. */
const lastLine = (reason: string) =>
  reason
    .split("\n")
    .at(-1)
    ?.replace(/^[\s|]+/, "") ?? "";

export const cronJobHandler: Handler = {
  replaceOnChange: ["metadata.name", "metadata.namespace"],
  deleteBeforeReplace: (inputs) => metadataOf(inputs).name !== undefined,

  async create(inputs, context) {
    const identity = identify(inputs, context);
    admitObject(identity, context);
    await checkCronJob(identity.name, inputs, context);
    return { id: identity.id, outputs: { ...stored(inputs, identity, context.directory), status: {} } };
  },

  async update(current, inputs, context) {
    const identity = identify(current.outputs, context);
    await checkCronJob(identity.name, inputs, context);
    return { ...stored(inputs, identity, context.directory, current), status: {} };
  },

  async stop(_current, context) {
    await Promise.all(Pod.list(context).map((pod) => pod.end()));
  },

  async delete(_current, context) {
    await Promise.all(Pod.list(context).map((pod) => pod.remove()));
  },

  status(current) {
    const { spec } = admit("CronJob", current.name, cronJobSchema, current.inputs);
    return Promise.resolve({
      healthy: true,
      text: spec.suspend ? "only on demand" : `${spec.schedule} in a cluster, only on demand here`,
    });
  },
};

/** What would only fail at night fails now: unknown images, and objects that its pods would not find. */
async function checkCronJob(name: string, inputs: Properties, context: Context): Promise<void> {
  const { spec } = admit("CronJob", name, cronJobSchema, inputs);
  const { namespace } = identify(inputs, context);
  const template = spec.jobTemplate.spec.template;
  const pod = Pod.create(template, { name, namespace }, 0, context);
  pod.check();
  for (const { image, command, args } of template.spec.containers)
    await executableFor({ image, command, args }, context);
}

/** The CronJob that a person means: by its Pulumi name, its object name, a label, or the end of one of the names. */
export function findCronJob(resources: readonly Resource[], name: string): Resource | undefined {
  const jobs = resources.filter((resource) => resource.type === token.cronJob);
  const names = (job: Resource) => [job.name, metadataOf(job.outputs).name ?? ""];
  const labels = (job: Resource) => Object.values(metadataOf(job.outputs).labels ?? {});
  return (
    jobs.find((job) => names(job).includes(name)) ??
    jobs.find((job) => labels(job).includes(name)) ??
    jobs.find((job) => names(job).some((known) => known.endsWith(`-${name}`)))
  );
}

/** Runs a CronJob once, now; passes its log on as it grows. Returns its exit code. */
export async function runCronJob(current: Resource, context: Context, write: (text: string) => void): Promise<number> {
  const identity = identify(current.outputs, context);
  const { spec } = admit("CronJob", identity.name, cronJobSchema, current.inputs);
  let log: string | undefined;
  let passedOn = 0;
  const passOn = () => {
    if (log === undefined) return;
    let content: Buffer;
    try {
      content = readFileSync(log);
    } catch {
      return; // not begun yet
    }
    if (content.length > passedOn) write(content.subarray(passedOn).toString());
    passedOn = content.length;
  };
  const timer = setInterval(passOn, 100);
  try {
    const { code } = await runJob(spec.jobTemplate.spec, identity, context, (pod) => {
      passOn();
      log = pod.log();
      passedOn = 0;
    });
    return code;
  } finally {
    clearInterval(timer);
    passOn();
  }
}
