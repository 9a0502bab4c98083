/** Verifies a restored database against its source's bucket, and makes it this deployment's own: before anything writes to it. */
import type { Command } from "commander";
import { adopt, inWords } from "./adopt/adopt";
import { connectBucket } from "./archive/bucket";
import { databaseUrl } from "./database";
import { integerSetting, runProgram, textSetting, type Context } from "./program";
import { readAcknowledgements } from "./verify/acknowledgements";

const environment = `
Environment:
  DATABASE_URL         the owner's URL, straight to the server (or DATABASE_URL_FILE: a file with it)
  RESTORED_FROM        what the database was restored from: it is adopted once
  BACKUP_BUCKET        the bucket that its source archived into
  BACKUP_REGION        its region
  BACKUP_BUCKET_OWNER  the account that the bucket must be of (default: whoever's it is)
  ARCHIVE_KNOWN_FLAWS  flaws in the archive that were looked into (default 0)
  ACKNOWLEDGED_FILE    findings that were looked into (docs/verification.md)

Exit codes: 0 adopted, or it was before; 1 something was found or failed; 2 wrong usage or settings.`;

async function run(options: { bucket?: boolean }, { log, signal }: Context): Promise<void> {
  const acknowledged = process.env["ACKNOWLEDGED_FILE"];
  const report = await adopt({
    url: databaseUrl(),
    bucket: connectBucket(
      textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
      textSetting("BACKUP_REGION", "eu-north-1"),
      signal,
    ),
    from: textSetting("RESTORED_FROM", "bucket"),
    fromBucket: options.bucket ?? false,
    knownFlaws: integerSetting("ARCHIVE_KNOWN_FLAWS", 0),
    acknowledgements: acknowledged === undefined ? [] : readAcknowledgements(acknowledged),
    log,
    signal,
  });
  if (!report) return log.info("this database was adopted before: nothing is compared");
  for (const sentence of report.unverified) log.warn(`not verified: ${sentence}`);
  for (const sentence of inWords(report)) log.info(sentence);
}

void runProgram("adopt", "Makes a restored database this deployment's own.", (command: Command, context) => {
  command
    .addHelpText("after", environment)
    .option(
      "--bucket",
      "it was restored from that bucket alone, and is compared up to the manifest that it was restored to",
    )
    .action((options: { bucket?: boolean }) => run(options, context));
});
