import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { evictionIsNoFailure, wrongSettingsAreFinal } from "./jobFailures";
import { opsProgram, type OpsProgramArgs } from "./opsProgram";
import type { ScheduledName, ScheduledProgram } from "./scheduledPrograms";

export interface ScheduledArgs extends Pick<
  OpsProgramArgs,
  "namespace" | "image" | "bundle" | "database" | "trustSecret" | "env" | "egress" | "pod" | "transform"
> {
  /** The program's name, and its CronJob's. */
  program: ScheduledName;
  /** Five cron fields or a word such as @daily, UTC. */
  schedule: string;
  /** Seconds that one run may take. */
  deadline: ScheduledProgram["deadline"];
}

/** One of our programs on schedule: one run at a time, tried again where that can help. */
export class Scheduled extends pulumi.ComponentResource {
  readonly cronJob: k8s.batch.v1.CronJob;

  constructor(name: string, args: ScheduledArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:kubernetes:Scheduled", name, {}, opts);
    const { program, schedule, deadline, ...rest } = args;
    const { labels, metadata, template } = opsProgram(name, { ...rest, command: program }, this);

    this.cronJob = new k8s.batch.v1.CronJob(
      name,
      {
        // A fixed name: `kubectl create job --from=cronjob/<program>` is how a person runs it now.
        metadata: { ...metadata, name: program },
        spec: {
          schedule,
          timeZone: "Etc/UTC",
          concurrencyPolicy: "Forbid",
          // Missed while the cluster was away: still run within the day, not a hundred times over.
          startingDeadlineSeconds: 12 * 3600,
          successfulJobsHistoryLimit: 3,
          failedJobsHistoryLimit: 3,
          jobTemplate: {
            metadata: { labels },
            spec: {
              backoffLimit: 3,
              podFailurePolicy: { rules: [evictionIsNoFailure, wrongSettingsAreFinal] },
              activeDeadlineSeconds: deadline,
              template,
            },
          },
        },
      },
      { parent: this },
    );

    this.registerOutputs({ cronJob: this.cronJob.metadata.name });
  }
}
