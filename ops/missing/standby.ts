/** The replica itself, before it is promoted: whether it shows all that it has, and whether its primary still lives. */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { isFenced } from "../migrate/fence";

/** Nothing on a server that is no standby. A sentence each, the same however often it is asked. */
export async function standbyProblems(client: pg.Client, signal: AbortSignal): Promise<string[]> {
  const problems: string[] = [];
  if (!(await replaysAll(client, signal)))
    problems.push(
      `the replica does not replay what it has received (waited ${patienceMs / 1000} s): what it has cannot be told`,
    );
  if (await primaryLives(client, signal))
    problems.push(
      "the primary lives: what is committed there still comes to the replica, and what it accepts after the promotion would be lost; fence it first",
    );
  return problems;
}

const patienceMs = 60_000;

/**
 * The promotion replays all that was received: before that much was replayed, more would seem to be missing than is.
 */
async function replaysAll(client: pg.Client, signal: AbortSignal): Promise<boolean> {
  const received = await one<string | null>(
    client,
    "select case when pg_is_in_recovery() then pg_last_wal_receive_lsn() end::text",
  );
  for (const until = Date.now() + patienceMs; ; await sleep(200, undefined, { signal })) {
    if (await one<boolean>(client, "select coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, true)", [received]))
      return true;
    if (Date.now() > until) return false;
  }
}

/** The monitor of a living primary writes each second. */
const commitMs = 3000;

/**
 * Whether something more is committed within that time, however late it comes: a replica that lags is a living primary's too, and a
 * primary whose monitor is dead accepts receipts all the same. Behind a fence the archiver alone goes on.
 */
async function primaryLives(client: pg.Client, signal: AbortSignal): Promise<boolean> {
  if (await isFenced(client)) return false;
  const commit = "select pg_last_xact_replay_timestamp()::text where pg_is_in_recovery()";
  const last = await one<string | null | undefined>(client, commit);
  const until = Date.now() + commitMs;
  while (last !== undefined && Date.now() < until) {
    await sleep(200, undefined, { signal });
    if ((await one<string | null | undefined>(client, commit)) !== last) return true;
  }
  return false;
}

async function one<T>(client: pg.Client, sql: string, values: unknown[] = []): Promise<T> {
  const { rows } = await client.query<{ [column: string]: T }>({ text: sql, values });
  return Object.values(rows[0] ?? {})[0] as T;
}
