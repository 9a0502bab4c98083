/** CronJobs are kept; the controller runs them on schedule, and a person whenever they want to. */
import { readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import type { Context, Handler, Properties, Resource } from "../../handler";
import { executableFor } from "../images";
import { admitObject, identify, metadataOf, stored, token } from "../objects";
import { Pod } from "../pod";
import { admit, cronJobSchema, type CronJobSpec } from "../spec";
import { CronJobRun } from "./jobs";
import { runToEnd } from "./run";
import { Schedule } from "./schedule";

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
    await Promise.all(CronJobRun.list(context).map((run) => run.end()));
  },

  async delete(_current, context) {
    await Promise.all(CronJobRun.list(context).map((run) => run.remove()));
  },

  status(current, context) {
    const text = [
      whenNext(current.inputs["spec"] as AsWritten),
      ...CronJobRun.list(context).slice(-1).map(howItEnded),
    ].join(" · ");
    return Promise.resolve({ healthy: true, text });
  },
};

const specOf = (current: Resource): CronJobSpec => admit("CronJob", current.name, cronJobSchema, current.inputs).spec;

const minute = (time: Date) => `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** What was admitted when it was made: to check a whole CronJob once more only to tell its schedule takes far longer than that. */
interface AsWritten {
  schedule: string;
  suspend?: boolean | null;
  timeZone?: string | null;
}

function whenNext({ suspend, schedule, timeZone }: AsWritten): string {
  if (suspend) return "only on demand";
  const next = new Schedule(schedule, timeZone ?? undefined).next(new Date());
  return `${schedule}, next ${next ? minute(next) : "never"}`;
}

function howItEnded({ kept: { startTime, condition } }: CronJobRun): string {
  const how = condition === undefined ? "runs" : condition === "Complete" ? "succeeded" : "failed";
  return `the one begun ${minute(new Date(startTime))} ${how}`;
}

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

/** Makes a Job of a CronJob now, beside its schedule; passes its log on as it grows. Returns its exit code. */
export async function runCronJob(current: Resource, context: Context, write: (text: string) => void): Promise<number> {
  const { name, namespace } = identify(current.outputs, context);
  const spec = specOf(current);
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
    const manual = `${name}-${randomBytes(3).toString("hex").slice(0, 5)}`;
    const run = CronJobRun.create({ name: manual, namespace, spec: spec.jobTemplate.spec }, new Date(), context);
    return await runToEnd(run, spec, context, (pod) => {
      passOn();
      log = pod.log();
      passedOn = 0;
    });
  } finally {
    clearInterval(timer);
    passOn();
  }
}
