/** The program's own database driver, found without its help. */
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Log } from "../log";

/** What is used of pg's Pool; `options` and `ending` are no documented parts of it, so they are looked at before use. */
export interface Pool {
  options?: PoolOptions;
  ending?: boolean;
  waitingCount?: number;
  connect: Connect;
  query?: (this: Pool, text: unknown, values?: unknown, done?: unknown) => unknown;
  end: () => Promise<void>;
}

/** With a callback it returns nothing, without one a promise of a client. */
type Connect = (callback?: (error: Error | undefined, client?: unknown, release?: unknown) => void) => unknown;

interface PoolOptions {
  maxLifetimeSeconds?: number;
  connectionTimeoutMillis?: number;
  query_timeout?: number;
  keepAlive?: boolean;
  keepAliveInitialDelayMillis?: number;
}

export type Done = (error: DatabaseError | null | undefined, result?: unknown) => void;
export type DatabaseError = Error & { code?: string };

/** What is used of pg's Client. Its query() takes a text or an object; only texts are given names here, all that the control plane asks by. */
export interface QueryingClient {
  query: (this: QueryingClient, config: unknown, values?: unknown, done?: Done) => unknown;
  /** "T" inside a transaction. Not in every version. */
  getTransactionStatus?: () => string | null;
}

/** What is used of pg. */
export interface Driver {
  Pool: { prototype: Pool };
  Client?: { prototype?: Partial<QueryingClient> };
}

/**
 * The driver that the program itself imports. An ES module's `import "pg"` gives the same object as `require("pg")` from the same place: pg
 * is CommonJS, which Node loads once.
 */
export function findDriver(program: string | undefined, log: Log): Driver | undefined {
  try {
    const driver = createRequire(program ?? join(process.cwd(), "-"))("pg") as { Pool?: { prototype?: Partial<Pool> } };
    const prototype = driver.Pool?.prototype;
    if (typeof prototype?.connect !== "function" || typeof prototype.end !== "function")
      throw new Error("its Pool has no connect() and end()");
    return driver as Driver;
  } catch (error) {
    // A stack of modules that were asked for follows in the message; its first line says it all.
    const [reason] = (error as Error).message.split("\n");
    log.warn("database connections are not managed: a rollout of the pooler fails one request for each of them", {
      error: `pg, as ${program ?? "the program"} would import it: ${reason}`,
    });
    return undefined;
  }
}
