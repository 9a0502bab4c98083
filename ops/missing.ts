/** Names the receipts that the locked bucket has and the database has not: after a failover, before anything new is sealed. */
import type { Command } from "commander";
import { connectBucket } from "./archive/bucket";
import { databaseUrl, withConnection } from "./database";
import { compare, type Compared, type MissingReceipt } from "./missing/receipts";
import { Failure, runProgram, textSetting, type Context } from "./program";
import { named } from "./verify/findings";

const environment = `
Environment:
  DATABASE_URL        the verifier's URL (or DATABASE_URL_FILE: a file with it)
  BACKUP_BUCKET       the bucket's name
  BACKUP_REGION       its region

Exit codes: 0 none is missing, or it was accepted; 1 some are missing, or something failed; 2 wrong usage or settings.`;

const inWords = ({ id, agent, seq, sealedAt }: MissingReceipt) =>
  `${id}: place ${seq} of ${named(agent)}, ${sealedAt}Z`;

async function missing({ accept }: { accept?: true }, { log, signal }: Context): Promise<void> {
  const bucket = connectBucket(
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-north-1"),
    signal,
  );
  const connection = { url: databaseUrl(), applicationName: "authensor-missing", signal };
  const compared = await withConnection(connection, (client) => compare(client, bucket));
  const verdict = judge(compared, bucket.name);
  if (!verdict) return log.info("the database has every receipt that the bucket has", compared?.upTo);
  if (!accept)
    throw new Failure(verdict, [
      ...(compared?.receipts ?? []).map(inWords),
      "What is in the bucket stays there. To go on all the same: acceptMissing true, and deploy again (docs/failover.md).",
    ]);
  log.info(`${verdict}; accepted`, { receipts: compared?.receipts });
}

/** What is wrong; undefined where nothing is. */
function judge(compared: Compared | undefined, bucket: string): string | undefined {
  if (!compared) return `nothing was archived into the bucket ${bucket}: what the database lacks cannot be told`;
  const { receipts, changes } = compared;
  return receipts.length + changes === 0
    ? undefined
    : `the bucket has ${receipts.length} receipts and ${changes} changes of receipts that the database has not`;
}

void runProgram(
  "missing",
  "Names the receipts that the bucket has and the database has not.",
  (command: Command, context) => {
    command
      .addHelpText("after", environment)
      .option("--accept", "tell them, and end with 0")
      .action((options: { accept?: true }) => missing(options, context));
  },
);
