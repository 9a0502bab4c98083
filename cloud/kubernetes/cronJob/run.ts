/** Waits for a CronJob's Job, writes down how it ended, and removes those that are no longer kept. */
import type { Context } from "../../handler";
import { type JobOptions, runJob } from "../job";
import type { CronJobSpec } from "../spec";
import { tidyHistory, type CronJobRun } from "./jobs";

/** Returns its exit code. One that cannot be run, or is interrupted, has failed, and is thrown. */
export async function runToEnd(
  run: CronJobRun,
  spec: CronJobSpec,
  context: Context,
  onPod?: JobOptions["onPod"],
): Promise<number> {
  const { kept, directory } = run;
  const options = { home: directory, since: new Date(kept.startTime), ...(onPod && { onPod }) };
  try {
    const { code, reason } = await runJob(kept.spec, kept, context, options);
    run.finish(new Date(), reason);
    return code;
  } catch (error) {
    run.finish(new Date(), (error as Error).message);
    throw error;
  } finally {
    await tidyHistory(spec, context);
  }
}
