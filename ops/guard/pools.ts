/** The program's pools of database connections: given limits while it runs, and closed when it ends. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log";
import type { Driver, Pool } from "./driver";
import { type Client, untilAnswered } from "./firstAnswer";
import { answering, connecting, connectionLifetime, idleBeforeAsking } from "./limits";

/** Every pool of the driver, as it comes to be used. */
export function watchPools({ Pool: { prototype } }: Driver, log: Log): ReadonlySet<Pool> {
  const pools = new Set<Pool>();
  const starting = new Map<Pool, Promise<void>>();
  const { connect } = prototype;
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
