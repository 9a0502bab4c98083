/** Writes what each chain gained since the last run into the locked bucket, and a dump of what is in no chain. Safe to run anywhere, any number of times, several at once. */
import type { Command } from "commander";
import type pg from "pg";
import { sayHowToAccept, type Acceptance } from "./archive/acceptFork";
import { connectBucket, type Bucket } from "./archive/bucket";
import { assertLocks } from "./archive/assertLocks";
import { newestManifest, newestOf } from "./archive/newest";
import { assertReplayed } from "./archive/position";
import { reportArchive, toldManifest } from "./archive/report";
import { archive, type Outcome } from "./archive/run";
import { databaseUrl, readableUrl, withConnection } from "./database";
import { assertNotLeftBehind, LeftBehind } from "./archive/leftBehind";
import { readServer } from "./verify/server";
import { dumps } from "./dump/manifest";
import { reportDump, toldDump } from "./dump/report";
import { dump, type Dumped } from "./dump/run";
import { chainOf } from "./verify/chainName";
import { Failure, integerSetting, runProgram, textSetting, type Context } from "./program";

const environment = `
Environment:
  DATABASE_URL           the archiver's URL of the primary (or DATABASE_URL_FILE: a file with it)
  REPLICA_URL            the same of a replica (or REPLICA_URL_FILE): read in its place where it answers and is not behind the bucket
  BACKUP_BUCKET          the bucket's name
  BACKUP_REGION          its region
  BACKUP_BUCKET_OWNER    the account that the bucket must be of (default: whoever's it is)
  BACKUP_LOCK_MODE, BACKUP_LOCK_DAYS  how it must lock what is written, at least (default: somehow)
  ENVIRONMENT            the deployment's name
  ARCHIVE_SEGMENT_ROWS   most rows of one segment (default 100000)
  ARCHIVE_DUMP_SECONDS   how long a dump may take (default 600): the next run, and with it new receipts, waits for it
  ARCHIVE_KNOWN_FLAWS    flaws in the archive that were looked into (default 0): more fail every run

Exit codes: 0 all is in the bucket, 1 something failed or was found, 2 wrong usage or settings.`;

interface Options {
  acceptFork?: string;
  changes?: boolean;
  imports?: boolean;
  lane?: string;
  at?: string;
  by?: string;
  reason?: string;
}

function acceptanceOf({
  acceptFork: agent,
  changes,
  imports,
  lane = "0",
  at = "",
  by,
  reason,
}: Options): Acceptance | undefined {
  if (agent === undefined) return undefined;
  if (!/^\d{1,15}$/.test(at) || !by || !reason)
    throw new Failure(
      "--accept-fork needs --at (the last place that both branches have), --by (who has looked into it) and --reason",
      [],
      2,
    );
  if (imports && (agent !== "" || changes))
    throw new Failure(
      '--imports is the one chain of all agents: it goes with --accept-fork "", and without --changes',
      [],
      2,
    );
  if (!/^\d{1,3}$/.test(lane) || (lane !== "0" && (agent === "" || changes)))
    throw new Failure('--lane is the number of a lane of an agent\'s receipts: changes have none, nor has ""', [], 2);
  const chain = imports ? "imports" : changes ? "history" : "receipts";
  return { chain, agent: chainOf(agent, Number(lane)), seq: Number(at), by, reason };
}

async function run(options: Options, { log, signal }: Context): Promise<void> {
  const settings = {
    environment: textSetting("ENVIRONMENT", "prod"),
    mostRows: integerSetting("ARCHIVE_SEGMENT_ROWS", 100_000),
    log,
    accept: acceptanceOf(options),
  };
  const known = integerSetting("ARCHIVE_KNOWN_FLAWS", 0);
  const bucket = connectBucket(
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-west-1"),
    signal,
  );
  const from = { applicationName: "authensor-archive", signal };
  const onPrimary = <T>(work: (client: pg.Client) => Promise<T>, options = {}) =>
    withConnection({ ...from, ...options, url: databaseUrl() }, work);
  let outcome: Outcome;
  let url: string;
  let told: { manifest: number; dump: number };
  try {
    told = await onPrimary(async (client) => ({
      manifest: await toldManifest(client),
      dump: await toldDump(client),
    }));
    await assertLocks(bucket);
    const newest = (await newestManifest(bucket))?.manifest;
    assertNotLeftBehind(await onPrimary(readServer), newest);
    const stored = newest?.archive.lsn;
    // Spares the primary where there is a replica that shows what is in the bucket already.
    url = await readableUrl(from.applicationName, signal, (client) => assertReplayed(client, stored));
    outcome = await withConnection({ ...from, url }, (client) =>
      archive({ ...settings, client, bucket, told: told.manifest }),
    );
  } catch (error) {
    // Where no connection is to be had, the next run's report is awaited: an alarm tells when it does not come.
    const failed = { summary: (error as Error).message, ...(error instanceof LeftBehind && { problems: 1 }) };
    await onPrimary((client) => reportArchive(client, failed), { timeoutSeconds: 5 }).catch(() => undefined);
    throw error;
  }
  const { segments, rows, number, until } = outcome;
  // What cannot be read there fails the dump, with its reason, and keeps no segment from counting.
  const touchedDump = (await newestOf(bucket, dumps).catch(() => undefined))?.touched;
  const problem = problemOf(outcome, touchedDump, known, bucket);
  const newest = number === undefined ? "the bucket is empty" : `the newest manifest is ${number}`;
  const summary =
    segments === 0 ? `nothing to archive; ${newest}` : `archived ${rows} rows in ${segments} segments; ${newest}`;
  // Before the dump, which may take longer than an alarm waits for this.
  await onPrimary((client) =>
    reportArchive(client, {
      until,
      manifest: number,
      problems: problem?.count ?? 0,
      summary: problem?.failure.message ?? summary,
    }),
  );
  log.info(summary, { until });
  const dumped = await inTime(integerSetting("ARCHIVE_DUMP_SECONDS", 600), signal, (within) =>
    withConnection({ ...from, url, signal: within }, (client) =>
      dump({
        ...settings,
        client,
        bucket: bucket.within(within),
        told: told.dump,
        manifest: number ?? 0,
      }),
    ),
  ).catch((error: unknown) => error as Error);
  if (!(dumped instanceof Error)) await onPrimary((client) => reportDump(client, dumped));
  if (problem) throw problem.failure;
  if (dumped instanceof Error) throw dumped;
}

async function inTime(
  seconds: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Dumped>,
): Promise<Dumped> {
  const timeout = AbortSignal.timeout(1000 * seconds);
  try {
    return await work(AbortSignal.any([signal, timeout]));
  } catch (error) {
    if (!timeout.aborted || signal.aborted) throw error;
    throw new Failure(
      `the dump was not done within ${seconds} s and was stopped; the segments are in the bucket, and the next run goes on after the last large part`,
      ["docs/runbooks/dump-overdue.md says how to go on."],
    );
  }
}

/** What is archived is not whole where rows were altered or are missing: said by every run until somebody has looked into it. */
function problemOf(
  { flaws, flawsSoFar, touched, number }: Outcome,
  touchedDump: string | undefined,
  known: number,
  { name }: Bucket,
): { count: number; failure: Failure } | undefined {
  const found = [
    ...flaws.map(({ kind, says }) => `${kind}: ${says}`),
    ...[touched, touchedDump].filter((said) => said !== undefined),
  ];
  const unknown = Math.max(0, flawsSoFar - known);
  if (found.length === 0 && unknown === 0) return undefined;
  const message =
    found.length > 0
      ? `the trail is not what it was, or not whole (bucket ${name}, manifest ${number ?? "none"}); what could be archived was`
      : `the archive in the bucket ${name} has ${flawsSoFar} flaws, of which ${known} are known; the manifests name them`;
  return {
    count: Math.max(found.length, unknown),
    failure: new Failure(message, [
      ...found,
      ...flaws.filter(({ kind }) => kind === "fork").map(sayHowToAccept),
      "docs/runbooks/archive-flawed.md says how to go on.",
    ]),
  };
}

void runProgram(
  "archive",
  "Writes what each chain gained into the locked bucket, and dumps what is in no chain.",
  (command: Command, context) => {
    command
      .addHelpText("after", environment)
      .option("--accept-fork <agent>", "go on with this agent's chain past a fork (docs/runbooks/archive-flawed.md)")
      .option("--changes", "the fork is in the chain of the agent's changes, not of its receipts")
      .option("--lane <number>", "the fork is in this lane of the agent's receipts")
      .option("--imports", 'the fork is in the chain of imports: --accept-fork "" --imports')
      .option("--at <place>", "the last place that both branches have")
      .option("--by <name>", "who has looked into it")
      .option("--reason <text>", "what was found, for whoever verifies the archive later")
      .action((options: Options) => run(options, context));
  },
);
