/** Makes the months ahead of every monthly table; sql/002_partitions.sql says how, this says when, and tries again. */
import type pg from "pg";
import { jitter, sqlState } from "../database";
import type { Log } from "../log";
import { Failure } from "../program";

export interface EnsureOptions {
  monthsAhead: number;
  log: Log;
  signal?: AbortSignal;
  /** Longest a writer may be kept waiting by one attempt to lock a table. */
  lockTimeoutMs?: number;
  /** How long to go on trying, per step. */
  patienceSeconds?: number;
}

export interface EnsureResult {
  /** Partitions made, by name. */
  created: string[];
  /** Rows moved from an open end into their months. */
  moved: number;
  /** Attempts given up because a table was in use. */
  retries: number;
}

interface MissingMonth {
  parent: string;
  month: string;
  occupied: boolean;
}

/** lock_not_available, deadlock_detected: the table was in use, nothing has happened. */
const busy = new Set(["55P03", "40P01"]);

/** Adds what is missing and nothing else. The caller holds the maintenance lock and is connected as the owner to a primary. */
export async function ensurePartitions(client: pg.Client, options: EnsureOptions): Promise<EnsureResult> {
  const result: EnsureResult = { created: [], moved: 0, retries: 0 };
  const { rows } = await client.query<{ found: boolean }>(
    "select to_regclass('audit.partitions') is not null as found",
  );
  if (!rows[0]?.found) throw new Failure("this database has no monthly tables: run migrate first");
  await client.query(`set lock_timeout = ${options.lockTimeoutMs ?? 50}`);
  const step = async <T>(what: string, sql: string, values: unknown[]): Promise<T[]> =>
    retry(what, options, result, async () =>
      (await client.query<{ value: T }>(sql, values)).rows.map((row) => row.value),
    );

  for (const { parent } of await leftovers(client))
    await step("drop drained", "select audit.drain_release($1) as value", [parent]);
  for (const { parent, months } of await missing(client, options.monthsAhead)) {
    if (months.some((month) => month.occupied)) {
      await drain(client, parent, options, result, step);
      continue;
    }
    for (const { month } of months) {
      const [name] = await step<string>(
        `make ${parent} ${month}`,
        "select case when audit.make_month($1, $2) then audit.partition_name($1, to_char($2::date, 'YYYY_MM')) end as value",
        [parent, month],
      );
      if (!name) continue;
      result.created.push(name);
      options.log.info("partition made", { table: parent, partition: name });
    }
  }
  return result;
}

async function missing(client: pg.Client, monthsAhead: number): Promise<{ parent: string; months: MissingMonth[] }[]> {
  const { rows } = await client.query<MissingMonth>(
    "select parent::text, month::text, occupied from audit.missing_months($1) order by parent::text, month",
    [monthsAhead],
  );
  const parents = [...new Set(rows.map((row) => row.parent))];
  return parents.map((parent) => ({ parent, months: rows.filter((row) => row.parent === parent) }));
}

async function leftovers(client: pg.Client): Promise<{ parent: string }[]> {
  const sql =
    "select parent::text from audit.partitions where kind = 'future' and to_regclass(parent::text || '_drained') is not null";
  return (await client.query<{ parent: string }>(sql)).rows;
}

type Step = <T>(what: string, sql: string, values: unknown[]) => Promise<T[]>;

async function drain(
  client: pg.Client,
  parent: string,
  options: EnsureOptions,
  result: EnsureResult,
  step: Step,
): Promise<void> {
  const { log, monthsAhead } = options;
  log.warn("rows lie in the open end: moving them into their months", { table: parent });
  const tiles = await step<string>(
    `start draining ${parent}`,
    "select t::text as value from audit.drain_start($1, $2) t",
    [parent, monthsAhead],
  );
  let moved = 0;
  for (const tile of tiles) {
    const [rows] = await step<string>(`copy ${tile}`, "select audit.drain_copy($1) as value", [tile]);
    moved += tile.endsWith("_future_next") ? 0 : Number(rows);
  }
  // What is left for the lock is what is written while the last batch is applied. Each attempt catches up first: what changed
  // during the wait for the lock must not be copied under it.
  await retry(`finish draining ${parent}`, options, result, async () => {
    let applied: number | undefined;
    do {
      const { rows } = await client.query<{ applied: number }>("select audit.drain_apply($1, 5000) as applied", [
        parent,
      ]);
      applied = rows[0]?.applied;
    } while (applied !== undefined && applied > 200);
    await client.query("select audit.drain_finish($1)", [parent]);
  });
  await step(`drop drained ${parent}`, "select audit.drain_release($1) as value", [parent]);
  const created = tiles.filter((tile) => !tile.endsWith("_future_next"));
  result.created.push(...created);
  result.moved += moved;
  log.info("rows moved", { table: parent, rows: moved, partitions: created });
}

async function retry<T>(
  what: string,
  options: EnsureOptions,
  result: EnsureResult,
  work: () => Promise<T>,
): Promise<T> {
  const until = Date.now() + 1000 * (options.patienceSeconds ?? 120);
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!busy.has(sqlState(error) ?? "")) throw new Failure(`${what}: ${message}`, hintOf(error));
      if (Date.now() > until) {
        throw new Failure(
          `${what}: the table was in use at each of the attempts made in ${options.patienceSeconds ?? 120} s`,
          [
            "A transaction holds it for long: see pg_stat_activity for the oldest xact_start. Run this again when it has ended.",
          ],
        );
      }
      result.retries++;
      // Long enough for those who queued behind the attempt to be done.
      await jitter(250, options.signal);
    }
  }
}

function hintOf(error: unknown): string[] {
  const hint = (error as { hint?: string }).hint;
  return hint ? [`hint: ${hint}`] : [];
}
