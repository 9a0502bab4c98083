/** The verifier's connections. None of them can change anything, and none holds a snapshot longer than one step of the work. */
import type pg from "pg";
import { connect, sqlState } from "../database";

/** What its connections are called; how far it is may follow. */
export const sessionName = "authensor-verify";

/**
 * First of all the search path: a name means what PostgreSQL made, whatever the role's or the database's settings say. In every
 * transaction anew, since a pooler may hand out another session for the next.
 */
export const sessionSettings = `
  set local search_path = pg_catalog, pg_temp;
  set local timezone = 'UTC';
  set local datestyle = 'ISO';
  set local intervalstyle = 'postgres';
  set local extra_float_digits = 1;
  set local bytea_output = 'hex';
  set local row_security = off;               -- rows that a policy hides are an error, not an absence
  set local constraint_exclusion = off;       -- what a constraint says of rows is to be found out, not believed
  set local jit = off;
  set local max_parallel_workers_per_gather = 0;  -- the connections are what runs in parallel
  set local cursor_tuple_fraction = 1;
  set local work_mem = '96MB';
  set local statement_timeout = 0;
  set local idle_in_transaction_session_timeout = 0;`;

/** Runs `work` in one snapshot of its own. Works on a standby too. */
export async function inSnapshot<T>(client: pg.Client, work: (client: pg.Client) => Promise<T>): Promise<T> {
  await client.query(`begin isolation level repeatable read read only; ${sessionSettings}`);
  try {
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

export interface Session {
  clients: pg.Client[];
  close(): Promise<void>;
}

export async function openSession(url: string, connections: number, signal: AbortSignal): Promise<Session> {
  const clients: pg.Client[] = [];
  const close = async () => {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  };
  // Cancels what runs, since the server ends a statement whose client is gone only once it has an answer to send.
  const onAbort = () => clients.forEach((client) => client.connection?.stream.destroy());
  try {
    for (let i = 0; i < connections; i++) {
      signal.throwIfAborted();
      clients.push(await connect({ url, applicationName: sessionName, signal }));
    }
    // One that came while the last connection was made is heard by no listener any more.
    signal.throwIfAborted();
    signal.addEventListener("abort", onAbort, { once: true });
    return {
      clients,
      close: async () => {
        signal.removeEventListener("abort", onAbort);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const lost = new Set(["40001", "57P01", "57P02", "57P03", "08006", "08003", "ECONNRESET", "EPIPE", "ECONNREFUSED"]);

/** Whether the snapshot is gone but the work is not: a standby that had to replay over it, a server that restarted. */
export function snapshotLost(error: unknown): boolean {
  const code = sqlState(error) ?? (error as { code?: string }).code;
  return (
    (code !== undefined && lost.has(code)) || (error instanceof Error && /Connection terminated/.test(error.message))
  );
}
