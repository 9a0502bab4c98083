/** Names the receipts that the locked bucket has and the database has not: after a failover, before anything new is sealed. */
import type { Command } from "commander";
import { connectBucket } from "./archive/bucket";
import { databaseUrl, withConnection } from "./database";
import { compare, type Compared } from "./missing/compare";
import type { MissingReceipt } from "./missing/receipts";
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
  const { upTo, heartbeat, receipts } = compared;
  const verdict = judge(compared);
  if (verdict === "") return log.info("the database has every receipt that the bucket has", { ...upTo, heartbeat });
  if (!accept)
    throw new Failure(verdict, [
      ...receipts.map(inWords),
      `The bucket's newest manifest is of ${upTo?.at ?? "no time"}, the last heartbeat in this database of ${heartbeat}: what was acknowledged after both is known to nobody.`,
      "What is in the bucket stays there. To go on all the same: acceptMissing true, and deploy again (docs/failover.md).",
    ]);
  log.warn(`${verdict}; accepted`, { ...upTo, heartbeat, receipts });
}

/** What is wrong; nothing where all that is in the bucket is here. */
function judge({ lacking: { receipts, changes, imports }, problems }: Compared): string {
  const lacks =
    receipts + changes + imports === 0
      ? []
      : [
          `the database lacks what the bucket has: receipts: ${receipts}, changes of receipts: ${changes}, imports: ${imports}`,
        ];
  return [...lacks, ...problems].join("; ");
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
