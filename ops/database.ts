/** Connections of the programs here: straight to a server, named, given up after a while, and able to cancel what they run. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { Failure, integerSetting } from "./program";

export interface ConnectOptions {
  /** Default: what the environment names. */
  url?: string;
  /** Shown in pg_stat_activity and in the messages of those who wait for this one. */
  applicationName: string;
  signal?: AbortSignal;
  /** Seconds to keep trying while the server cannot be reached. Default: `CONNECT_TIMEOUT_SECONDS`, or 30. */
  timeoutSeconds?: number;
}

const transient = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "57P03",
  "53300",
]);

const urlExample = "postgresql://user:password@host:5432/authensor?sslmode=verify-full…";

/**
 * The connection URL: what the file named by DATABASE_URL_FILE contains, or DATABASE_URL for people at a prompt. A file is not
 * inherited by child processes and not shown by `/proc/<pid>/environ`.
 */
export function databaseUrl(env: NodeJS.ProcessEnv = process.env): string {
  const { DATABASE_URL: url, DATABASE_URL_FILE: file } = env;
  if (url && file) throw new Failure("DATABASE_URL and DATABASE_URL_FILE are both set: set only one of them", [], 2);
  if (!file) {
    if (url) return url;
    throw new Failure(
      `no database is named: set DATABASE_URL_FILE to a file with its URL, or DATABASE_URL to ${urlExample}`,
      [],
      2,
    );
  }
  let content: string;
  try {
    content = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new Failure(`DATABASE_URL_FILE: cannot read ${file}: ${(error as Error).message}`, [], 2);
  }
  if (content === "") throw new Failure(`DATABASE_URL_FILE: ${file} is empty; it must contain ${urlExample}`, [], 2);
  return content;
}

/** `host:port/database as user`: a URL without its password, for messages. */
export function describeUrl(url: string): string {
  try {
    const { username, host, pathname, searchParams } = new URL(url);
    return `${host || searchParams.get("host") || "localhost"}${pathname} as ${decodeURIComponent(username)}`;
  } catch {
    throw new Failure(`the database's URL is not a URL; expected ${urlExample}`, [], 2);
  }
}

/**
 * For those who only read: the URL of the replica (REPLICA_URL_FILE, or REPLICA_URL for people) where one is given, answers and is not
 * out of date, so that the primary has no work of it; else the database's.
 * @param assertUsable throws where the replica must not be read, whether or not the primary answers
 */
export async function readableUrl(
  applicationName: string,
  signal: AbortSignal,
  assertUsable?: (client: pg.Client) => Promise<void>,
): Promise<string> {
  const { REPLICA_URL, REPLICA_URL_FILE } = process.env;
  if (!REPLICA_URL && !REPLICA_URL_FILE) return databaseUrl();
  const url = databaseUrl({ DATABASE_URL: REPLICA_URL, DATABASE_URL_FILE: REPLICA_URL_FILE });
  const ask = <T>(of: string, question: (client: pg.Client) => Promise<T>) =>
    withConnection({ url: of, applicationName, signal, timeoutSeconds: 5 }, question);
  let reason: string;
  try {
    const age = await ask(url, async (client) => {
      await assertUsable?.(client);
      return outOfDate(client);
    });
    if (age === undefined) return url;
    // Where the primary is gone, what was so is better than nothing.
    const answers = await ask(databaseUrl(), () => Promise.resolve(true)).catch(() => false);
    signal.throwIfAborted();
    if (!answers) {
      process.stderr.write(`the primary does not answer, and the replica is out of date: ${age}\n`);
      return url;
    }
    reason = `it is out of date: ${age}`;
  } catch (error) {
    signal.throwIfAborted();
    reason = (error as Error).message;
  }
  process.stderr.write(`the replica is not used: ${reason}\n`);
  return databaseUrl();
}

/**
 * How old what a standby shows is, where that is too old to be taken for what the primary has; undefined where it is not, and on a
 * primary. The monitor's heartbeat is written each second: a standby that replays has something new all the time.
 */
export async function outOfDate(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ age: number | null }>(
    `select extract(epoch from now() - pg_last_xact_replay_timestamp())::int as age where pg_is_in_recovery()`,
  );
  const [standby] = rows;
  if (!standby) return undefined;
  if (standby.age === null) return "nothing was replayed since it was started";
  if (standby.age <= integerSetting("REPLICA_MAX_AGE_SECONDS", 300)) return undefined;
  return `the newest that was replayed is ${standby.age} s old`;
}

/** What the server's clock says: this machine's may be years off, and what is due follows from what servers wrote. */
export async function serverTime(client: pg.Client): Promise<Date> {
  const { rows } = await client.query<{ now: Date }>("select clock_timestamp() as now");
  if (!rows[0]) throw new Error("the server does not tell its time");
  return rows[0].now;
}

/** A connected client. A server that is starting or failing over is waited for; a wrong password is not. */
export async function connect(options: ConnectOptions): Promise<pg.Client> {
  const url = options.url ?? databaseUrl();
  const where = describeUrl(url);
  const patienceMs = 1000 * (options.timeoutSeconds ?? integerSetting("CONNECT_TIMEOUT_SECONDS", 30));
  const until = Date.now() + patienceMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const client = new pg.Client({
      connectionString: url,
      application_name: options.applicationName,
      connectionTimeoutMillis: Math.min(10_000, patienceMs / 3),
      keepAlive: true,
    });
    // The next query reports a lost connection; unheard, the event would end the process without a clear line.
    client.on("error", () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      const { code, message } = error as { code?: string; message: string };
      // A packet that is dropped, as a network policy does until it is in force: pg gives that error no code.
      const mayPass = code === undefined ? message === "timeout expired" : transient.has(code);
      if (!mayPass || Date.now() > until) {
        throw new Failure(`cannot connect to ${where}: ${message || code || "unknown error"}`);
      }
      await sleep(300);
    }
  }
}

/** Runs `work` with a connection that is closed afterwards; when the signal comes, its running statement is cancelled. */
export async function withConnection<T>(options: ConnectOptions, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(options);
  const { signal } = options;
  const pid = (await client.query<{ pid: number }>("select pg_backend_pid() as pid")).rows[0]?.pid;
  const onAbort = () => void cancel(options, pid, client);
  signal?.addEventListener("abort", onAbort);
  try {
    signal?.throwIfAborted();
    return await work(client);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    await client.end().catch(() => undefined);
  }
}

async function cancel(options: ConnectOptions, pid: number | undefined, client: pg.Client): Promise<void> {
  try {
    const other = await connect({ ...options, signal: undefined, timeoutSeconds: 2 });
    await other.query("select pg_cancel_backend($1)", [pid]);
    await other.end();
  } catch {
    // No second connection to be had: closing this one rolls back too, once the server notices.
    await client.end().catch(() => undefined);
  }
}

/** A session's lock and settings stay behind on the pooler's connection: who needs those must speak to the server itself. */
export async function refusePooler(client: pg.Client): Promise<void> {
  // A pooler tells its clients a process id of its own making, to be cancelled by.
  const told = (client as pg.Client & { processID?: number }).processID;
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  if (rows[0]?.pid !== told) {
    throw new Failure("the database's URL names a pooler: it must name the server itself; nothing was changed");
  }
}

/** A short random wait, so that those who collided do not collide again. */
export async function jitter(baseMs: number, signal?: AbortSignal): Promise<void> {
  await sleep(baseMs * (0.5 + Math.random()), undefined, { signal });
}

/** The SQLSTATE of a server's error, or undefined. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}
