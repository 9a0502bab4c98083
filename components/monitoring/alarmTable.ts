import { roles } from "../../ops/roles";
import { type Alarm, gib, watched } from "./alarm";
import type { AlarmInputs } from "./alarmInputs";
import { serverAlarms } from "./serverAlarms";
import { upkeep } from "./upkeepAlarms";

/** Every alarm of a deployment. A new one is a row here and a runbook of its name. */
export function alarmsFor(inputs: AlarmInputs): Alarm[] {
  return [...writing(inputs), ...pooling(inputs), ...database(inputs), ...replication(inputs), ...upkeep(inputs)];
}

/** Is the trail written? */
function writing({ thresholds: { statementMilliseconds } }: AlarmInputs): Alarm[] {
  return [
    watched("SourcesFailing", {
      name: "monitor-silent",
      severity: "page",
      statistic: "SampleCount",
      comparison: "below",
      threshold: 1,
      datapoints: [3, 3],
      missing: "breaching",
      says: "The monitor has published nothing for 3 minutes: nothing else here can be relied on.",
    }),
    watched("HeartbeatsWritten", {
      name: "primary-not-writing",
      severity: "page",
      comparison: "below",
      threshold: 30,
      datapoints: [2, 2],
      says: "The monitor wrote fewer than 30 of 60 heartbeats a minute on the primary, for 2 minutes.",
    }),
    watched("ControlPlaneReady", {
      name: "control-plane-not-ready",
      severity: "page",
      // Not ready once in a while is a rollout's business.
      statistic: "Maximum",
      comparison: "below",
      threshold: 1,
      datapoints: [3, 3],
      says: "The control plane has not been ready once in 3 minutes: agents get no decisions.",
    }),
    watched("StatementMilliseconds", {
      name: "statements-slow",
      severity: "ticket",
      label: roles.app,
      comparison: "above",
      threshold: statementMilliseconds,
      datapoints: [5, 5],
      says: `The control plane's statements took more than ${statementMilliseconds} ms on average, for 5 minutes.`,
    }),
    watched("LockTableUsedPercent", {
      name: "lock-table-full",
      severity: "page",
      comparison: "above",
      threshold: 60,
      datapoints: [1, 1],
      says: "More than 60 % of the server's lock table was in use: once it is full no receipt is stored.",
    }),
    watched("Deadlocks", {
      name: "deadlocks",
      severity: "ticket",
      period: 300,
      comparison: "above",
      threshold: 5,
      datapoints: [2, 3],
      says: "More than 5 deadlocks in 5 minutes, twice in a quarter of an hour.",
    }),
  ];
}

/** Is the pool full? */
function pooling({ thresholds: { poolWaitSeconds } }: AlarmInputs): Alarm[] {
  return [
    watched("PoolLongestWaitSeconds", {
      name: "pool-waiting",
      severity: "page",
      comparison: "above",
      threshold: poolWaitSeconds,
      datapoints: [2, 2],
      says: `A client has waited more than ${poolWaitSeconds} s for a connection of the pool, in each of 2 minutes.`,
    }),
    watched("PoolUsedPercent", {
      name: "pool-full",
      severity: "ticket",
      statistic: "Average",
      comparison: "above",
      threshold: 90,
      datapoints: [5, 5],
      says: "More than 90 % of a pool's connections have been in use for 5 minutes.",
    }),
    watched("PoolersUnreachable", {
      name: "pgbouncer-unreachable",
      severity: "ticket",
      statistic: "Minimum",
      comparison: "above",
      threshold: 0,
      datapoints: [5, 5],
      says: "A process of a PgBouncer pod has not answered for 5 minutes.",
    }),
  ];
}

/** Is the database healthy? */
function database({ primary, replica }: AlarmInputs): Alarm[] {
  return [
    watched("ConnectionsUsedPercent", {
      name: "connections-high",
      severity: "ticket",
      comparison: "above",
      threshold: 80,
      datapoints: [5, 5],
      says: "More than 80 % of max_connections have been in use for 5 minutes.",
    }),
    watched("TransactionIdsUsedPercent", {
      name: "wraparound",
      severity: "ticket",
      comparison: "above",
      threshold: 50,
      datapoints: [5, 5],
      says: "More than 50 % of the transaction ids are used: vacuum does not freeze fast enough.",
    }),
    watched("OldestTransactionSeconds", {
      name: "transaction-old",
      severity: "ticket",
      comparison: "above",
      threshold: 1800,
      datapoints: [5, 5],
      says: "A transaction has been open for more than 1,800 s: vacuum removes nothing that it may still see.",
    }),
    watched("DeadTuplesPercent", {
      name: "dead-rows",
      severity: "ticket",
      comparison: "above",
      threshold: 30,
      datapoints: [30, 30],
      says: "More than 30 % of a table's rows have been dead for 30 minutes.",
    }),
    ...serverAlarms("primary", primary),
    ...(replica ? serverAlarms("replica", replica) : []),
  ];
}

/** Is it replicated? */
function replication({ thresholds: { lagSeconds }, primary, replica }: AlarmInputs): Alarm[] {
  const retainedGib = Math.max(1, Math.round(primary.storageGib * 0.2));
  if (replica === undefined) return [];
  return [
    watched("ReplicationLagSeconds", {
      name: "replication-lag",
      severity: "page",
      period: 10,
      comparison: "above",
      threshold: lagSeconds,
      datapoints: [3, 3],
      // Missing data is not breaching: a lag that nobody can measure grows, and before the first measurement there is no data.
      says: `The replica has been more than ${lagSeconds} s behind the primary for 30 s, or nobody can tell.`,
    }),
    watched("ReplicaConnected", {
      name: "replica-disconnected",
      severity: "page",
      // Once a minute is enough: a connection that is lost is made again.
      statistic: "Maximum",
      comparison: "below",
      threshold: 1,
      datapoints: [3, 3],
      says: "The replica has received no WAL from the primary for 3 minutes.",
    }),
    watched("SlotRetainedBytes", {
      name: "wal-retained",
      severity: "ticket",
      comparison: "above",
      threshold: retainedGib * gib,
      datapoints: [5, 5],
      says: `A replication slot has kept more than ${retainedGib} GiB of WAL on the primary for 5 minutes.`,
    }),
    {
      name: "replica-lag-by-rds",
      // Where the primary's region is lost, no other alarm is left to wake anybody.
      severity: "page",
      place: "replica",
      measured: { of: "server", metric: "ReplicaLag" },
      statistic: "Minimum",
      period: 60,
      comparison: "above",
      threshold: Math.max(60, lagSeconds),
      datapoints: [15, 15],
      missing: "missing",
      says: `RDS sees the replica more than ${Math.max(60, lagSeconds)} s behind for 15 minutes; it says so in the replica's own region.`,
    },
  ];
}
