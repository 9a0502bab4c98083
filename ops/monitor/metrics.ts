/**
 * Every metric that the monitor publishes. What sources collect, what CloudWatch and Prometheus are given, what alarms and the
 * dashboard are made of: all of it follows from this table.
 */

export const namespace = "Authensor/Postgres";

/** Seconds from one publication to the next. */
export const fastEverySeconds = 10;

export type Unit = "Seconds" | "Milliseconds" | "Bytes" | "Percent" | "Count" | "None";

export interface Metric {
  /** What it is, in one sentence. */
  what: string;
  unit: Unit;
  /** How the values of a minute are read as one. */
  statistic: "Maximum" | "Minimum" | "Average" | "Sum";
  /** A further dimension: one series for each of its values, each at its own cost. */
  by?: "Role" | "Outcome" | "Scope" | "Program";
  /** Published as it is collected, every `fastEverySeconds`, and kept by the second. Default: each minute. */
  fast?: true;
}

export const metrics = {
  HeartbeatsWritten: { what: "Heartbeats written on the primary, one a second", unit: "Count", statistic: "Sum" },

  ReplicationLagSeconds: {
    what: "Age of the newest heartbeat seen on the replica against the newest on the primary; it grows while nobody can tell",
    unit: "Seconds",
    statistic: "Maximum",
    fast: true,
  },
  ReplicationLagBytes: { what: "WAL that the replica has not replayed", unit: "Bytes", statistic: "Maximum" },
  ReplicaConnected: { what: "Whether the replica receives WAL from the primary", unit: "None", statistic: "Minimum" },
  SlotRetainedBytes: { what: "WAL that the slot furthest behind keeps", unit: "Bytes", statistic: "Maximum" },

  ConnectionsUsedPercent: { what: "Connections in use of max_connections", unit: "Percent", statistic: "Maximum" },
  Connections: { what: "Connections of each role", unit: "Count", statistic: "Maximum", by: "Role" },
  ConnectionsActive: { what: "Connections that run a statement", unit: "Count", statistic: "Maximum" },
  ConnectionsIdleInTransaction: {
    what: "Connections that hold a transaction and run nothing",
    unit: "Count",
    statistic: "Maximum",
  },
  OldestTransactionSeconds: { what: "Age of the oldest transaction", unit: "Seconds", statistic: "Maximum" },

  LockTableUsedPercent: {
    what: "The server's lock table in use; above 75 the monitor ends who fills it",
    unit: "Percent",
    statistic: "Maximum",
  },

  Commits: { what: "Transactions committed", unit: "Count", statistic: "Sum" },
  Rollbacks: { what: "Transactions rolled back", unit: "Count", statistic: "Sum" },
  Deadlocks: { what: "Deadlocks", unit: "Count", statistic: "Sum" },
  TemporaryBytes: { what: "Bytes written to temporary files", unit: "Bytes", statistic: "Sum" },
  TransactionIdsUsedPercent: {
    what: "Transaction ids used of those there are before the server stops accepting writes",
    unit: "Percent",
    statistic: "Maximum",
  },

  WalBytes: { what: "WAL written", unit: "Bytes", statistic: "Sum" },
  CheckpointsTimed: { what: "Checkpoints that came by the clock", unit: "Count", statistic: "Sum" },
  CheckpointsRequested: { what: "Checkpoints that WAL forced early", unit: "Count", statistic: "Sum" },

  StatementMilliseconds: {
    what: "Mean time of each role's statements",
    unit: "Milliseconds",
    statistic: "Average",
    by: "Role",
  },
  StatementP95OfMeansMilliseconds: {
    what: "What 95 of 100 statements of each role take at most, each taken as the minute's mean of its kind: the spread within a kind is not in it",
    unit: "Milliseconds",
    statistic: "Maximum",
    by: "Role",
  },
  SlowestStatementMilliseconds: {
    what: "Mean time of the slowest kind of statement that the control plane sent",
    unit: "Milliseconds",
    statistic: "Maximum",
  },

  DeadTuplesPercent: {
    what: "Dead rows of the table that has most of them, of its rows",
    unit: "Percent",
    statistic: "Maximum",
  },

  PoolUsedPercent: {
    what: "Server connections in use of the fullest pool of any PgBouncer pod",
    unit: "Percent",
    statistic: "Maximum",
  },
  PoolWaitingClients: {
    what: "Clients that wait for a server connection, over all PgBouncer pods",
    unit: "Count",
    statistic: "Maximum",
    fast: true,
  },
  PoolLongestWaitSeconds: { what: "Longest wait of such a client", unit: "Seconds", statistic: "Maximum" },
  PoolersUnreachable: { what: "PgBouncer processes that did not answer", unit: "Count", statistic: "Maximum" },
  PoolQueryMilliseconds: {
    what: "Time of a query through the pool, connection included",
    unit: "Milliseconds",
    statistic: "Maximum",
  },

  MonthsAhead: { what: "Months ahead that every monthly table has", unit: "Count", statistic: "Minimum" },
  RowsOutsideMonths: {
    what: "Rows stored before the first or after the last month",
    unit: "Count",
    statistic: "Maximum",
  },

  Receipts: { what: "Receipts by outcome", unit: "Count", statistic: "Sum", by: "Outcome" },

  ControlPlaneReady: { what: "Whether the control plane answers that it is ready", unit: "None", statistic: "Minimum" },
  CertificateDaysLeft: {
    what: "Days until the first certificate ends, of the servers and of PgBouncer",
    unit: "Count",
    statistic: "Minimum",
  },

  ProgramsFailed: { what: "Programs on schedule whose last run failed", unit: "Count", statistic: "Maximum" },
  ProgramAgeHours: {
    what: "Hours since a program on schedule last succeeded",
    unit: "Count",
    statistic: "Maximum",
    by: "Program",
  },

  VerificationFindings: {
    what: "Broken places in the trail that the last verification found, of the recent trail, of the whole, or of the whole and the archive",
    unit: "Count",
    statistic: "Maximum",
  },
  VerificationUnverified: {
    what: "Months and places that the last verification could not verify",
    unit: "Count",
    statistic: "Maximum",
  },
  VerificationProgressPercent: {
    what: "Receipts that the verification of the whole trail under way has been through, of about all; no value while none is",
    unit: "Percent",
    statistic: "Maximum",
  },
  VerificationAgeHours: {
    what: "Hours since a verification came to an end",
    unit: "Count",
    statistic: "Maximum",
    by: "Scope",
  },

  ArchiveAgeMinutes: {
    what: "Minutes since the moment up to which all is in the locked bucket",
    unit: "Count",
    statistic: "Maximum",
  },
  DumpAgeMinutes: {
    what: "Minutes since the moment up to which all that is in no chain is in the locked bucket",
    unit: "Count",
    statistic: "Maximum",
  },
  ArchiveProblems: {
    what: "What the archiver found wrong in the trail or in the bucket",
    unit: "Count",
    statistic: "Maximum",
  },

  CopiesAgeMinutes: {
    what: "Minutes since the moment that the copies of RDS' backups lead to",
    unit: "Count",
    statistic: "Maximum",
  },

  DrillAgeDays: { what: "Days since a drill has proven the backups", unit: "Count", statistic: "Maximum" },
  DrillProblems: {
    what: "What the last drill found wrong; 1 where it was killed",
    unit: "Count",
    statistic: "Maximum",
  },
  DrillRtoMinutes: {
    what: "Minutes until the server that the last drill restored took a receipt",
    unit: "Count",
    statistic: "Maximum",
  },
  DrillRpoMinutes: {
    what: "Minutes by which the newest write that the last drill restored was older than the restore",
    unit: "Count",
    statistic: "Maximum",
  },

  SourcesFailing: { what: "Sources of the monitor that failed or hung", unit: "Count", statistic: "Maximum" },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;
export const metricNames = Object.keys(metrics) as MetricName[];

/** A value, or one for each value of the metric's further dimension. */
export type Value<Name extends MetricName> = (typeof metrics)[Name] extends { by: string }
  ? Record<string, number>
  : number;

/** What one collection has found; a metric that is left out has no value now. */
export type Samples = { [Name in MetricName]?: Value<Name> };

/** One series' value. */
export interface Sample {
  name: MetricName;
  /** Of the metric's further dimension. */
  label?: string;
  value: number;
}

export function samplesOf(samples: Samples): Sample[] {
  return (Object.entries(samples) as [MetricName, number | Record<string, number>][]).flatMap(([name, value]) =>
    typeof value === "number"
      ? [{ name, value }]
      : Object.entries(value).map(([label, labelled]) => ({ name, label, value: labelled })),
  );
}
