/**
 * How full PgBouncer's pools are, in each of its processes: a client waits in one pod's pool while another's is idle.
 */
import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import pg from "pg";
import { parseIntoClientConfig } from "pg-connection-string";
import type { Access, Source } from "../source";

/** SHOW POOLS of one process; one row for each database entry and role. */
interface PoolRow extends Record<string, unknown> {
  database: string;
  cl_waiting: string;
  sv_active: string;
  maxwait: string;
  maxwait_us: string;
}

/** SHOW DATABASES: what an entry may have. */
interface DatabaseRow extends Record<string, unknown> {
  name: string;
  max_connections: string;
}

export interface PodPools {
  pools: PoolRow[];
  databases: DatabaseRow[];
}

export interface Saturation {
  usedPercent: number;
  waiting: number;
  longestWaitSeconds: number;
}

/** Of all processes together: the fullest pool, everyone who waits, and who has waited longest. */
export function saturation(pods: readonly PodPools[]): Saturation {
  const all = pods.flatMap(({ pools, databases }) =>
    // PgBouncer's own console is no pool.
    databases.flatMap(({ name, max_connections: most }) => {
      const own = pools.filter(({ database }) => database === name);
      const active = own.reduce((sum, pool) => sum + Number(pool.sv_active), 0);
      return Number(most) > 0 ? [{ own, used: (100 * active) / Number(most) }] : [];
    }),
  );
  const pools = all.flatMap(({ own }) => own);
  return {
    usedPercent: Math.max(0, ...all.map(({ used }) => used)),
    waiting: pools.reduce((sum, pool) => sum + Number(pool.cl_waiting), 0),
    longestWaitSeconds: Math.max(0, ...pools.map((pool) => Number(pool.maxwait) + Number(pool.maxwait_us) / 1e6)),
  };
}

/** A client waits this long, seconds, before `/health/ready` speaks of it. */
const tolerableWait = 2;

export const pools: Source = {
  name: "pools",
  everySeconds: 10,
  timeoutSeconds: 8,
  onFailure: [{ part: "pool", reason: "no PgBouncer process answers" }],
  async collect(access, signal) {
    const answers = await askPoolers(access, signal);
    const pods = answers.filter((answer) => answer !== undefined);
    const { usedPercent, waiting, longestWaitSeconds } = saturation(pods);
    const began = performance.now();
    const through = await askThroughPool(access, signal);
    const reasons = [
      ...(pods.length < answers.length ? [`${answers.length - pods.length} PgBouncer processes do not answer`] : []),
      ...(longestWaitSeconds > tolerableWait
        ? [
            `${waiting} clients wait for a connection, the first for ${Math.round(longestWaitSeconds)} s: the pool is full`,
          ]
        : []),
      ...(through ? [] : ["a query through the pool is not answered"]),
    ];
    return {
      samples: {
        PoolersUnreachable: answers.length - pods.length,
        ...(pods.length > 0 && {
          PoolUsedPercent: usedPercent,
          PoolWaitingClients: waiting,
          PoolLongestWaitSeconds: longestWaitSeconds,
        }),
        ...(through && { PoolQueryMilliseconds: performance.now() - began }),
      },
      findings: [{ part: "pool", ...(reasons.length > 0 && { reason: reasons.join("; ") }) }],
    };
  },
};

interface Address {
  host: string;
  port: number;
}

/** A headless Service's name leads to the address of every pod that is ready. */
async function askPoolers({ poolers, poolUrl }: Access, signal: AbortSignal): Promise<(PodPools | undefined)[]> {
  const answers = poolers.map(async (pooler) => {
    const { hostname, port } = new URL(`tcp://${pooler}`);
    const addresses = await lookup(hostname, { all: true, family: 0 });
    return byPod(addresses, (host) => askPod(poolUrl, { host, port: Number(port) }, signal));
  });
  return (await Promise.all(answers)).flat();
}

/**
 * What each pod answers, undefined where it does not. A pod with addresses of two families is one pod, and need not
 * listen on both: that family counts by which more of them answer.
 */
export async function byPod<T>(
  addresses: readonly LookupAddress[],
  ask: (address: string) => Promise<T>,
): Promise<(T | undefined)[]> {
  const families = [...new Set(addresses.map(({ family }) => family))].map((family) =>
    addresses.filter((one) => one.family === family),
  );
  const answers = await Promise.all(
    families.map((own) => Promise.all(own.map(({ address }) => ask(address).catch(() => undefined)))),
  );
  const answered = (of: readonly (T | undefined)[]) => of.filter((one) => one !== undefined).length;
  return answers.reduce((most, own) => (answered(own) > answered(most) ? own : most));
}

/** Not kept open: a pod that is to end waits until its clients have left. */
async function askPod(poolUrl: string, address: Address, signal: AbortSignal): Promise<PodPools> {
  const config = parseIntoClientConfig(poolUrl);
  const tls = typeof config.ssl === "object" ? config.ssl : {};
  // Reached by its address, verified by the Service's name, which is the one in its certificate.
  return ask(
    { ...config, ...address, ssl: { ...tls, servername: config.host } },
    "pgbouncer",
    signal,
    async (client) => ({
      pools: (await client.query<PoolRow>("show pools")).rows,
      databases: (await client.query<DatabaseRow>("show databases")).rows,
    }),
  );
}

async function askThroughPool({ poolUrl }: Access, signal: AbortSignal): Promise<boolean> {
  const config = parseIntoClientConfig(poolUrl);
  return ask(config, config.database ?? "", signal, (client) => client.query("select 1")).then(
    () => true,
    () => false,
  );
}

async function ask<T>(
  config: pg.ClientConfig,
  database: string,
  signal: AbortSignal,
  question: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    ...config,
    database,
    application_name: "authensor-monitor",
    connectionTimeoutMillis: 3000,
  });
  client.on("error", () => undefined);
  const onAbort = () => void client.end().catch(() => undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await client.connect();
    return await question(client);
  } finally {
    signal.removeEventListener("abort", onAbort);
    await client.end().catch(() => undefined);
  }
}
