/**
 * Names the receipts that the locked bucket has and the replica has not: in a failover, before the replica is promoted.
 */
import { InvalidArgumentError, type Command } from "commander";
import type pg from "pg";
import { connectBucket } from "./archive/bucket";
import { databaseUrl, withConnection } from "./database";
import { compare, inRecovery, type Compared } from "./missing/compare";
import type { MissingReceipt } from "./missing/receipts";
import { Failure, runProgram, textSetting, type Context } from "./program";
import { named } from "./verify/findings";

const environment = `
Environment:
  DATABASE_URL        the verifier's URL (or DATABASE_URL_FILE: a file with it)
  BACKUP_BUCKET       the bucket's name
  BACKUP_REGION       its region

It changes nothing. A server that was promoted before and archives by itself is not compared again.
Exit codes: 0 nothing is missing, or it was accepted; 1 something is, or something failed; 2 wrong usage or settings.`;

interface Options {
  promoted?: boolean;
  accept?: string;
  maxLag: number;
}

const inWords = ({ id, agent, seq, sealedAt }: MissingReceipt) =>
  `${id}: place ${seq} of ${named(agent)}, ${sealedAt}Z`;

/**
 * Settings that name the primary's new place leave no replica there, compared or not: they come after the promotion.
 */
async function assertPromoted(client: pg.Client): Promise<void> {
  if (await inRecovery(client))
    throw new Failure("this server is a replica still, and the settings are those of the week after its promotion", [
      "Nothing was promoted. Set failedOver to true, and primaryRegion, replicaRegion and what goes with them to what they were, and deploy (docs/failover.md, step 3): that compares it with the bucket first.",
    ]);
}

async function missing({ promoted, accept, maxLag }: Options, { log, signal }: Context): Promise<void> {
  const connection = { url: databaseUrl(), applicationName: "authensor-missing", signal };
  if (promoted) {
    await withConnection(connection, assertPromoted);
    return log.info("this server was promoted before: nothing is compared");
  }
  const bucket = connectBucket(
    textSetting("BACKUP_BUCKET", "authensor-prod-backups-1a2b3c4"),
    textSetting("BACKUP_REGION", "eu-north-1"),
    signal,
  );
  const compared = await withConnection(connection, (client) => compare(client, bucket, maxLag, log));
  const { upTo, receipts, digest, decided } = compared;
  const heartbeat = compared.heartbeat?.toISOString() ?? "never";
  if (decided) return log.info("this server was promoted before, and archives: nothing is compared", { ...upTo });
  const verdict = judge(compared);
  if (verdict === "") return log.info("the database has every receipt that the bucket has", { ...upTo, heartbeat });
  if (accept !== digest)
    throw new Failure(verdict, [
      ...receipts.map(inWords),
      `The bucket's newest manifest is of ${upTo?.at ?? "no time"}, the last heartbeat in this database of ${heartbeat}: what was acknowledged after both is known to nobody.`,
      ...(accept === undefined ? [] : [`acceptMissing is ${accept}: that was given for another list than this one.`]),
      `What is in the bucket stays there, and nothing was promoted by this. To go on without what is named here: pulumi config set acceptMissing ${digest}, and deploy again (docs/failover.md).`,
    ]);
  log.warn(`${verdict}; accepted`, { ...upTo, heartbeat, receipts, digest });
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

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError("It must be a whole number of seconds.");
  return Number(text);
}

void runProgram(
  "missing",
  "Names the receipts that the bucket has and the database has not.",
  (command: Command, context) => {
    command
      .addHelpText("after", environment)
      .option("--promoted", "compare nothing, and fail where the server is a replica still")
      .option("--accept <digest>", "end with 0 where the list of what is missing has this digest")
      .option("--max-lag <seconds>", "that the last heartbeat may be older than the newest manifest", wholeNumber, 60)
      .action((options: Options) => missing(options, context));
  },
);
