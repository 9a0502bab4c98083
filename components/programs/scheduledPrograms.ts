import { archiveReaderStatements, archiverStatements, holdStatements } from "../backup/bucketRights";
import { drillStatements } from "../backup/drillRights";
import { databaseEgress } from "../pods/networkRules";
import { databaseCaName, trustPath } from "../pods/trust";
import { bucketEnv } from "./bucketEnv";
import { collectsOften } from "./collectsOften";
import { expectationsEnv, expectationsPath } from "./expectationsPath";
import type { ScheduledInputs, ScheduledProgram } from "./scheduledProgram";
import { sqlPath } from "./sqlPath";

/**
 * By a login of its own: an auditor's cannot tell how it ended, nor end its sessions, nor choose its settings. A run that found
 * something must not be repeated until it finds nothing; what passes, the program itself waits for.
 */
const verification = {
  entry: "verify",
  connection: "verifier",
  connections: 1,
  retries: 0,
  knowsAcknowledged: true,
  databases: { REPLICA: "verifierReplica" },
  // Not tried again: where hours of work end during a failover, what was found waits until the primary can be told.
  env: () => ({ CONNECT_TIMEOUT_SECONDS: "180", ...expectationsEnv }),
  files: ({ migrations }: ScheduledInputs) => ({ [expectationsPath]: migrations.expectations }),
} as const;

const archiveEnv = ({ backups, archiveKnownFlaws }: ScheduledInputs) => ({
  ...bucketEnv(backups),
  ARCHIVE_KNOWN_FLAWS: String(archiveKnownFlaws),
});

/** Its own copy of the trail, and anchors that no owner of the database can change. */
const readsArchive = {
  env: (inputs: ScheduledInputs) => ({ ...verification.env(), ...archiveEnv(inputs) }),
  aws: ({ backups }: ScheduledInputs) => ({
    description: "Authensor: who verifies reads the backup bucket",
    statements: archiveReaderStatements(backups),
  }),
};

/** Seconds; longer than the longest statement of a role of ours (role_rules.sql: the auditor's 15 minutes). */
const patienceSeconds = "1200";

const byHand = {
  connection: "auditor",
  connections: 0,
  retries: 0,
  databases: { REPLICA: "replica" },
  env: () => ({}),
} as const;

/**
 * Every program that runs on schedule. To add one, write `ops/<name>.ts` and add an entry here. From it follow the CronJob (also for
 * `make cron NAME=<name>`), its network policy, its identity, its setting `<name>Schedule` (then `npm run settings`) and its share of
 * the connections. What an entry needs to know of the deployment goes into `ScheduledInputs` (scheduledProgram.ts), and its value into index.ts.
 */
export const scheduledPrograms = {
  // Every day, for months ahead: each run is a chance to notice, long before a partition is missed.
  partitions: {
    what: "partitions are made",
    schedule: "17 3 * * *",
    deadline: 2700,
    connection: "maintenance",
    connections: 1,
    env: ({ monthsAhead }) => ({ MONTHS_AHEAD: String(monthsAhead), LOCK_PATIENCE_SECONDS: patienceSeconds }),
  },
  // What was sealed since is what an attacker could still take away unseen, and what a lost region would take.
  archive: {
    what: "what chains gained goes into the locked bucket",
    schedule: "*/5 * * * *",
    deadline: 3600,
    // The next run comes soon, and does the same.
    retries: 0,
    // A segment is read in one transaction, which PgBouncer would end after a minute.
    connection: "archiver",
    databases: { REPLICA: "archiverReplica" },
    connections: 1,
    env: (inputs) => ({ ENVIRONMENT: inputs.environment, ...archiveEnv(inputs), ...collectsOften }),
    aws: ({ backups }) => ({
      description: "Authensor: the archiver writes to the backup bucket, and reads what is there",
      statements: archiverStatements(backups),
    }),
  },
  // Daily: what a run did not come to, the next one does.
  compact: {
    what: "segments of a month that is over become one archive in the locked bucket",
    schedule: "27 4 * * *",
    deadline: 12 * 3600,
    retries: 0,
    connection: "archiver",
    connections: 1,
    env: (inputs) => ({
      ENVIRONMENT: inputs.environment,
      ...archiveEnv(inputs),
      ARCHIVE_DELAY_DAYS: String(inputs.archiveDelayDays),
    }),
    aws: ({ backups }) => ({
      description: "Authensor: who compacts months reads the backup bucket, and adds their archives",
      statements: archiverStatements(backups),
    }),
  },
  // After compact: archives that came since are held too. Holds are placed and released by hand, with other arguments.
  hold: {
    what: "legal holds are applied to what came since",
    schedule: "57 6 * * *",
    deadline: 6 * 3600,
    retries: 0,
    connection: "archiver",
    connections: 1,
    args: ["apply"],
    env: archiveEnv,
    aws: ({ backups }) => ({
      description: "Authensor: who holds months from expiring reads the backup bucket, and places legal holds",
      statements: holdStatements(backups),
    }),
  },
  // After compact, so that what is due leaves on the day that it may.
  retire: {
    what: "months past onlineMonths leave PostgreSQL (where that is set)",
    when: ({ onlineMonths }) => onlineMonths !== undefined,
    schedule: "27 7 * * *",
    deadline: 12 * 3600,
    retries: 0,
    connection: "maintenance",
    connections: 1,
    env: (inputs) => ({
      ...archiveEnv(inputs),
      ARCHIVE_DELAY_DAYS: String(inputs.archiveDelayDays),
      ONLINE_MONTHS: String(inputs.onlineMonths),
      LOCK_PATIENCE_SECONDS: patienceSeconds,
    }),
    aws: ({ backups }) => ({
      description: "Authensor: who takes months out of the database reads the backup bucket",
      statements: archiveReaderStatements(backups),
    }),
  },
  // As far back as the last run of the whole trail, and a day more, from an anchor to an anchor of the locked bucket.
  "verify-recent": {
    ...verification,
    ...readsArchive,
    what: "what the last 8 days wrote is verified",
    schedule: "47 5 * * *",
    deadline: 2 * 3600,
    args: ["--from-archive", "8d", "--record", "recent", "--allow-empty", "--connections", "1"],
  },
  // Without an anchor: docs/verification.md says what that means.
  "verify-whole": {
    what: "the whole trail is verified",
    schedule: "17 6 * * 0",
    deadline: 6 * 3600,
    args: ["--record", "whole", "--allow-empty", "--connections", "1"],
    ...verification,
  },
  // All of the bucket is read, from another region and partly from cold storage: it costs more than the database's own verification.
  "verify-archived": {
    ...verification,
    ...readsArchive,
    what: "the whole trail and the archive in the bucket are verified against each other",
    schedule: "17 8 1 * *",
    deadline: 12 * 3600,
    args: ["--archived", "--record", "archived", "--allow-empty", "--connections", "1"],
  },
  // Every quarter: what an alarm allows is 100 days.
  drill: {
    what: "both ways back are tried and proven, from the copies of the backups and from the bucket alone (where there are copies)",
    when: ({ drill }) => drill !== undefined,
    schedule: "17 9 5 1,4,7,10 *",
    // RDS names hours for a restore, and the whole trail is verified afterwards.
    deadline: 12 * 3600,
    // A failed one is to be looked at; its instance is gone either way.
    retries: 0,
    helpers: ["verify", "restore"],
    // Two Node processes at once.
    memory: "512Mi",
    // Its instance is removed and its report stored even then: what it waits for is bounded in ops/drill.
    gracePeriod: 120,
    knowsAcknowledged: true,
    // That it goes on is told while something else is asked.
    connection: "verifier",
    connections: 2,
    env: (inputs) => ({
      // A failover takes one to two minutes.
      CONNECT_TIMEOUT_SECONDS: "180",
      ENVIRONMENT: inputs.environment,
      ...archiveEnv(inputs),
      COPIES_ARN: inputs.drill!.copiesArn,
      SUBNET_GROUP: inputs.drill!.subnetGroup,
      SECURITY_GROUP: inputs.drill!.securityGroup,
      PARAMETER_GROUP: inputs.drill!.parameterGroup,
      CA_FILE: `${trustPath}/${databaseCaName}`,
      MIGRATIONS_DIR: sqlPath,
    }),
    files: ({ migrations }) => ({ [sqlPath]: migrations.sql }),
    egress: ({ drill }) => [databaseEgress(drill!.blocks, 5432)],
    aws: ({ environment, backups, drill }) => ({
      description: "Authensor: drills restore the backups into an instance of their own, and remove it",
      statements: drillStatements(environment, backups, drill!),
    }),
  },
  anchor: { what: "an anchor is printed", deadline: 900, ...byHand },
  // By the owner, who alone may import; without --bring-in it only names them.
  reconcile: {
    what: "receipts that a failover left behind are named, and brought in with --bring-in",
    deadline: 2 * 3600,
    retries: 0,
    // It keeps what it found in memory (ops/reconcile/branch.ts: mostRows).
    memory: "1Gi",
    connection: "owner",
    connections: 0,
    env: ({ backups }) => bucketEnv(backups),
    aws: ({ backups }) => ({
      description: "Authensor: who brings lost receipts back reads the backup bucket",
      statements: archiveReaderStatements(backups),
    }),
  },
  search: {
    ...byHand,
    what: "the latest receipts are printed",
    // With --archived it reads months of the bucket.
    deadline: 6 * 3600,
    args: ["--latest"],
    env: archiveEnv,
    aws: ({ backups }) => ({
      description: "Authensor: who searches the archives of months reads the backup bucket",
      statements: archiveReaderStatements(backups),
    }),
  },
} as const satisfies Record<string, ScheduledProgram>;
