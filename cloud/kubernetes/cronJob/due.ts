/** Whether a CronJob starts a Job now: decided as Kubernetes' controller does (pkg/controller/cronjob). */
import type { CronJobSpec } from "../spec";
import { Schedule } from "./schedule";

export interface Asked {
  spec: CronJobSpec;
  /** The scheduled time of the last Job that was started, else when the CronJob was made. */
  since: Date;
  /** Jobs of the schedule that have not ended. */
  active: number;
  now: Date;
}

/** The scheduled time of the Job to start now. Of several that were missed, the last; none that is too late. */
export function due({ spec, since, active, now }: Asked): Date | undefined {
  if (spec.suspend) return undefined;
  const deadline = now.getTime() - (spec.startingDeadlineSeconds ?? Infinity) * 1000;
  const earliest = new Date(Math.max(since.getTime(), deadline));
  const time = new Schedule(spec.schedule, spec.timeZone).latest(earliest, now);
  // It is started late where the one before ends in time.
  return spec.concurrencyPolicy === "Forbid" && active > 0 ? undefined : time;
}
