/** The verifier's connections: all of them see the same snapshot, and none of them can change anything. */
import type pg from "pg";
import { connect, sqlState } from "../database";

const settings = `
  set local search_path = pg_catalog;
  set local timezone = 'UTC';
  set local datestyle = 'ISO';
  set local row_security = off;               -- rows that a policy hides are an error, not an absence
  set local jit = off;
  set local max_parallel_workers_per_gather = 0;  -- the connections are what runs in parallel
  set local work_mem = '96MB';
  set local statement_timeout = 0;
  set local idle_in_transaction_session_timeout = 0;`;

export interface Session {
  clients: pg.Client[];
  close(): Promise<void>;
}

/** Opens connections that share one snapshot. Works on a standby too. */
export async function openSession(url: string, connections: number, signal: AbortSignal): Promise<Session> {
  const clients: pg.Client[] = [];
  const close = async () => {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  };
  // Cancels what runs, since the server ends a statement whose client is gone only once it has an answer to send.
  const onAbort = () => clients.forEach((client) => client.connection?.stream.destroy());
  try {
    let snapshot: string | undefined;
    for (let i = 0; i < connections; i++) {
      signal.throwIfAborted();
      const client = await connect({ url, applicationName: "authensor-verify", signal });
      clients.push(client);
      await client.query("begin isolation level repeatable read read only");
      if (snapshot !== undefined) await client.query(`set transaction snapshot '${snapshot}'`);
      await client.query(settings);
      if (connections > 1 && snapshot === undefined)
        snapshot = (await client.query<{ id: string }>("select pg_export_snapshot() as id")).rows[0]?.id;
    }
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
