/** The program's pools of database connections: found without its help, kept young while it runs, and closed when it ends. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log";
import { connectionLifetime } from "./limits";

/** What is used of pg's Pool; `options` and `ending` are no documented parts of it, so they are looked at before use. */
interface Pool {
  options?: { maxLifetimeSeconds?: number };
  ending?: boolean;
  waitingCount?: number;
  connect: (...args: unknown[]) => unknown;
  end: () => Promise<void>;
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
    prototype.connect = function (this: Pool, ...args: unknown[]) {
      if (!pools.has(this)) {
        pools.add(this);
        keepYoung(this, log);
      }
      return connect.apply(this, args);
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

function keepYoung(pool: Pool, log: Log): void {
  if (typeof pool.options?.maxLifetimeSeconds !== "number") {
    log.warn(
      "this version of pg does not know maxLifetimeSeconds: a rollout of the pooler fails one request per connection",
    );
    return;
  }
  const own = pool.options.maxLifetimeSeconds;
  if (own === 0 || own > connectionLifetime) pool.options.maxLifetimeSeconds = connectionLifetime;
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
