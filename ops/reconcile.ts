/**
 * Names the receipts that another timeline has and this database has not, and brings them in as recovered ones: after a
 * failover or a restore.
 */
import type { Command } from "commander";
import type pg from "pg";
import { connectBucket } from "./archive/bucket";
import { databaseUrl, refusePooler, withConnection } from "./database";
import { Failure, runProgram, textSetting, type Context } from "./program";
import type { Branch } from "./reconcile/branch";
import { bringIn, type BroughtIn } from "./reconcile/bringIn";
import { sortByIds } from "./reconcile/compareIds";
import { branchesInBucket } from "./reconcile/fromBucket";
import { branchesOnServer } from "./reconcile/fromServer";
import { lostOf, sayReceipt, type LostChange } from "./reconcile/lost";
import { recoveredAgent } from "./reconcile/recovered";
import { assertAgent } from "./verify/assertAgent";
import { named } from "./verify/findings";

const environment = `
Environment:
  DATABASE_URL        the primary's URL (or DATABASE_URL_FILE: a file with it): the verifier's to name them, the owner's for --bring-in
  BACKUP_BUCKET       the bucket's name; not set: the bucket is not looked at
  BACKUP_REGION       its region
  BACKUP_BUCKET_OWNER the account that the bucket must be of (default: whoever's it is)
  OLD_DATABASE_URL    the old primary's URL, as its auditor or verifier (or OLD_DATABASE_URL_FILE); not set: it is not looked at

Exit codes: 0 none is missing, or all were brought in; 1 some are missing, or cannot be brought in, or something failed; 2 wrong usage or
settings; 3 nothing is missing that can be brought in, and not all is known to be kept.`;

/** A name means what PostgreSQL made, whatever else was made there. */
const ownNames = "set search_path = pg_catalog, pg_temp";

interface Options {
  bringIn?: true;
  agent?: string;
}

interface Found {
  branches: Branch[];
  doubts: string[];
}

async function findBranches(client: pg.Client, { agent }: Options, { signal }: Context): Promise<Found> {
  const found: Found = { branches: [], doubts: [] };
  const { BACKUP_BUCKET, OLD_DATABASE_URL, OLD_DATABASE_URL_FILE } = process.env;
  const hasOld = Boolean(OLD_DATABASE_URL) || Boolean(OLD_DATABASE_URL_FILE);
  if (!BACKUP_BUCKET && !hasOld)
    throw new Failure("nothing is named to compare with: set BACKUP_BUCKET, or OLD_DATABASE_URL, or both", [], 2);
  if (BACKUP_BUCKET) {
    const bucket = connectBucket(BACKUP_BUCKET, textSetting("BACKUP_REGION", "eu-north-1"), signal);
    const { branches, doubts } = await branchesInBucket(client, bucket, agent);
    found.branches.push(...branches);
    found.doubts.push(...doubts);
  }
  if (hasOld) {
    const url = databaseUrl({ DATABASE_URL: OLD_DATABASE_URL, DATABASE_URL_FILE: OLD_DATABASE_URL_FILE });
    const connection = { url, applicationName: "authensor-reconcile", signal };
    const onServer = await withConnection(connection, async (old) => {
      await old.query(ownNames);
      return branchesOnServer(client, old, agent);
    });
    found.branches.push(...onServer);
  }
  if (agent !== undefined && found.branches.length === 0) await assertKnown(client, agent);
  return found;
}

/** Of a name that nobody has, nothing is missing either. */
async function assertKnown(client: pg.Client, agent: string): Promise<void> {
  const { rows } = await client.query("select from audit.chains where split_part(agent, chr(31), 1) = $1 limit 1", [
    agent,
  ]);
  if (rows.length === 0)
    throw new Failure(
      `no receipt of ${named(agent)} is in this database, nor in what it was compared with: is that its name?`,
      ["Without --agent all agents are compared."],
      2,
    );
}

async function reconcile(options: Options, context: Context): Promise<void> {
  const { log, signal } = context;
  assertAgent(options.agent);
  const connection = { url: databaseUrl(), applicationName: "authensor-reconcile", signal };
  await withConnection(connection, async (client) => {
    await refusePooler(client);
    await client.query(ownNames);
    const { branches, doubts } = await findBranches(client, options, context);
    const { receipts, changes, problems } = lostOf(branches);
    const others = changes.map(sayChange);
    if (!options.bringIn) {
      const { missing, ...found } = await sortByIds(client, receipts);
      if (missing.length > 0)
        throw new Failure(`receipts of another timeline that are not in this database: ${missing.length}`, [
          ...missing.map(sayReceipt),
          ...[...found.conflicts, ...problems, ...found.gone, ...others, ...doubts],
          "--bring-in, as the owner, stores them as recovered receipts, in chains of their own.",
        ]);
      conclude({ stored: [], ...found, tooLong: [] }, problems, [...others, ...doubts], log);
      return;
    }
    const done = await bringIn(client, receipts, signal);
    for (const receipt of done.stored)
      log.info("recovered", {
        receipt: receipt.id,
        from: receipt.from,
        was: sayReceipt(receipt),
        chain: recoveredAgent(receipt.agent),
      });
    conclude(done, problems, [...others, ...doubts], log);
  });
}

function conclude(
  { stored, recovered, sentAgain, conflicts, gone, tooLong }: BroughtIn,
  problems: readonly string[],
  others: readonly string[],
  log: Context["log"],
): void {
  const counts = { broughtIn: stored.length, recoveredBefore: recovered.length, sentAgain: sentAgain.length };
  const rest = [...gone, ...others];
  const refused = [...conflicts, ...tooLong, ...problems];
  if (refused.length > 0)
    throw new Failure(`not all of another timeline's receipts are in this database (${JSON.stringify(counts)})`, [
      ...refused,
      ...rest,
    ]);
  const kept =
    gone.length > 0
      ? "nothing is missing that can be brought in, and not all is known to be kept"
      : "every receipt that was found is in this database, and not all else is";
  if (rest.length > 0) throw new Failure(`${kept} (${JSON.stringify(counts)})`, rest, 3);
  log.info("this database has every receipt that was found of another timeline", counts);
}

const sayChange = ({ receipt, agent, seq, changedAt, before, after, from }: LostChange): string => {
  const status = (columns: string) => (JSON.parse(columns) as { status?: string }).status;
  const became = status(after);
  const what = became === undefined ? "" : `, from ${status(before) ?? "?"} to ${became}`;
  return `not brought in: change ${seq} of ${named(agent)}, at ${changedAt}Z, of receipt ${receipt}${what}, which this database has as it was before; it stays in ${from}`;
};

void runProgram(
  "reconcile",
  "Names receipts that another timeline has and this database has not; --bring-in stores them as recovered ones.",
  (command: Command, context) => {
    command
      .addHelpText("after", environment)
      .option("--bring-in", "store them, as the owner")
      .option("--agent <agent>", "of this agent alone; '' for receipts that name none")
      .action((options: Options) => reconcile(options, context));
  },
);
