/** The replica itself, before it is promoted: whether it shows all that it has, and whether its primary still lives. */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Log } from "../log";
import { isFenced } from "../migrate/fence";

export interface Patience {
  /** How long nothing of what it has received may be replayed. */
  stuckMs: number;
  /** How long all of it may take. */
  replayMs: number;
}

const patience: Patience = { stuckMs: 60_000, replayMs: 20 * 60_000 };

/** Nothing on a server that is no standby. A sentence each, the same however often it is asked. */
export async function standbyProblems(
  client: pg.Client,
  { log, signal }: { log: Log; signal: AbortSignal },
  { stuckMs, replayMs }: Patience = patience,
): Promise<string[]> {
  if (!(await one<boolean>(client, "select pg_is_in_recovery()"))) return [];
  const { replayed, received } = await replay(client, { log, signal }, { stuckMs, replayMs });
  // Before it has replayed all, what it replays may be a dead primary's, however new it looks; what comes over the wire is a living one's.
  const lives =
    !(await isFenced(client)) &&
    (replayed
      ? await commitsSomething(client, signal)
      : received !== null && (await receivedUpTo(client)) !== received);
  return [
    ...(replayed
      ? []
      : [
          `the replica has not replayed what it has received (waited until nothing of it was replayed for ${stuckMs / 1000} s, or for ${replayMs / 60_000} min in all): what it has cannot be told yet; deploy again once pg_last_wal_replay_lsn() there is pg_last_wal_receive_lsn()`,
        ]),
    ...(lives
      ? [
          "the primary lives: what is written there still comes to the replica, and what it accepts after the promotion would be lost; close it first (docs/failover.md, What you do, step 1)",
        ]
      : []),
  ];
}

const receivedUpTo = (client: pg.Client) => one<string | null>(client, "select pg_last_wal_receive_lsn()::text");

/**
 * The promotion replays all that was received: before that much was replayed, more would seem to be missing than is. One that has far
 * to go is waited for as long as it goes on: the promotion would take as long.
 */
async function replay(
  client: pg.Client,
  { log, signal }: { log: Log; signal: AbortSignal },
  { stuckMs, replayMs }: Patience,
): Promise<{ replayed: boolean; received: string | null }> {
  const begun = Date.now();
  let received: string | null = null;
  let moved = { lsn: "", at: begun };
  for (let told = begun; ; await sleep(200, undefined, { signal })) {
    // None after a restart, until it has replayed what it had on its own disk and asks its primary for more (GetWalRcvFlushRecPtr).
    received ??= await receivedUpTo(client);
    const lsn = await one<string>(client, "select pg_last_wal_replay_lsn()::text");
    const left = await one<number | null>(client, "select greatest($1::pg_lsn - $2::pg_lsn, 0)::float8", [
      received,
      lsn,
    ]);
    const now = Date.now();
    if (received !== null && left === 0) return { replayed: true, received };
    if (lsn !== moved.lsn) moved = { lsn, at: now };
    if (now - moved.at > stuckMs) {
      const replayed = await nothingFollows(client);
      if (replayed) log.info("what is left of what the replica received is no whole record", { bytesLeft: left });
      return { replayed, received };
    }
    if (now - begun > replayMs) return { replayed: false, received };
    if (now - told < tellMs) continue;
    told = now;
    log.info("the replica still replays what it has received: waiting for it", { bytesLeft: left });
  }
}

/**
 * Of one that stands still: whether nothing keeps it from going on. A primary that dies in the midst of a record leaves its beginning,
 * which is never replayed and which the promotion drops. Taken for that by mistake, more would seem to be missing than is, and never less.
 */
const nothingFollows = (client: pg.Client) =>
  one<boolean>(
    client,
    `select pg_get_wal_replay_pause_state() = 'not paused' and current_setting('recovery_min_apply_delay') = '0'
        and not exists (select from pg_stat_wal_receiver)`,
  );

const tellMs = 10_000;

/** The monitor of a living primary writes each second. */
const commitMs = 3000;

/**
 * A replica that still receives is watched for longer: a primary whose monitor is dead commits only when an agent asks, or, closed to all
 * clients, its housekeeping, minutes apart. Every role sees that row, if no more of it.
 */
const streamingMs = 10_000;

/**
 * Whether something more is committed within that time, however late it comes: a replica that lags is a living primary's too, and a
 * primary whose monitor is dead accepts receipts all the same. Behind a fence the archiver alone goes on.
 */
async function commitsSomething(client: pg.Client, signal: AbortSignal): Promise<boolean> {
  const commit = "select pg_last_xact_replay_timestamp()::text where pg_is_in_recovery()";
  const last = await one<string | null | undefined>(client, commit);
  const streams = await one<boolean>(client, "select exists (select from pg_stat_wal_receiver)");
  const until = Date.now() + (streams ? streamingMs : commitMs);
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
