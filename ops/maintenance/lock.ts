/** One at a time: what changes a database's structure holds a session-level advisory lock, on a direct connection. */
import type pg from "pg";
import { jitter } from "../database";
import type { Log } from "../log";
import { Failure } from "../program";

/** "auth" and "plan" in ASCII: any constants, as long as nothing else in the database uses them. Migrations and partitions share them. */
const key = [0x61757468, 0x706c616e] as const;

export interface LockOptions {
  log: Log;
  signal?: AbortSignal;
  /** How long to wait for the one who holds it. */
  waitSeconds: number;
}

interface Holder {
  pid: number;
  usename: string;
  /** This and the next two are hidden from a role that is not pg_monitor. */
  application_name: string | null;
  client_addr: string | null;
  backend_start: Date | null;
}

/**
 * Takes the lock for as long as the connection lives. It is asked for again and again rather than waited for in the server: a waiting
 * statement holds a snapshot, for which CREATE INDEX CONCURRENTLY in the holder would wait for ever.
 */
export async function lockMaintenance(client: pg.Client, options: LockOptions): Promise<void> {
  const started = Date.now();
  let told = 0;
  for (;;) {
    options.signal?.throwIfAborted();
    const { rows } = await client.query<{ locked: boolean }>("select pg_try_advisory_lock($1, $2) as locked", [...key]);
    if (rows[0]?.locked) return;
    const waited = (Date.now() - started) / 1000;
    if (waited >= options.waitSeconds) {
      throw new Failure(
        `waited ${Math.round(waited)} s for ${describeHolder(await findHolder(client))}, which still holds the maintenance lock; nothing was changed`,
      );
    }
    if (told === 0 || Date.now() - told > 10_000) {
      options.log.info(`waiting for ${describeHolder(await findHolder(client))}`, {
        waitedSeconds: Math.round(waited),
        limitSeconds: options.waitSeconds,
      });
      told = Date.now();
    }
    await jitter(200, options.signal);
  }
}

async function findHolder(client: pg.Client): Promise<Holder | undefined> {
  const { rows } = await client.query<Holder>(
    `select a.pid, a.usename, nullif(a.application_name, '') as application_name, host(a.client_addr) as client_addr, a.backend_start
       from pg_locks l join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.classid = $1 and l.objid = $2 and l.granted
        and l.database = (select oid from pg_database where datname = current_database())`,
    [...key],
  );
  return rows[0];
}

function describeHolder(holder: Holder | undefined): string {
  if (!holder) return "a run that has just ended";
  const { pid, usename, application_name: program, client_addr: from, backend_start: since } = holder;
  if (!since) return `a program of ${usename} (server process ${pid})`;
  return `${program ?? "a program"} of ${usename} (server process ${pid}, from ${from ?? "a local socket"}, connected since ${since.toISOString()})`;
}
