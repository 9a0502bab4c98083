/** The Jobs of a CronJob, each in a directory of its own: what later commands, and the controller after a restart, know of them. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../../handler";
import { makeDirectory, readIfThere, writeWhole } from "../../host/files";
import { processMark } from "../../host/pidFile";
import { Pod } from "../pod";
import type { CronJobSpec, JobSpec } from "../spec";

interface Kept {
  name: string;
  namespace: string;
  /** As it was when the Job was made: a change of the CronJob is for later ones. */
  spec: JobSpec;
  /** ISO times. Unset where a person has asked for the Job. */
  scheduledTime?: string;
  startTime: string;
  completionTime?: string;
  condition?: "Complete" | "Failed";
  /** Why it failed. */
  reason?: string;
  /** The process that waits for its end: its id and mark. */
  runner: string;
}

const myself = () => `${process.pid} ${processMark(process.pid)}`;

export class CronJobRun {
  private constructor(
    readonly kept: Kept,
    private readonly context: Context,
  ) {}

  static create(kept: Omit<Kept, "startTime" | "runner">, startTime: Date, context: Context): CronJobRun {
    const run = new CronJobRun({ ...kept, startTime: startTime.toISOString(), runner: myself() }, context);
    run.save();
    return run;
  }

  /** Oldest first. */
  static list(context: Context): CronJobRun[] {
    return readdirSync(context.directory)
      .flatMap((name) => {
        const content = readIfThere(join(context.directory, name, "job.json"));
        return content === undefined ? [] : [new CronJobRun(JSON.parse(content) as Kept, context)];
      })
      .sort((a, b) => (a.kept.startTime < b.kept.startTime ? -1 : 1));
  }

  get directory(): string {
    return join(this.context.directory, this.kept.name);
  }

  get finished(): boolean {
    return this.kept.condition !== undefined;
  }

  /** Whether nobody waits for its end any more: it has to be run again. */
  get abandoned(): boolean {
    const [pid = "", mark] = this.kept.runner.split(" ");
    return !this.finished && processMark(Number(pid)) !== mark;
  }

  get pods(): Pod[] {
    return Pod.list(this.context, this.directory);
  }

  adopt(): void {
    this.kept.runner = myself();
    this.save();
  }

  finish(at: Date, reason: string | undefined): void {
    this.kept.completionTime = at.toISOString();
    this.kept.condition = reason === undefined ? "Complete" : "Failed";
    if (reason !== undefined) this.kept.reason = reason;
    this.save();
  }

  async end(): Promise<void> {
    await Promise.all(this.pods.map((pod) => pod.end()));
  }

  async remove(): Promise<void> {
    await Promise.all(this.pods.map((pod) => pod.remove()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  private save(): void {
    makeDirectory(this.directory, this.context.serviceUser);
    writeWhole(join(this.directory, "job.json"), JSON.stringify(this.kept));
  }
}

/** Removes finished Jobs, the oldest first, of which the CronJob keeps no more. */
export async function tidyHistory(spec: CronJobSpec, context: Context): Promise<void> {
  const limits = { Complete: spec.successfulJobsHistoryLimit ?? 3, Failed: spec.failedJobsHistoryLimit ?? 1 };
  const runs = CronJobRun.list(context);
  for (const [condition, limit] of Object.entries(limits)) {
    const ended = runs.filter(({ kept }) => kept.condition === condition);
    await Promise.all(ended.slice(0, Math.max(0, ended.length - limit)).map((run) => run.remove()));
  }
}
