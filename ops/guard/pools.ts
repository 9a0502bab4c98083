/** The program's pools of database connections: found without its help, given limits while it runs, and closed when it ends. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log";
import { type Client, untilAnswered } from "./firstAnswer";
import { answering, connecting, connectionLifetime, idleBeforeAsking } from "./limits";

/** What is used of pg's Pool; `options` and `ending` are no documented parts of it, so they are looked at before use. */
export interface Pool {
  options?: PoolOptions;
  ending?: boolean;
  waitingCount?: number;
  connect: Connect;
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

/**
 * Every pool of the driver that the program itself imports, as it comes to be used. An ES module's `import "pg"` gives the same
 * object as `require("pg")` from the same place: pg is CommonJS, which Node loads once.
 */
export function watchPools(program: string | undefined, log: Log): ReadonlySet<Pool> {
  const pools = new Set<Pool>();
  try {
    const driver = createRequire(program ?? join(process.cwd(), "-"))("pg") as { Pool?: { prototype?: Partial<Pool> } };
    const prototype = driver.Pool?.prototype;
    const connect = prototype?.connect;
    if (!prototype || typeof connect !== "function" || typeof prototype.end !== "function")
      throw new Error("its Pool has no connect() and end()");
    const starting = new Map<Pool, Promise<void>>();
    prototype.connect = function (this: Pool, callback) {
      const own = (done?: typeof callback) => connect.call(this, done);
      if (!pools.has(this)) {
        pools.add(this);
        limit(this, log);
        const first = untilAnswered(this, own as () => Promise<Client>, log);
        starting.set(
          this,
          first.finally(() => starting.delete(this)),
        );
      }
      const first = starting.get(this);
      return first === undefined ? own(callback) : first.then(() => own(callback));
    };
  } catch (error) {
    // A stack of modules that were asked for follows in the message; its first line says it all.
    const [reason] = (error as Error).message.split("\n");
    log.warn("database connections are not managed: a rollout of the pooler fails one request for each of them", {
      error: `pg, as ${program ?? "the program"} would import it: ${reason}`,
    });
  }
  return pools;
}

/** The pool's own limits stay where they are narrower. */
function limit(pool: Pool, log: Log): void {
  const { options } = pool;
  if (typeof options?.maxLifetimeSeconds !== "number") {
    log.warn(
      "this version of pg does not know maxLifetimeSeconds: a rollout of the pooler fails one request per connection",
    );
    return;
  }
  const atMost = (own: number | undefined, ours: number) => (own ? Math.min(own, ours) : ours);
  options.maxLifetimeSeconds = atMost(options.maxLifetimeSeconds, connectionLifetime);
  options.connectionTimeoutMillis = atMost(options.connectionTimeoutMillis, connecting * 1000);
  options.query_timeout = atMost(options.query_timeout, answering * 1000);
  options.keepAlive = true;
  options.keepAliveInitialDelayMillis = atMost(options.keepAliveInitialDelayMillis, idleBeforeAsking * 1000);
}

/** Once every query that was asked for has been answered. */
export async function endPools(pools: ReadonlySet<Pool>): Promise<void> {
  await Promise.all(
    [...pools].map(async (pool) => {
      // An ending pool forgets whoever still waits for a connection.
      while ((pool.waitingCount ?? 0) > 0) await sleep(20);
      if (!pool.ending) await pool.end();
    }),
  );
}
