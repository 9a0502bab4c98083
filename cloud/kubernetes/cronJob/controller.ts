/** Starts Jobs when their CronJobs are due, as long as it is asked to; a restart goes on where the one before has ended. */
import { join } from "node:path";
import { rmSync } from "node:fs";
import type { Context, Resource } from "../../handler";
import { readIfThere, writeWhole } from "../../host/files";
import { identify, metadataOf } from "../objects";
import { admit, cronJobSchema, type CronJobSpec } from "../spec";
import { due } from "./due";
import { CronJobRun } from "./jobs";
import { runToEnd } from "./run";

export interface Surroundings {
  /** Those that there are now. */
  cronJobs(): readonly Resource[];
  context(cronJob: Resource): Context;
  now(): Date;
  log(line: string): void;
}

interface Active {
  cronJob: string;
  stop: AbortController;
  ended: Promise<void>;
}

export class CronJobController {
  /** The Jobs that this process waits for, by their directories. */
  private readonly active = new Map<string, Active>();

  constructor(private readonly around: Surroundings) {}

  /** To be called at least once a minute. Returns once everything that is due has been started. */
  async sync(): Promise<void> {
    const cronJobs = this.around.cronJobs();
    const there = new Set(cronJobs.map(({ urn }) => urn));
    for (const { cronJob, stop } of this.active.values())
      if (!there.has(cronJob)) stop.abort(new Error("its CronJob is gone"));
    for (const cronJob of cronJobs) {
      try {
        await this.syncOne(cronJob);
      } catch (error) {
        this.around.log(`CronJob ${cronJob.name}: ${(error as Error).message}`);
      }
    }
  }

  /** Until no Job runs that this process has started. */
  async idle(): Promise<void> {
    while (this.active.size > 0) await Promise.all([...this.active.values()].map(({ ended }) => ended));
  }

  private async syncOne(cronJob: Resource): Promise<void> {
    const context = this.around.context(cronJob);
    const { spec } = admit("CronJob", cronJob.name, cronJobSchema, cronJob.inputs);
    const runs = CronJobRun.list(context);
    for (const run of runs.filter(({ abandoned }) => abandoned)) {
      run.adopt();
      this.run(run, cronJob, spec, context);
    }
    // A person's does not count.
    const scheduled = runs.filter(({ kept, finished }) => kept.scheduledTime !== undefined && !finished);
    const statusFile = join(context.directory, "lastScheduleTime");
    const since = new Date(readIfThere(statusFile) ?? String(metadataOf(cronJob.outputs)["creationTimestamp"]));
    const time = due({ spec, since, active: scheduled.length, now: this.around.now() });
    if (time === undefined) return;
    if (spec.concurrencyPolicy === "Replace") await Promise.all(scheduled.map((run) => this.replace(run)));
    const { name, namespace } = identify(cronJob.outputs, context);
    const job = { name: `${name}-${time.getTime() / 60_000}`, namespace, spec: spec.jobTemplate.spec };
    const run = CronJobRun.create({ ...job, scheduledTime: time.toISOString() }, this.around.now(), context);
    writeWhole(statusFile, time.toISOString());
    this.run(run, cronJob, spec, context);
  }

  private run(run: CronJobRun, { urn }: Resource, spec: CronJobSpec, context: Context): void {
    const stop = new AbortController();
    const log = (line: string) => this.around.log(`Job ${run.kept.name}: ${line}`);
    const signal = AbortSignal.any([context.signal, stop.signal]);
    log("started");
    const ended = runToEnd(run, spec, { ...context, log, signal })
      .then(
        (code) => log(code === 0 ? "complete" : `failed with exit code ${code}`),
        (error: unknown) => log(`failed: ${(error as Error).message}`),
      )
      .then(() => {
        this.active.delete(run.directory);
        const isGone = !this.around.cronJobs().some((other) => other.urn === urn);
        // What its pod has written down of its end.
        if (isGone) rmSync(context.directory, { recursive: true, force: true });
      });
    this.active.set(run.directory, { cronJob: urn, stop, ended });
  }

  private async replace(run: CronJobRun): Promise<void> {
    const active = this.active.get(run.directory);
    active?.stop.abort(new Error("its CronJob's next one takes its place"));
    await active?.ended;
    await run.remove();
  }
}
