import type { Input } from "@pulumi/pulumi";
import type { ConnectionName, OfReplica } from "./connectionName";
import type { EgressRule } from "../pods/networkRules";

/** What the programs' environment is made of. */
export interface ScheduledInputs {
  /** Months of partitions to have ahead of today. */
  monthsAhead: number;
}

export interface ScheduledProgram {
  /** What happens on schedule, as the setting's description has it: "partitions are made". */
  what: string;
  /** Default of the setting `<name>Schedule`, UTC. */
  schedule: string;
  /** Seconds that one run may take, its tries together. */
  deadline: number;
  /** Whose URL of the primary it gets, and with it what it may do there. */
  connection: Exclude<ConnectionName, OfReplica>;
  /** Connections to the primary, beside PgBouncer's, that a run holds. */
  connections: number;
  env: (inputs: ScheduledInputs) => Record<string, Input<string>>;
  /** What it may reach beside names and its database. */
  egress?: readonly EgressRule[];
}

/**
 * Every program that runs on schedule. An entry is all there is to add: the program is `ops/<name>.ts`, and its CronJob (also for
 * `make cron NAME=<name>`), its network policy, its setting `<name>Schedule` and its share of the connections follow from here.
 */
export const scheduledPrograms = {
  // Every day, for months ahead: each run is a chance to notice, long before a partition is missed.
  partitions: {
    what: "partitions are made",
    schedule: "17 3 * * *",
    deadline: 2700,
    connection: "maintenance",
    connections: 1,
    // Longer than the longest statement of a role of ours (sql/019_role_rules.sql: the auditor's 15 minutes).
    env: ({ monthsAhead }) => ({ MONTHS_AHEAD: String(monthsAhead), LOCK_PATIENCE_SECONDS: "1200" }),
  },
} as const satisfies Record<string, ScheduledProgram>;

export type ScheduledName = keyof typeof scheduledPrograms;

export const scheduledNames = Object.keys(scheduledPrograms) as ScheduledName[];
