/** What the dashboard shows: five questions, the charts that answer each, and the chart that each metric is drawn on. */
import type { MetricName } from "../../ops/monitor/metrics";
import { roles } from "../../ops/roles";
import { overdueHours } from "../../ops/monitor/overdue";
import { scopes } from "../../ops/verify/overdue";

export const questions = {
  trail: "Is the trail written and intact?",
  replica: "Is it replicated?",
  pool: "Is the pool full?",
  database: "Is the database healthy?",
  upkeep: "Are backups proven, and is what runs on schedule done?",
} as const;
export type Question = keyof typeof questions;

interface Chart {
  question: Question;
  title: string;
  /** Of its axis. Default: a count. */
  unit?: "bytes" | "seconds" | "ms" | "%" | "minutes" | "hours" | "days";
}

/** In the order in which they are drawn. */
export const charts = {
  receipts: { question: "trail", title: "Receipts a minute" },
  verified: { question: "trail", title: "Findings of the last verification, and what it could not verify" },
  verification: { question: "trail", title: "Hours since the trail was verified" },
  verificationProgress: { question: "trail", title: "How far the verification of the whole trail is", unit: "%" },
  heartbeats: { question: "trail", title: "Heartbeats a minute on the primary" },
  controlPlane: { question: "trail", title: "Control plane ready (1) or not (0)" },
  statements: { question: "trail", title: "Time of statements", unit: "ms" },
  statementsP95: { question: "trail", title: "Time of 95 of 100 statements, by the means of their kinds", unit: "ms" },
  months: { question: "trail", title: "Months ahead" },
  outside: { question: "trail", title: "Rows outside any month" },

  lag: { question: "replica", title: "Replica behind the primary", unit: "seconds" },
  lagBytes: { question: "replica", title: "WAL not replayed, or kept by a slot", unit: "bytes" },
  connected: { question: "replica", title: "Replica connected (1) or not (0)" },

  poolUsed: { question: "pool", title: "Fullest pool in use", unit: "%" },
  poolWaiting: { question: "pool", title: "Clients that wait for a connection" },
  poolWait: { question: "pool", title: "Longest wait for a connection", unit: "seconds" },
  poolQuery: { question: "pool", title: "A query through the pool", unit: "ms" },
  poolers: { question: "pool", title: "PgBouncer processes that do not answer" },

  connectionsUsed: { question: "database", title: "Connections in use of max_connections", unit: "%" },
  connections: { question: "database", title: "Connections by role and state" },
  transactions: { question: "database", title: "Transactions a minute" },
  oldest: { question: "database", title: "Oldest transaction", unit: "seconds" },
  deadlocks: { question: "database", title: "Deadlocks" },
  used: { question: "database", title: "Dead rows, transaction ids used, lock table", unit: "%" },
  written: { question: "database", title: "WAL and temporary files a minute", unit: "bytes" },
  checkpoints: { question: "database", title: "Checkpoints a minute" },
  cpu: { question: "database", title: "CPU in use", unit: "%" },
  credits: { question: "database", title: "CPU credits left" },
  memory: { question: "database", title: "Memory that is free", unit: "bytes" },
  storage: { question: "database", title: "Storage that is free", unit: "bytes" },
  storageDays: { question: "database", title: "Until the storage is full (by 6 hours: look at a week)", unit: "days" },

  programs: { question: "upkeep", title: "Programs on schedule that failed" },
  programAge: { question: "upkeep", title: "Since programs on schedule succeeded", unit: "hours" },
  archive: { question: "upkeep", title: "Locked bucket behind the database", unit: "minutes" },
  archiveProblems: { question: "upkeep", title: "Problems that the archiver found" },
  copies: { question: "upkeep", title: "Copies of RDS' backups behind the database", unit: "minutes" },
  drillAge: { question: "upkeep", title: "Since a drill has proven the backups", unit: "days" },
  drillTimes: {
    question: "upkeep",
    title: "Last drill: until a receipt was taken (RTO), and lost (RPO)",
    unit: "minutes",
  },
  drillProblems: { question: "upkeep", title: "What the last drill found wrong" },
  certificates: { question: "upkeep", title: "Until a certificate ends", unit: "days" },
  sources: { question: "upkeep", title: "Sources of the monitor that fail" },
} as const satisfies Record<string, Chart>;
export type ChartName = keyof typeof charts;

/** Where each metric of the monitor is drawn: one that is on no chart does not compile. */
export const chartOf: Readonly<Record<MetricName, ChartName>> = {
  HeartbeatsWritten: "heartbeats",
  ReplicationLagSeconds: "lag",
  ReplicationLagBytes: "lagBytes",
  ReplicaConnected: "connected",
  SlotRetainedBytes: "lagBytes",
  ConnectionsUsedPercent: "connectionsUsed",
  Connections: "connections",
  ConnectionsActive: "connections",
  ConnectionsIdleInTransaction: "connections",
  OldestTransactionSeconds: "oldest",
  Commits: "transactions",
  Rollbacks: "transactions",
  Deadlocks: "deadlocks",
  TemporaryBytes: "written",
  TransactionIdsUsedPercent: "used",
  LockTableUsedPercent: "used",
  WalBytes: "written",
  CheckpointsTimed: "checkpoints",
  CheckpointsRequested: "checkpoints",
  StatementMilliseconds: "statements",
  StatementP95OfMeansMilliseconds: "statementsP95",
  SlowestStatementMilliseconds: "statements",
  DeadTuplesPercent: "used",
  PoolUsedPercent: "poolUsed",
  PoolWaitingClients: "poolWaiting",
  PoolLongestWaitSeconds: "poolWait",
  PoolersUnreachable: "poolers",
  PoolQueryMilliseconds: "poolQuery",
  MonthsAhead: "months",
  RowsOutsideMonths: "outside",
  Receipts: "receipts",
  ControlPlaneReady: "controlPlane",
  CertificateDaysLeft: "certificates",
  ProgramsFailed: "programs",
  ProgramAgeHours: "programAge",
  VerificationFindings: "verified",
  VerificationUnverified: "verified",
  VerificationProgressPercent: "verificationProgress",
  VerificationAgeHours: "verification",
  ArchiveAgeMinutes: "archive",
  DumpAgeMinutes: "archive",
  ArchiveProblems: "archiveProblems",
  CopiesAgeMinutes: "copies",
  DrillAgeDays: "drillAge",
  DrillRtoMinutes: "drillTimes",
  DrillRpoMinutes: "drillTimes",
  DrillProblems: "drillProblems",
  SourcesFailing: "sources",
};

/** The same of RDS' own metrics; an expression over one has a chart of its own. */
export const chartOfServer: Readonly<Record<string, ChartName>> = {
  ReplicaLag: "lag",
  CPUUtilization: "cpu",
  CPUCreditBalance: "credits",
  FreeableMemory: "memory",
  FreeStorageSpace: "storage",
};
export const expressionChart: ChartName = "storageDays";

/** The series of a metric that has one for each role, outcome, part of the trail, or program on schedule. */
export const labels = {
  Role: Object.values(roles),
  Outcome: ["allow", "deny", "require_approval", "rate_limited"],
  Scope: scopes,
  Program: Object.keys(overdueHours),
} as const;
