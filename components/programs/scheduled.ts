import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { PodIdentityArgs } from "../aws/podIdentity";
import type { DatabaseConnections } from "./databaseConnection";
import { evictionIsNoFailure, wrongSettingsAreFinal } from "./jobFailures";
import { opsProgram, type OpsProgramArgs } from "./opsProgram";
import type { ProgramCode } from "./programCode";
import { complete, type WithDefaults } from "../stack/defaults";
import { acknowledgedFile, ScheduledFiles } from "./scheduledFiles";
import { type ScheduledInputs, type ScheduledProgram, sourceOf } from "./scheduledProgram";
import { isTimed, programsOf, type TimedName } from "./scheduledNames";
import { scheduledPrograms } from "./scheduledPrograms";

const acknowledgedPath = "/app/acknowledged";

interface EveryScheduled
  extends
    Pick<OpsProgramArgs, "namespace" | "image" | "trustSecret" | "pod" | "transform">,
    Pick<PodIdentityArgs, "region" | "eksClusterName" | "permissionsBoundaryArn" | "tags"> {
  /** Of the programs of ops/, by their names: several entries may run one. */
  code: Readonly<Record<string, ProgramCode>>;
  /** Every way to the database, from `Connections.urls`. */
  connections: DatabaseConnections;
  inputs: ScheduledInputs;
}

export interface ScheduledArgs extends EveryScheduled {
  /** The CronJob's name. */
  program: string;
  entry: ScheduledProgram;
  /** Five cron fields or a word such as @daily, UTC. Default: never, it is run by hand only. */
  schedule?: string | undefined;
}

/** One of our programs on schedule: one run at a time, tried again where that can help. */
export class Scheduled extends pulumi.ComponentResource {
  readonly cronJob: k8s.batch.v1.CronJob;

  constructor(name: string, args: ScheduledArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:programs:Scheduled", name, {}, opts);
    const { program, entry, schedule, inputs, connections } = args;
    const { region, eksClusterName, permissionsBoundaryArn, tags } = args;
    const acknowledged = entry.knowsAcknowledged ? inputs.acknowledged : undefined;
    const { labels, metadata, template, dependsOn } = opsProgram(
      name,
      {
        ...args,
        command: program,
        args: [...(entry.args ?? [])],
        bundle: args.code[sourceOf(program, entry)]!,
        helpers: Object.fromEntries((entry.helpers ?? []).map((helper) => [helper, args.code[helper]!])),
        memory: entry.memory,
        gracePeriod: entry.gracePeriod,
        database: connections[entry.connection],
        databases: Object.fromEntries(
          Object.entries(entry.databases ?? {}).map(([which, connection]) => [which, connections[connection]]),
        ),
        env: {
          ...entry.env(inputs),
          ...(acknowledged !== undefined && { ACKNOWLEDGED_FILE: `${acknowledgedPath}/${acknowledgedFile}` }),
        },
        volumes: Object.fromEntries(
          Object.entries({
            ...entry.files?.(inputs),
            ...(acknowledged !== undefined && { [acknowledgedPath]: acknowledged }),
          }).map(([path, name]) => [path, { configMap: { name } }]),
        ),
        egress: entry.egress?.(inputs),
        aws: entry.aws && { region, eksClusterName, permissionsBoundaryArn, tags, ...entry.aws(inputs) },
      },
      this,
    );

    this.cronJob = new k8s.batch.v1.CronJob(
      name,
      {
        // A fixed name: `kubectl create job --from=cronjob/<program>` is how a person runs it now.
        metadata: { ...metadata, name: program },
        spec: {
          schedule: schedule ?? "@yearly",
          suspend: schedule === undefined,
          timeZone: "Etc/UTC",
          concurrencyPolicy: "Forbid",
          // Missed while the cluster was away: still run within the day, not a hundred times over.
          startingDeadlineSeconds: 12 * 3600,
          successfulJobsHistoryLimit: 3,
          failedJobsHistoryLimit: 3,
          jobTemplate: {
            metadata: { labels },
            spec: {
              backoffLimit: entry.retries ?? 3,
              podFailurePolicy: { rules: [evictionIsNoFailure, wrongSettingsAreFinal] },
              activeDeadlineSeconds: entry.deadline,
              template,
            },
          },
        },
      },
      { parent: this, dependsOn },
    );

    this.registerOutputs({ cronJob: this.cronJob.metadata.name });
  }
}

export interface ScheduleAllArgs extends Omit<EveryScheduled, "inputs" | "code"> {
  /** Texts by the programs' names; `scheduledSources` are needed. */
  bundles: Readonly<Record<string, string>>;
  /** Default of those that are left out: 3 months ahead, no known flaw, archives after 7 days. */
  inputs: WithDefaults<Omit<ScheduledInputs, "acknowledged">, typeof scheduledDefaults>;
  /** When programs run, in UTC. Default of each that is left out: as `scheduledPrograms` says. */
  schedules?: Partial<Record<TimedName, string>>;
  /** Findings that were looked into, as JSON. Default: there are none. */
  acknowledgements?: string | undefined;
}

export const scheduledDefaults = { monthsAhead: 3, archiveKnownFlaws: 0, archiveDelayDays: 7 };

/** A CronJob of each program in the table that this deployment has. */
export function scheduleAll(
  name: string,
  { schedules, acknowledgements, bundles, inputs: given, ...rest }: ScheduleAllArgs,
  opts: pulumi.ComponentResourceOptions,
): Scheduled[] {
  const inputs = complete<Omit<ScheduledInputs, "acknowledged">, typeof scheduledDefaults>(given, scheduledDefaults);
  const wanted = programsOf(inputs);
  const run = wanted.flatMap((program) => {
    const entry: ScheduledProgram = scheduledPrograms[program];
    return [sourceOf(program, entry), ...(entry.helpers ?? [])];
  });
  const { code, acknowledged } = new ScheduledFiles(
    name,
    {
      namespace: rest.namespace,
      bundles: Object.fromEntries(run.map((source) => [source, bundles[source]!])),
      acknowledgements,
    },
    opts,
  );
  const args = { ...rest, code, inputs: { ...inputs, acknowledged } };
  return wanted.map((program) => {
    const entry: ScheduledProgram = scheduledPrograms[program];
    const schedule = (isTimed(program) ? schedules?.[program] : undefined) ?? entry.schedule;
    const own = { program, entry, schedule };
    return new Scheduled(`${name}-${program}`, { ...args, ...own }, opts);
  });
}
