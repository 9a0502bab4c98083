/** Jobs run to their end before they count as made. */
import type { Context, Handler, Properties } from "../handler";
import { sleep } from "../host/wait";
import { failureAction } from "./failurePolicy";
import { admitObject, identify, metadataOf, stored } from "./objects";
import { Pod } from "./pod";
import { admit, jobSchema, type JobSpec } from "./spec";

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

export interface JobOptions {
  /** Where its pods are; the context's directory unless given. */
  home?: string;
  /** When it was begun, where that is not now. */
  since?: Date;
  onPod?: (pod: Pod) => void;
}

/** Runs a Job's pod until it succeeds or has failed too often. `reason` is undefined where it succeeded. */
export async function runJob(
  spec: JobSpec,
  owner: { name: string; namespace: string },
  context: Context,
  { home = context.directory, since = new Date(), onPod }: JobOptions = {},
): Promise<{ code: number; reason?: string }> {
  // An interrupted run's pod may still be at work: two must not be.
  const before = Pod.list(context, home);
  await Promise.all(before.map((pod) => pod.kill()));
  await Promise.all(before.slice(0, -2).map((pod) => pod.remove()));
  const deadline = since.getTime() + (spec.activeDeadlineSeconds ?? Infinity) * 1000;
  const limit = spec.backoffLimit ?? 6;
  for (let failures = 0, pods = before.length; ; pods++) {
    context.signal.throwIfAborted();
    if (Date.now() > deadline) return { code: 1, reason: `DeadlineExceeded after ${pods - before.length} tries` };
    const pod = Pod.create(spec.template, owner, pods, context, home);
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
