/** One at a time: what changes a database's structure writes its name into a row that only the owner's roles can reach. */
import type pg from "pg";
import { jitter, sqlState } from "../database";
import type { Log } from "../log";
import { Failure } from "../program";

export interface LockOptions {
  log: Log;
  signal?: AbortSignal;
  /** How long to wait for the one who holds it. */
  waitSeconds: number;
}

interface Holder {
  pid: number;
  role: string;
  program: string | null;
  client: string | null;
  since: Date | null;
}

/**
 * The row counts for as long as its session lives; then whoever comes next takes it over. Not an advisory lock, whose key every
 * role of the server can read in pg_locks and take for good; not a lock on a table, which ends with each transaction.
 */
const createLock = `
  create schema if not exists audit;
  create table if not exists audit.maintenance_run (
    only_row boolean     primary key default true check (only_row),
    pid      int         not null,
    role     name        not null,
    program  text,
    client   text,
    since    timestamptz
  );
  comment on table audit.maintenance_run is 'Who changes the structure: a migration, or the partitions job.';

  create or replace function audit.begin_maintenance() returns setof audit.maintenance_run
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
  as $$
  declare
    held audit.maintenance_run;
  begin
    lock table audit.maintenance_run in share row exclusive mode;
    select * into held from audit.maintenance_run;
    if exists (select from pg_stat_activity a
                where a.pid = held.pid and a.pid <> pg_backend_pid() and a.usename = held.role
                  and a.datname = current_database()
                  -- Hidden from an owner who may not see others' statistics.
                  and coalesce(a.backend_start = held.since, true))
    then
      return next held;
      return;
    end if;
    delete from audit.maintenance_run;
    insert into audit.maintenance_run (pid, role, program, client, since)
      select pg_backend_pid(), session_user, nullif(current_setting('application_name'), ''), host(inet_client_addr()),
             (select a.backend_start from pg_stat_activity a where a.pid = pg_backend_pid());
  end
  $$;
  revoke execute on function audit.begin_maintenance() from public;
  comment on function audit.begin_maintenance() is 'Takes the lock for this session, or says who holds it.';`;

/** Twenty that make it at once collide in the catalogs: made by another is made. */
const collisions = new Set(["23505", "42P06", "42P07", "42723", "XX000", "40P01"]);
/** lock_not_available: another asks at this moment. */
const busy = "55P03";

/** Takes the lock for as long as the connection lives. Asked for again and again, so that nothing of the holder's waits for this one. */
export async function lockMaintenance(client: pg.Client, options: LockOptions): Promise<void> {
  const started = Date.now();
  let told = 0;
  for (;;) {
    options.signal?.throwIfAborted();
    const holder = await tryLock(client);
    if (holder === undefined) return;
    const waited = (Date.now() - started) / 1000;
    if (waited >= options.waitSeconds) {
      throw new Failure(
        `waited ${Math.round(waited)} s for ${describeHolder(holder)}, which still holds the maintenance lock; nothing was changed`,
      );
    }
    if (told === 0 || Date.now() - told > 10_000) {
      options.log.info(`waiting for ${describeHolder(holder)}`, {
        waitedSeconds: Math.round(waited),
        limitSeconds: options.waitSeconds,
      });
      told = Date.now();
    }
    await jitter(200, options.signal);
  }
}

/** Undefined once it is this session's; else who holds it, if that is known. */
async function tryLock(client: pg.Client): Promise<Partial<Holder> | undefined> {
  try {
    const { rows } = await client.query<Holder>(
      "select pid, role, program, client, since from audit.begin_maintenance()",
    );
    return rows[0];
  } catch (error) {
    const state = sqlState(error) ?? "";
    if (state === busy) return {};
    // undefined_function, invalid_schema_name: a database without any migration.
    if (state !== "42883" && state !== "3F000") throw error;
  }
  try {
    await client.query(createLock);
  } catch (error) {
    if (sqlState(error) === "42501") throw new Failure("this database has no schema of ours yet: run migrate first");
    if (!collisions.has(sqlState(error) ?? "")) throw error;
  }
  return {};
}

function describeHolder({ pid, role, program, client, since }: Partial<Holder>): string {
  if (pid === undefined) return "another run that begins at this moment";
  return (
    `${program ?? "a program"} of ${role} (server process ${pid}, from ${client ?? "a local socket"}` +
    `${since ? `, connected since ${since.toISOString()}` : ""})`
  );
}
