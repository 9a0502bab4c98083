/** How a replica comes to be and keeps up: a slot on its source, a base backup over verified TLS, and a stream. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sleep, waitUntil } from "../../host/wait";
import { ensureDatabaseCa } from "../databaseCa";
import { replicationUser } from "./configuration";
import type { Server } from "./server";

/** The password replicas log in with; made with the primary and kept beside its data, for the service's user only. */
export function replicationPassword(server: Server): string {
  const file = "replication.password";
  const present = server.read(file);
  if (present !== undefined) return present;
  const made = randomBytes(24).toString("hex");
  server.write(file, made);
  return made;
}

/** The name RDS gives a replica's slot on its source. */
export function slotName(region: string, identifier: string): string {
  return `rds_${region}_db_${identifier}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, "_")
    .slice(0, 63);
}

/** A source and the slot a replica has on it. */
export interface Link {
  source: Server;
  slot: string;
  caDirectory: string;
}

/** What a standby's configuration has beyond a primary's. */
export async function standbySettings(replica: Server, link: Link): Promise<Record<string, string>> {
  return { primary_conninfo: await connection(replica, link), primary_slot_name: link.slot };
}

async function connection(replica: Server, { source, caDirectory }: Link): Promise<string> {
  const password = replicationPassword(source);
  replica.write("replication.password", password);
  replica.write("pgpass", `*:*:*:${replicationUser}:${password}\n`);
  replica.write("source-ca.pem", readFileSync(await ensureDatabaseCa(caDirectory), "utf8"));
  const parts = {
    host: "localhost",
    port: String(source.port),
    user: replicationUser,
    passfile: join(replica.directory, "pgpass"),
    sslmode: "verify-full",
    sslrootcert: join(replica.directory, "source-ca.pem"),
    application_name: replica.name,
    connect_timeout: "10",
  };
  const quoted = (value: string) => `'${value.replaceAll(/['\\]/g, (c) => `\\${c}`)}'`;
  return Object.entries(parts)
    .map(([key, value]) => `${key}=${quoted(value)}`)
    .join(" ");
}

/** Makes the slot unless it is there. Returns whether the source still has all that the replica lacks. */
export async function ensureSlot({ source, slot }: Link): Promise<boolean> {
  type Row = { wal_status: string | null; active: boolean };
  const [found] = await source.query<Row>("select wal_status, active from pg_replication_slots where slot_name = $1", [
    slot,
  ]);
  if (found?.wal_status === "lost") await dropSlot(source, slot);
  else if (found !== undefined) return true;
  await source.query("select pg_create_physical_replication_slot($1, true)", [slot]);
  return false;
}

/** Removes a slot, ending a session that still uses it. */
export async function dropSlot(source: Server, slot: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const [held] = await source.query<{ active_pid: number | null }>(
      "select active_pid from pg_replication_slots where slot_name = $1",
      [slot],
    );
    if (held === undefined) return;
    if (held.active_pid === null) {
      await source.query("select pg_drop_replication_slot($1)", [slot]);
      return;
    }
    await source.query("select pg_terminate_backend($1)", [held.active_pid]);
    await sleep(50, source.signal);
  }
  throw new Error(`the replication slot ${slot} of ${source.name} is still in use`);
}

/** Copies the source's data as of now. The replica's data directory must not exist. */
export async function baseBackup(replica: Server, link: Link): Promise<void> {
  await ensureSlot(link);
  const options = ["--checkpoint=fast", "--wal-method=stream", `--slot=${link.slot}`, "--no-sync", "--no-password"];
  await replica.run("pg_basebackup", ["-D", replica.data, "-d", await connection(replica, link), ...options]);
  replica.write("data/standby.signal", "");
}

/** What keeps a standby from ever catching up by itself. */
const beyondHelp =
  /requested WAL segment \S+ has already been removed|database system identifier differs|highest timeline \d+ of the primary is behind|is not in this server's history|replication slot "[^"]*" (does not exist|has been invalidated)|can no longer get changes from replication slot/;

/**
 * Waits until the standby has caught up and streams, as its source sees it: the standby itself says so as soon as it has
 * asked. False where it never will, as its log says, or where nothing has arrived for so long: then it is to be made anew.
 */
export async function streams(replica: Server, { source }: Link, patienceMs: number): Promise<boolean> {
  const logged = replica.log().length;
  let [arrived, since] = ["", Date.now()];
  for (;;) {
    const [row] = await source.query<{ state: string; position: string | null }>(
      "select state, flush_lsn::text as position from pg_stat_replication where application_name = $1 and state <> 'backup'",
      [replica.name],
    );
    if (row?.state === "streaming") return true;
    if (!replica.alive) throw new Error(`${replica.name} ended; its log ends:\n${replica.lastLog()}`);
    if (beyondHelp.test(replica.log().slice(logged))) return false;
    if (row?.position && row.position !== arrived) [arrived, since] = [row.position, Date.now()];
    if (Date.now() - since > patienceMs) return false;
    await sleep(40, replica.signal);
  }
}

/** Waits until a standby has applied all that its source has written until now. */
export async function caughtUp(replica: Server, source: Server, timeoutMs: number): Promise<void> {
  const [position] = await source.query<{ lsn: string }>("select pg_current_wal_lsn()::text as lsn");
  await waitUntil(
    `${replica.name} catching up with its source`,
    async () => {
      const [row] = await replica.query<{ done: boolean }>("select pg_last_wal_replay_lsn() >= $1::pg_lsn as done", [
        position?.lsn,
      ]);
      return row?.done;
    },
    { timeoutMs, everyMs: 50, signal: replica.signal },
  );
}

/** Makes a standby a primary of its own; there is no way back. */
export async function promote(replica: Server): Promise<void> {
  const [row] = await replica.query<{ done: boolean }>(
    "select case when pg_is_in_recovery() then pg_promote(true, 60) else true end as done",
  );
  if (row?.done !== true) throw new Error(`${replica.name} could not be promoted within 60 s`);
}
