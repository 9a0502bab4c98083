import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { opsProgram, type OpsProgramArgs } from "./opsProgram";

export interface PartitionsArgs extends Pick<OpsProgramArgs, "namespace" | "image" | "bundle" | "trustSecret"> {
  /** The primary itself, as the owner of the tables. */
  database: OpsProgramArgs["database"];
  /** Five cron fields, UTC. */
  schedule: string;
  /** Months of partitions to have ahead of today. */
  monthsAhead: number;
}

/** Makes the months ahead, every day: each run is a chance to notice, long before a partition is missed. */
export class Partitions extends pulumi.ComponentResource {
  readonly cronJob: k8s.batch.v1.CronJob;

  constructor(name: string, args: PartitionsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:kubernetes:Partitions", name, {}, opts);
    const { schedule, monthsAhead, ...rest } = args;
    const program = opsProgram(
      name,
      { ...rest, command: "partitions", env: { MONTHS_AHEAD: String(monthsAhead) } },
      this,
    );

    this.cronJob = new k8s.batch.v1.CronJob(
      name,
      {
        // A fixed name: `kubectl create job --from=cronjob/partitions` is how a person runs it now.
        metadata: { ...program.metadata, name: "partitions" },
        spec: {
          schedule,
          timeZone: "Etc/UTC",
          concurrencyPolicy: "Forbid",
          // Missed while the cluster was away: still run within the day, not a hundred times over.
          startingDeadlineSeconds: 12 * 3600,
          successfulJobsHistoryLimit: 3,
          failedJobsHistoryLimit: 3,
          jobTemplate: {
            metadata: { labels: program.labels },
            spec: {
              backoffLimit: 3,
              activeDeadlineSeconds: 900,
              template: { metadata: { labels: program.labels }, spec: program.spec },
            },
          },
        },
      },
      { parent: this },
    );

    this.registerOutputs({ cronJob: this.cronJob.metadata.name });
  }
}
