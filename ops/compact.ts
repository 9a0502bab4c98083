/** Makes one archive of each month's segments in the locked bucket, once the month is over. Safe to run anywhere, any number of times, several at once. */
import type { Command } from "commander";
import type pg from "pg";
import { connectBucket } from "./archive/bucket";
import { assertLocks } from "./archive/assertLocks";
import { assertNotLeftBehind } from "./archive/leftBehind";
import { newestManifest } from "./archive/newest";
import { databaseUrl, serverTime, withConnection } from "./database";
import { compact } from "./months/compact";
import { reportMonths, toldMonth } from "./months/report";
import { integerSetting, runProgram, textSetting, type Context } from "./program";
import { reportRun } from "./reportRun";
import { readServer } from "./verify/server";

const environment = `
Environment:
  DATABASE_URL        the archiver's URL of the primary (or DATABASE_URL_FILE: a file with it)
  BACKUP_BUCKET       the bucket's name
  BACKUP_REGION       its region
  BACKUP_LOCK_MODE, BACKUP_LOCK_DAYS  how it must lock what is written, at least (default: somehow)
  ENVIRONMENT         the deployment's name
  ARCHIVE_DELAY_DAYS  how long a month must have been over (default 7)

Exit codes: 0 every month that is due has its archive, 1 something failed, 2 wrong usage or settings.`;

async function run({ log, signal }: Context): Promise<void> {
  const settings = {
    environment: textSetting("ENVIRONMENT", "prod"),
    delayDays: integerSetting("ARCHIVE_DELAY_DAYS", 7),
    log,
  };
  const bucket = connectBucket(
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-west-1"),
    signal,
  );
  // A connection each time: between them the bucket is read for as long as it takes.
  const onPrimary = <T>(work: (client: pg.Client) => Promise<T>, within = signal) =>
    withConnection({ url: databaseUrl(), applicationName: "authensor-compact", signal: within }, work);
  const tell = (succeeded: boolean, said: string, within?: AbortSignal) =>
    onPrimary((client) => reportRun(client, "report_run", ["compact", succeeded, said]), within);
  const known = async (client: pg.Client) => ({ told: await toldMonth(client), now: await serverTime(client) });
  let summary: string;
  try {
    await assertLocks(bucket);
    assertNotLeftBehind(await onPrimary(readServer), (await newestManifest(bucket))?.manifest);
    const { written, newest } = await compact({ ...settings, bucket, ...(await onPrimary(known)) });
    if (newest) await onPrimary((client) => reportMonths(client, newest));
    const upTo = newest
      ? `the newest archive is ${newest.number}, of ${newest.month}`
      : "no month has been over for long enough";
    summary = written === 0 ? `nothing to compact; ${upTo}` : `compacted ${written} months; ${upTo}`;
  } catch (error) {
    // What has ended the run, such as a signal, does not end this; an alarm tells of it.
    await tell(false, (error as Error).message, AbortSignal.timeout(10_000)).catch(() => undefined);
    throw error;
  }
  await tell(true, summary);
  log.info(summary);
}

void runProgram(
  "compact",
  "Makes one archive of each month's segments in the locked bucket.",
  (command: Command, context) => {
    command.addHelpText("after", environment).action(() => run(context));
  },
);
