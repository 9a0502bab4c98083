/** Puts a database together from the locked bucket alone, and verifies it: the way back, and the way out of AWS. */
import type { Command } from "commander";
import { connectBucket } from "./archive/bucket";
import { databaseUrl, withConnection } from "./database";
import { Failure, integerSetting, runProgram, textSetting, type Context } from "./program";
import { isRestored } from "./restore/empty";
import { restoreFromBucket } from "./restore/run";

const environment = `
Environment:
  DATABASE_URL     the owner's URL of an empty database, straight to the server (or DATABASE_URL_FILE: a file with it)
  BACKUP_BUCKET    the bucket's name
  BACKUP_REGION    its region
  BACKUP_BUCKET_OWNER  the account that the bucket must be of (default: whoever's it is)
  MIGRATIONS_DIR   directory of the NNN_slug.sql files (default ./sql)
  MONTHS_AHEAD     months of partitions to have ahead of today (default 3)
  AWS_…            credentials, as every program on the AWS SDK reads them; AWS_ENDPOINT_URL_S3 for another S3 than AWS'

The database is not to be used until this has ended. docs/backups.md says what a server needs, and what comes after.

Exit codes: 0 restored and verified whole, 1 failed, or restored and something is wrong with it, 2 wrong usage or settings,
3 restored, and not all could be verified, or later manifests or dumps were left out (with --again that is said, and is 0).`;

interface Options {
  manifest?: string;
  dump?: string;
  again?: boolean;
}

function numberOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined || /^[1-9]\d{0,8}$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new Failure(`--${option} must be the number of one in the bucket, not "${text}"`, [], 2);
}

async function run(options: Options, { log, signal }: Context): Promise<void> {
  const asked = { manifest: numberOf("manifest", options.manifest), dump: numberOf("dump", options.dump) };
  const bucket = connectBucket(
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-west-1"),
    signal,
  );
  const connection = { applicationName: "authensor-restore", signal };
  if (options.again && (await withConnection(connection, isRestored)))
    return log.info("this database was restored before: nothing is done");
  const restored = await restoreFromBucket({
    again: options.again ?? false,
    url: databaseUrl(),
    bucket,
    migrationsDir: process.env["MIGRATIONS_DIR"] ?? "./sql",
    monthsAhead: integerSetting("MONTHS_AHEAD", 3),
    asked,
    log,
    signal,
  });
  const { receipts, changes, dump, manifests, newestReceipt, findings, unverified, seconds } = restored;
  log.info("restored", {
    receipts,
    changes,
    rowsOfDump: dump.rows,
    dump: dump.number,
    oldest: manifests.oldest,
    newest: manifests.newest.archive.number,
    archives: manifests.archives,
    newestReceipt,
    until: manifests.newest.as_of,
    seconds,
  });
  if (findings.length > 0)
    throw new Failure("everything in the bucket was restored, and the trail in it is not whole", findings);
  // Whoever fills a stack's primary has it compared with the bucket next: what nobody can verify any more stops neither.
  if (options.again) for (const sentence of unverified) log.warn(`not verified: ${sentence}`);
  else if (unverified.length > 0)
    throw new Failure("restored; nothing wrong was found, and not all could be verified", unverified, 3);
}

void runProgram("restore", "Restores a database from the locked bucket alone.", (command: Command, context) => {
  command
    .addHelpText("after", environment)
    .option(
      "--manifest <number>",
      "up to this manifest, and with a dump of that time: where a later one is not the archiver's",
    )
    .option("--dump <number>", "what is in no chain from this dump: where a later one is not the archiver's")
    .option(
      "--again",
      "replace what a restore from this bucket has left that was cut off; do nothing after one that ended",
    )
    .action((options: Options) => run(options, context));
});
