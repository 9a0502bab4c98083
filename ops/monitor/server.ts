/** Connections of the monitor to one PostgreSQL server: few, kept, and thrown away when a question is given up. */
import pg from "pg";
import { monitorConnections } from "../roles";

export class Server {
  private readonly pool: pg.Pool;

  constructor(url: string, applicationName: string, connections: number = monitorConnections.sources) {
    this.pool = new pg.Pool({
      connectionString: url,
      application_name: applicationName,
      max: connections,
      connectionTimeoutMillis: 4000,
      keepAlive: true,
      idleTimeoutMillis: 60_000,
      // A heartbeat or a report that a crash loses is no loss: it need not wait for the disk.
      options: "-c synchronous_commit=off",
    });
    // A connection that was idle and is lost: the next question opens another one.
    this.pool.on("error", () => undefined);
    // One that is lost while it is asked tells who waits for the answer; unheard, the event as well would end the process.
    this.pool.on("connect", (client) => client.on("error", () => undefined));
  }

  /** Asks one question. When the signal comes its connection is closed, and whoever waits for the answer is told. */
  async query<Row extends pg.QueryResultRow>(
    text: string,
    signal: AbortSignal,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    const client = await this.pool.connect();
    let released = false;
    const release = (broken: boolean) => {
      if (!released) client.release(broken);
      released = true;
    };
    const onAbort = () => release(true);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      const { rows } = await client.query<Row>(text, [...values]);
      release(false);
      return rows;
    } catch (error) {
      // An answer of the server's leaves the connection whole; anything else says nothing good of it.
      release(!(error instanceof pg.DatabaseError));
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async end(): Promise<void> {
    await this.pool.end();
  }
}

/** The only row of an answer. */
export async function one<Row extends pg.QueryResultRow>(
  server: Server,
  text: string,
  signal: AbortSignal,
  values: readonly unknown[] = [],
): Promise<Row> {
  const [row] = await server.query<Row>(text, signal, values);
  if (row === undefined) throw new Error("the server returned no row");
  return row;
}
