/** Makes the months ahead of every monthly table; the SQL says how, this says when, and tries again. */
import type pg from "pg";
import type { Log } from "../log";
import { Failure } from "../program";
import { Busy, lockHolders, retryWhileBusy } from "./retry";

export interface EnsureOptions {
  monthsAhead: number;
  log: Log;
  signal?: AbortSignal;
  /** Longest a writer may be kept waiting by one attempt to lock a table. Default 50. */
  lockTimeoutMs?: number;
  /** How long to go on trying while tables are in use, all steps together. Default 120. */
  patienceSeconds?: number;
}

export interface EnsureResult {
  /** Partitions made, by name. */
  created: string[];
  /** Rows moved from a <table>_future into their months. */
  moved: number;
  /** Attempts given up because a table was in use. */
  retries: number;
}

interface MissingMonth {
  parent: string;
  month: string;
  occupied: boolean;
}

/** Adds what is missing and nothing else. The caller holds the maintenance lock and is connected to a primary, as maintenance or owner. */
export async function ensurePartitions(client: pg.Client, options: EnsureOptions): Promise<EnsureResult> {
  const { rows } = await client.query<{ found: boolean }>(
    "select to_regclass('audit.partitions') is not null as found",
  );
  if (!rows[0]?.found) throw new Failure("this database has no monthly tables: run migrate first");
  await client.query(`set lock_timeout = ${options.lockTimeoutMs ?? 50}`);

  const result: EnsureResult = { created: [], moved: 0, retries: 0 };
  const step = stepper(client, options, result);
  const call: Call = (what, parent, sql, values) =>
    step(what, parent, async () => (await client.query<{ value: never }>(sql, values)).rows.map((row) => row.value));

  const given: Busy[] = [];
  // A table that somebody reads for hours keeps no other from its months.
  const unlessBusy = (work: Promise<void>) =>
    work.catch((error: unknown) => {
      if (!(error instanceof Busy)) throw error;
      given.push(error);
      options.log.warn(error.message, { details: error.details });
    });
  for (const parent of await leftovers(client)) await unlessBusy(release(call, parent));
  for (const { parent, months } of await missing(client, options.monthsAhead))
    await unlessBusy(
      months.some((month) => month.occupied)
        ? drain(client, parent, options, result, { step, call })
        : makeMonths(call, parent, months, options, result),
    );
  const [first, ...others] = given;
  if (first) throw new Failure(first.message, [...first.details, ...others.flatMap((f) => [f.message, ...f.details])]);
  return result;
}

async function release(call: Call, parent: string): Promise<void> {
  await call(`drop the drained table of ${parent}`, parent, "select audit.drain_release($1) as value", [parent]);
}

async function makeMonths(
  call: Call,
  parent: string,
  months: readonly MissingMonth[],
  { log }: EnsureOptions,
  result: EnsureResult,
): Promise<void> {
  for (const { month } of months) {
    const sql = "select audit.make_month($1, $2)::text as value";
    const [name] = await call<string>(`make ${parent} ${month}`, parent, sql, [parent, month]);
    if (!name) continue;
    result.created.push(name);
    log.info("partition made", { table: parent, partition: name });
  }
}

type Step = <T>(what: string, parent: string, work: () => Promise<T>) => Promise<T>;
type Call = <T>(what: string, parent: string, sql: string, values: unknown[]) => Promise<T[]>;

function stepper(client: pg.Client, { patienceSeconds = 120, signal }: EnsureOptions, result: EnsureResult): Step {
  let patience = patienceSeconds;
  return async (what, parent, work) => {
    let since: number | undefined;
    const describe = (error: unknown) => {
      const { message, hint } = error as { message: string; hint?: string };
      return new Failure(`${what}: ${message}`, hint ? [`hint: ${hint}`] : []);
    };
    const onBusy = () => {
      since ??= Date.now();
      result.retries++;
    };
    const blockers = () => lockHolders(client, parent);
    try {
      return await retryWhileBusy(work, describe, { patienceSeconds: patience, signal, onBusy, blockers });
    } finally {
      if (since !== undefined) patience = Math.max(0, patience - (Date.now() - since) / 1000);
    }
  };
}

async function missing(client: pg.Client, monthsAhead: number): Promise<{ parent: string; months: MissingMonth[] }[]> {
  const { rows } = await client.query<MissingMonth>(
    "select parent::text, month::text, occupied from audit.missing_months($1) order by parent::text, month",
    [monthsAhead],
  );
  const parents = [...new Set(rows.map((row) => row.parent))];
  return parents.map((parent) => ({ parent, months: rows.filter((row) => row.parent === parent) }));
}

/** Tables whose drain was interrupted before its last step. */
async function leftovers(client: pg.Client): Promise<string[]> {
  const sql =
    "select parent::text from audit.partitions where kind = 'future' and to_regclass(parent::text || '_drained') is not null";
  return (await client.query<{ parent: string }>(sql)).rows.map(({ parent }) => parent);
}

async function drain(
  client: pg.Client,
  parent: string,
  { log, monthsAhead }: EnsureOptions,
  result: EnsureResult,
  { step, call }: { step: Step; call: Call },
): Promise<void> {
  log.warn("rows are in the future partition: moving them into their months", { table: parent });
  const targets = await call<string>(
    `start draining ${parent}`,
    parent,
    "select t::text as value from audit.drain_start($1, $2) t",
    [parent, monthsAhead],
  );
  let moved = 0;
  for (const target of targets) {
    const [rows] = await call<string>(`copy ${target}`, parent, "select audit.drain_copy($1) as value", [target]);
    moved += target.endsWith("_future_next") ? 0 : Number(rows);
  }
  // What is left for the lock is what is written while the last batch is applied. Each attempt catches up first: what changed
  // during the wait for the lock must not be copied under it.
  await step(`finish draining ${parent}`, parent, async () => {
    let applied: number | undefined;
    do {
      const sql = "select audit.drain_apply($1, 5000) as applied";
      applied = (await client.query<{ applied: number }>(sql, [parent])).rows[0]?.applied;
    } while (applied !== undefined && applied > 200);
    await client.query("select audit.drain_finish($1)", [parent]);
  });
  await release(call, parent);
  const created = targets.filter((target) => !target.endsWith("_future_next"));
  result.created.push(...created);
  result.moved += moved;
  log.info("rows moved", { table: parent, rows: moved, partitions: created });
}
