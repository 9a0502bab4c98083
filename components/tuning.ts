import { applyMethod, type ApplyMethod } from "./applyMethod";
import { instanceCapacity, type InstanceCapacity } from "./instanceClass";

/** One setting of a parameter group. */
export interface Parameter {
  name: string;
  /** In `unit`, as RDS takes it: RDS knows no "4GB" and no "15min". Booleans are "1" and "0". */
  value: string;
  /** PostgreSQL's base unit of the setting; "" for numbers without one, booleans and lists. */
  unit: "" | "ms" | "s" | "kB" | "MB";
  applyMethod: ApplyMethod;
  /** Why it differs from RDS' default, or must not. */
  reason: string;
  source: string;
}

/** A parameter before its apply method is known, which follows from the rest and the version. */
export type Tuned = Omit<Parameter, "applyMethod">;

export interface TuningInput {
  /** Major version, such as "17". */
  postgresVersion: string;
  instanceClass: string;
  /** Allocated storage, GiB. */
  storageGib: number;
  /** Of the primary, for both servers. */
  maxConnections: number;
}

export const manual = (page: string) => `https://www.postgresql.org/docs/17/${page}.html`;
const wal = manual("runtime-config-wal");
const vacuum = manual("runtime-config-vacuum");
const logging = manual("runtime-config-logging");
const standby = manual("hot-standby");
const rdsManual = (page: string) => `https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/${page}.html`;

const clamp = (least: number, value: number, most: number) => Math.max(least, Math.min(Math.floor(value), most));

/** WAL between two checkpoints, MB: by memory, since dirty pages wait there for them, and never more than a fifth of the disk. */
function maxWalSizeMb({ memoryGib }: InstanceCapacity, storageGib: number): number {
  return clamp(1024, Math.min(memoryGib * 1024, (storageGib * 1024) / 5), 32_768);
}

function capacityOf(instanceClass: string): InstanceCapacity {
  const capacity = instanceCapacity(instanceClass);
  if (capacity === undefined) throw new Error(`${instanceClass} is not an instance class this program can tune for`);
  return capacity;
}

/**
 * The primary's parameters, for a database that mostly appends. Memory (`shared_buffers`, `effective_cache_size`,
 * `work_mem`) is left to RDS: its defaults already follow the class. `wal_level` cannot be set on RDS; with backups on it
 * is `replica`, which the migrations verify.
 */
export function primaryParameters(input: TuningInput): Parameter[] {
  const { instanceClass, storageGib, maxConnections } = input;
  const major = majorOf(input);
  const capacity = capacityOf(instanceClass);
  const maxWalSize = maxWalSizeMb(capacity, storageGib);
  return withApplyMethods(major, [
    {
      name: "checkpoint_timeout",
      value: "900",
      unit: "s",
      reason:
        "The first change of a page after a checkpoint writes the whole page to the WAL: three times fewer checkpoints " +
        "than by default, and crash recovery replays 15 minutes at most.",
      source: wal,
    },
    {
      name: "max_wal_size",
      value: String(maxWalSize),
      unit: "MB",
      reason: "Large enough that the timeout, not the volume, starts checkpoints; at most a fifth of the disk.",
      source: wal,
    },
    {
      name: "min_wal_size",
      value: String(Math.floor(maxWalSize / 4)),
      unit: "MB",
      reason: "Recycled segments are cheaper than new ones when receipts come in bursts.",
      source: wal,
    },
    {
      name: "checkpoint_completion_target",
      value: "0.9",
      unit: "",
      reason: "Spreads a checkpoint's writes over the interval, so that commits do not queue behind them.",
      source: wal,
    },
    {
      name: "wal_compression",
      value: "zstd",
      unit: "",
      reason: "Full-page images are most of an append-heavy WAL, and every byte crosses regions to the replica.",
      source: wal,
    },
    {
      name: "synchronous_commit",
      value: "on",
      unit: "",
      reason: "A receipt that was acknowledged survives a crash. Only the telemetry role has it off, by role setting.",
      source: wal,
    },
    {
      name: "max_connections",
      value: String(maxConnections),
      unit: "",
      reason: "The pool arithmetic needs a number of its own, not RDS' LEAST({DBInstanceClassMemory/9531392}, 5000).",
      source: rdsManual("CHAP_Limits"),
    },
    {
      name: "max_worker_processes",
      value: "32",
      unit: "",
      reason:
        "A standby replays only with at least the primary's value. RDS' default follows each one's own class, so that growing the " +
        "primary alone would pause the replica; this is RDS' figure for 16 vCPUs, and what appends runs few workers.",
      source: standby,
    },
    {
      name: "max_locks_per_transaction",
      value: "256",
      unit: "",
      reason:
        "A look-up by id alone locks every monthly partition and each of its indexes; four times the default keeps years of them, and pg_dump, within the table.",
      source: manual("runtime-config-locks"),
    },
    {
      name: "idle_in_transaction_session_timeout",
      value: "60000",
      unit: "ms",
      reason:
        "A transaction that a client has forgotten holds back vacuum and keeps its locks. PgBouncer ends it earlier; this is " +
        "the net below it, and for direct connections. pg_dump turns it off for itself.",
      source: manual("runtime-config-client"),
    },
    {
      name: "log_min_duration_statement",
      value: "1000",
      unit: "ms",
      reason: "A receipt's insert takes milliseconds: what takes a second is worth a line.",
      source: logging,
    },
    {
      name: "log_statement",
      value: "ddl",
      unit: "",
      reason:
        "Evidence: whoever changes a table, a trigger or a role leaves the statement in a log that the database cannot rewrite. " +
        "It costs a line for each, in a deployment and at the turn of a month. Passwords are set as SCRAM verifiers.",
      source: logging,
    },
    {
      name: "log_connections",
      // Until 17 a boolean; from 18 a list, and a connection that was only received proves nothing.
      value: major >= 18 ? "authentication,authorization" : "1",
      unit: "",
      reason:
        "Evidence: who came, from where, as whom and over TLS or not. It costs two or three lines for each connection, of which the " +
        "pooler makes few; a client that connects anew for each query would pay with every query.",
      source: logging,
    },
    {
      name: "log_disconnections",
      value: "1",
      unit: "",
      reason: "Evidence: how long each stayed. It costs one line for each connection.",
      source: logging,
    },
    {
      name: "log_lock_waits",
      value: "1",
      unit: "",
      reason:
        "Chain heads and partition maintenance are taken under locks: a wait beyond deadlock_timeout must leave a trace.",
      source: logging,
    },
    {
      name: "log_autovacuum_min_duration",
      value: "10000",
      unit: "ms",
      reason: "Says which partition's vacuum is slow, without a line for each quiet one.",
      source: logging,
    },
    {
      name: "track_io_timing",
      value: "1",
      unit: "",
      reason: "Tells a slow disk from a slow plan; the clock is cheap on Nitro instances.",
      source: manual("runtime-config-statistics"),
    },
    {
      name: "autovacuum_vacuum_insert_scale_factor",
      value: "0.05",
      unit: "",
      reason: "A partition that only grows is frozen and becomes index-only readable after 5 % of new rows, not 20 %.",
      source: vacuum,
    },
    {
      name: "autovacuum_vacuum_scale_factor",
      value: "0.05",
      unit: "",
      reason:
        "api_keys is updated on each request, and pending receipts several times: dead rows go before they pile up.",
      source: vacuum,
    },
    {
      name: "autovacuum_analyze_scale_factor",
      value: "0.02",
      unit: "",
      reason: "The newest days are what is asked for: the planner must know of them within 2 % of growth.",
      source: vacuum,
    },
    {
      name: "autovacuum_vacuum_cost_limit",
      value: "2000",
      unit: "",
      reason: "The default of 200 was sized for spinning disks: gp3 gives 3,000 IOPS at least.",
      source: vacuum,
    },
    {
      name: "autovacuum_max_workers",
      value: "5",
      unit: "",
      reason:
        "At the turn of a month two partitions of each table are busy. They share one cost limit, so that more of them read no more; " +
        "the same for every class, since until 17 it takes a reboot.",
      source: vacuum,
    },
    {
      name: "maintenance_work_mem",
      value: String(clamp(65_536, (capacity.memoryGib * 1024 * 1024) / 32, 1_048_576)),
      unit: "kB",
      reason:
        "Index builds on partitions and vacuum; 1/32 of memory for each worker, 1 GiB at most (vacuum used no more until 17).",
      source: manual("runtime-config-resource"),
    },
    {
      name: "random_page_cost",
      value: "1.1",
      unit: "",
      reason:
        "gp3 has no seek: with the default of 4 the planner scans whole partitions instead of using their indexes.",
      source: manual("runtime-config-query"),
    },
    {
      name: "shared_preload_libraries",
      value: "pg_stat_statements",
      unit: "",
      reason: "Query latency is no native RDS metric: it is read from pg_stat_statements.",
      source: manual("pgstatstatements"),
    },
    {
      name: "rds.force_ssl",
      value: "1",
      unit: "",
      reason: "On by default since 15; stated, so that a changed default changes nothing here.",
      source: rdsManual("PostgreSQL.Concepts.General.SSL"),
    },
  ]);
}

export const majorOf = ({ postgresVersion }: Pick<TuningInput, "postgresVersion">) =>
  Number.parseInt(postgresVersion, 10);

export function withApplyMethods(major: number, parameters: readonly Tuned[]): Parameter[] {
  return parameters.map((parameter) => ({
    ...parameter,
    applyMethod: applyMethod(parameter.name, parameter.value, major),
  }));
}
