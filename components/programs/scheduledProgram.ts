import type { Input } from "@pulumi/pulumi";
import type { DrillTarget } from "../backup/drillRights";
import type { EgressRule } from "../pods/networkRules";
import type { FoundBucket } from "./bucketEnv";
import type { ConnectionName, OfPooler, OfReplica } from "./databaseConnection";

/** What an entry may be made of; index.ts has the values. */
export interface ScheduledInputs {
  /** The deployment's name. */
  environment: string;
  /** Months of partitions to have ahead of today. */
  monthsAhead: number;
  /** The locked bucket. */
  backups: FoundBucket;
  /** Flaws of archived rows that were looked into. */
  archiveKnownFlaws: number;
  /** Days that a month is over before its segments become one archive. */
  archiveDelayDays: number;
  /** Months that receipts stay in PostgreSQL. Default: for ever. */
  onlineMonths?: number | undefined;
  /** What drills restore into, and where that is reached. Default: there are no drills. */
  drill?: (DrillTarget & { blocks: readonly string[] }) | undefined;
  /** ConfigMaps with the migrations, and with what they tell the database of the deployment. */
  migrations: Record<"sql" | "expectations", Input<string>>;
  /** ConfigMap with the findings that were looked into, in findings.json. Default: there are none. */
  acknowledged?: Input<string> | undefined;
}

/** What decides which programs there are. */
export type Features = Pick<ScheduledInputs, "drill" | "onlineMonths">;

export interface ScheduledProgram {
  /** What happens on schedule, as the setting's description has it: "partitions are made". */
  what: string;
  /** Default of the setting `<name>Schedule`, UTC. Not set: it is there to be run by hand, suspended, and has no setting. */
  schedule?: string;
  /** Seconds that one run may take, its tries together. */
  deadline: number;
  /** How often a failed run is tried again; never with wrong settings (exit code 2). Default 3. */
  retries?: number;
  /** Whether this deployment has it. Default: every one has. */
  when?: (has: Features) => boolean;
  /** The program, where its name is not the entry's: `ops/<entry>.ts`. So one program can run on two schedules. */
  entry?: string;
  /** Its arguments, such as `["up"]`. */
  args?: readonly string[];
  /** Programs that it starts itself. */
  helpers?: readonly string[];
  /** Its memory limit, with that of those. Default: 256Mi. */
  memory?: string;
  /** Seconds from the order to end until it is killed. Default: Kubernetes' 30. */
  gracePeriod?: number;
  /** Which URL it gets as DATABASE_URL_FILE, and with it what it may do there; the way there is open to it. */
  connection: Exclude<ConnectionName, OfPooler | OfReplica>;
  /** Further ones by name: `{ REPLICA: "replica" }` is REPLICA_URL_FILE. Those of a replica only where there is one. */
  databases?: Readonly<Record<string, ConnectionName>>;
  /** Connections to the primary, beside PgBouncer's, that a run holds. */
  connections: number;
  env: (inputs: ScheduledInputs) => Record<string, Input<string>>;
  /** ConfigMaps to mount, by path. */
  files?: (inputs: ScheduledInputs) => Readonly<Record<string, Input<string>>>;
  /** Whether it is told which findings were looked into. */
  knowsAcknowledged?: boolean;
  /** What it may reach beside names, its databases and, with an identity, AWS. */
  egress?: (inputs: ScheduledInputs) => readonly EgressRule[];
  /** Its identity on AWS: what for, and the statements of its policy. Default: none. */
  aws?: (inputs: ScheduledInputs) => { description: string; statements: object[] };
}

/** The program that an entry runs: `verify` is ops/verify.ts. */
export const sourceOf = (name: string, { entry }: ScheduledProgram): string => entry ?? name;
