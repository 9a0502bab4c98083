import { capacityOf, type InstanceCapacity } from "../aws/instanceClass";
import { maxLocksPerTransaction } from "./lockTable";
import { loggingParameters } from "./loggingParameters";
import { clamp, majorOf, manual, type Parameter, rdsManual, type TuningInput, withApplyMethods } from "./parameter";
import { vacuumParameters } from "./vacuumParameters";

const wal = manual("runtime-config-wal");
const standby = manual("hot-standby");

/** What an integer parameter of PostgreSQL holds: in kB nearly 2 TiB. */
const largestInteger = 2 ** 31 - 1;

/** WAL between two checkpoints, MB: by memory, since dirty pages wait there for them, and never more than a fifth of the disk. */
function maxWalSizeMb({ memoryGib }: InstanceCapacity, storageGib: number): number {
  return clamp(1024, Math.min(memoryGib * 1024, (storageGib * 1024) / 5), 32_768);
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
      value: String(maxLocksPerTransaction),
      unit: "",
      reason:
        "A look-up by id alone locks every monthly partition and each of its indexes: room for ten years of them on all " +
        "connections at once, or what ends who fills the lock table would end the control plane.",
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
      name: "temp_file_limit",
      value: String(Math.min(Math.floor((storageGib * 1024 * 1024) / 10), largestInteger)),
      unit: "kB",
      reason:
        "Any role may sort what does not fit into memory: no session fills more than a tenth of the disk with it. Only here: " +
        "as a role's setting it is PostgreSQL's superuser's alone.",
      source: manual("runtime-config-resource"),
    },
    ...loggingParameters(major),
    {
      name: "track_io_timing",
      value: "1",
      unit: "",
      reason: "Tells a slow disk from a slow plan; the clock is cheap on Nitro instances.",
      source: manual("runtime-config-statistics"),
    },
    ...vacuumParameters(capacity.memoryGib),
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
      name: "pg_stat_statements.track_utility",
      value: "0",
      unit: "",
      reason:
        "ALTER ROLE … PASSWORD is a utility statement: with the default, its SCRAM verifier is to be read by whoever may read statistics.",
      source: manual("pgstatstatements"),
    },
    {
      name: "rds.restrict_password_commands",
      value: "1",
      unit: "",
      reason:
        "Any role may otherwise change its own password, and so lock the pooler out; with it only members of rds_password, which the migration makes the owner.",
      source: rdsManual("Appendix.PostgreSQL.CommonDBATasks.RestrictPasswordMgmt"),
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
