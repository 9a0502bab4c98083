/** Months that have been in PostgreSQL for long enough leave it, oldest first: each once the bucket proves to have all of its rows. */
import pg from "pg";
import type { Bucket } from "../archive/bucket";
import { sqlState } from "../database";
import type { Log } from "../log";
import { lockHolders, retryWhileBusy } from "../maintenance/retry";
import { Failure } from "../program";
import { named } from "../verify/findings";
import type { ChainName } from "../verify/chainKinds";
import { evidenceOf, type Evidence } from "./evidence";
import type { Stretch } from "./stretches";

export interface Retirement {
  client: pg.Client;
  bucket: Bucket;
  /** Months that receipts stay after the end of theirs. */
  onlineMonths: number;
  delayDays: number;
  now: Date;
  log: Log;
  lockTimeoutMs: number;
  patienceSeconds: number;
}

export interface Retired {
  /** "2024-11" */
  months: string[];
  /** Why one that is due has not left yet, and need not be looked at. */
  waits: string | undefined;
}

/** What audit.retire_month raises where rows are in no archive yet. */
const notArchived = "55006";

export async function retire(options: Retirement): Promise<Retired> {
  const { client, bucket, log } = options;
  await client.query(`set lock_timeout = ${options.lockTimeoutMs}`);
  for (const months: string[] = []; ;) {
    const month = await oldestDue(options);
    if (month === undefined) return { months, waits: undefined };
    log.info("reading the archives", { month });
    const evidence = await evidenceOf(bucket, month);
    try {
      await leave(options, month, evidence);
    } catch (error) {
      if (!(error instanceof Failure) || sqlState(error.cause) !== notArchived || isBehind(evidence, options))
        throw error;
      log.info(error.message);
      return { months, waits: error.message };
    }
    months.push(month);
    log.info("the month has left the database", { month });
  }
}

async function oldestDue({ client, onlineMonths, now }: Retirement): Promise<string | undefined> {
  const { rows } = await client.query<{ month: string }>(
    `select to_char(min(month), 'YYYY-MM') as month from audit.partitions
      where parent = 'public.receipts'::regclass and kind = 'month'
     having min(month) + make_interval(months => 1 + $1) <= $2::timestamptz at time zone 'UTC'`,
    [onlineMonths, now],
  );
  return rows[0]?.month;
}

/** In one transaction; committed only if what leaves is what the archives have. */
async function leave(options: Retirement, month: string, { stretches }: Evidence): Promise<void> {
  const { client, patienceSeconds } = options;
  const inArchives = new Set(stretches.all().map(nameOf));
  const describe = (error: unknown) =>
    Object.assign(new Failure((error as Error).message, hintOf(error)), { cause: error });
  await retryWhileBusy(
    async () => {
      await client.query("begin");
      try {
        const { rows } = await client.query<Gone>("select * from audit.retire_month($1)", [`${month}-01`]);
        const unknown = rows.map(stretchOf).filter((stretch) => !inArchives.has(nameOf(stretch)));
        if (unknown.length > 0 || rows.length !== inArchives.size) throw differs(month, rows, unknown, inArchives.size);
        await client.query("commit");
      } catch (error) {
        await client.query("rollback");
        throw error;
      }
    },
    (error) => (error instanceof Failure ? error : describe(error)),
    { patienceSeconds, signal: options.bucket.signal, blockers: () => inTheWay(client) },
  );
}

async function inTheWay(client: pg.Client): Promise<string[]> {
  const ofReceipts = await lockHolders(client, "public.receipts");
  return [...new Set([...ofReceipts, ...(await lockHolders(client, "audit.receipt_history"))])];
}

interface Gone {
  chain: ChainName;
  agent: string;
  first_seq: string;
  last_seq: string;
  last_seal: Buffer;
}

const stretchOf = ({ chain, agent, first_seq, last_seq, last_seal }: Gone): Stretch => ({
  chain,
  agent,
  first: Number(first_seq),
  last: Number(last_seq),
  seal: last_seal.toString("hex"),
});

const nameOf = ({ chain, agent, first, last, seal }: Stretch) => JSON.stringify([chain, agent, first, last, seal]);

const hintOf = (error: unknown): string[] => {
  const { hint } = error as { hint?: string };
  return hint === undefined ? [] : [`hint: ${hint}`];
};

function differs(month: string, rows: readonly Gone[], unknown: readonly Stretch[], inArchives: number): Failure {
  const [first] = unknown;
  const what = first
    ? `${first.chain} ${first.first} to ${first.last} of ${named(first.agent)} are not so in the archives`
    : `the archives have ${inArchives} stretches of chains of it, and the database ${rows.length}`;
  return new Failure(`${month} stays in the database: ${what}`, [
    "Verify the trail and the bucket first: ops verify-archived. Nothing was changed.",
  ]);
}

const dayMs = 86_400_000;

/**
 * Whether compaction should have come further by now: rows are in an archive a month and the delay after they came, and two
 * days, since compact runs once a day and may take half of one. A bucket that has nothing yet explains any wait.
 */
const isBehind = ({ until }: Evidence, { now, delayDays }: Retirement): boolean =>
  until !== undefined && Date.parse(until) < now.getTime() - (31 + delayDays + 2) * dayMs;
