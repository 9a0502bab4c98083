/** The local kubelet with the real PgBouncer: configuration, ports and hooks as a pod has them, rolled over under load. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Properties, Resource } from "../../cloud/handler";
import { running } from "../../cloud/host/pidFile";
import { sleep } from "../../cloud/host/wait";
import { drain } from "../../components/pooling/pgbouncerHooks";
import { startPostgres, superuser, type TestPostgres } from "../postgres";
import { FakeCluster, servicePortOf } from "./fakeCluster";

let postgres: TestPostgres;
let cluster: FakeCluster;
let pooler: Resource;
let front: Resource;

beforeAll(async () => {
  [postgres, cluster] = await Promise.all([startPostgres(), FakeCluster.start()]);
  const setup = await postgres.connect(postgres.url(superuser));
  await setup.query("create table work (transaction text not null, step int not null)");
  await setup.end();
  await cluster.create("configMap", "config", { data: { "decisions.ini": ini(postgres.port) }, immutable: true });
  await cluster.create("secret", "users", { stringData: { "userlist.txt": `"${superuser}" "owner"\n` } });
  [pooler, front] = await Promise.all([
    cluster.create("deployment", "pgbouncer", deployment("1")),
    cluster.create("service", "pooler", {
      spec: { selector: { app: "pgbouncer" }, ports: [{ port: 6432, targetPort: "pgbouncer" }] },
    }),
  ]);
});
afterAll(() => Promise.all([cluster.end(), postgres.stop()]));

const ini = (port: number) => `
[databases]
postgres = host=127.0.0.1 port=${port} dbname=postgres pool_size=5

[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/auth/userlist.txt
pool_mode = transaction
`;

/**
 * @param wait seconds that a pod of it waits as it ends: for the news of that to arrive, and for its clients to leave,
 * at most
 */
const deployment = (revision: string, wait = { endpoints: 0.3, clients: 1 }): Properties => ({
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "pgbouncer" } },
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    template: {
      metadata: { labels: { app: "pgbouncer" }, annotations: { revision } },
      spec: {
        containers: [
          {
            name: "pgbouncer",
            image: "ghcr.io/cloudnative-pg/pgbouncer:1.25.2",
            command: ["pgbouncer", "/etc/pgbouncer/config/decisions.ini"],
            ports: [{ name: "pgbouncer", containerPort: 6432 }],
            readinessProbe: { tcpSocket: { port: "pgbouncer" } },
            lifecycle: {
              preStop: { exec: { command: ["/bin/sh", "-c", drain("decisions", wait.endpoints, wait.clients)] } },
            },
            volumeMounts: [
              { name: "config", mountPath: "/etc/pgbouncer/config" },
              { name: "auth", mountPath: "/etc/pgbouncer/auth" },
            ],
          },
        ],
        volumes: [
          { name: "config", configMap: { name: "config" } },
          { name: "auth", secret: { secretName: "users", defaultMode: 0o440 } },
        ],
      },
    },
  },
});

const patient = { endpoints: 1, clients: 20 };

const podsOf = (resource: Resource) => {
  const root = join(cluster.of(resource).directory, "pods");
  return readdirSync(root).map((name) => join(root, name));
};
const connect = async () => {
  const client = new pg.Client({ host: "127.0.0.1", port: servicePortOf(front), user: superuser, password: "owner" });
  client.on("error", () => undefined); // a pooler that goes closes idle connections: the next query tells
  await client.connect();
  return client;
};

describe("PgBouncer", () => {
  it("runs as the service user, on a port of its own, with its own files", () => {
    for (const pod of podsOf(pooler)) {
      const config = readFileSync(join(pod, "files/pgbouncer/etc/pgbouncer/config/decisions.ini"), "utf8");
      expect(config).toMatch(/^listen_addr = 127\.0\.0\.1\nlisten_port = [23]\d{4}$/m);
      expect(config).toContain(`auth_file = ${pod}/files/pgbouncer/etc/pgbouncer/auth/userlist.txt`);
    }
  });

  it("drops no transaction while it rolls over", async () => {
    const before = podsOf(pooler);
    const committed: string[] = [];
    const dropped: unknown[] = [];
    let turnedAway = 0;
    let rolling = true;
    const work = async (worker: number) => {
      let client = await connect();
      for (let i = 0; rolling; i++) {
        const name = `${worker}-${i}`;
        try {
          await client.query("begin");
        } catch {
          // Nothing has begun: what a pool does with a connection that has been closed is to take another.
          turnedAway++;
          client = await connect();
          continue;
        }
        try {
          await client.query("insert into work values ($1, 1)", [name]);
          await client.query("select pg_sleep(0.03)");
          await client.query("insert into work values ($1, 2)", [name]);
          await client.query("commit");
          committed.push(name);
        } catch (error) {
          dropped.push(error);
          client = await connect();
        }
      }
      await client.end();
    };
    const workers = [1, 2, 3, 4, 5, 6].map(work);
    await sleep(200);
    const began = committed.length;
    pooler = await cluster.update(pooler, deployment("2", patient));
    const during = committed.length - began;
    await sleep(200);
    rolling = false;
    await Promise.all(workers);
    expect(dropped).toEqual([]);
    expect(during).toBeGreaterThan(10);
    expect(turnedAway).toBeGreaterThan(0); // so the pods that went did have clients
    expect(podsOf(pooler).filter((pod) => before.includes(pod))).toEqual([]);
    const check = await postgres.connect(postgres.url(superuser));
    const { rows } = await check.query<{ transaction: string; steps: string }>(
      'select transaction, count(*) as steps from work group by 1 order by transaction collate "C"',
    );
    expect(rows).toEqual([...committed].sort().map((transaction) => ({ transaction, steps: "2" })));
  });

  it("fails no query of a pool whose connections are younger than it waits", async () => {
    const before = podsOf(pooler);
    const pool = new pg.Pool({
      ...{ host: "127.0.0.1", port: servicePortOf(front), user: superuser, password: "owner" },
      max: 6,
      maxLifetimeSeconds: 1,
    });
    const failed: unknown[] = [];
    let done = 0;
    let rolling = true;
    const work = async () => {
      while (rolling)
        await pool.query("insert into work values ('pooled', 1)").then(
          () => done++,
          (error: unknown) => failed.push(error),
        );
    };
    const workers = Array.from({ length: 6 }, work);
    await sleep(200);
    // Those that end are the patient ones, of the update before.
    pooler = await cluster.update(pooler, deployment("3"));
    rolling = false;
    await Promise.all(workers);
    await pool.end();
    expect(failed).toEqual([]);
    expect(podsOf(pooler).filter((pod) => before.includes(pod))).toEqual([]);
    const check = await postgres.connect(postgres.url(superuser));
    const { rows } = await check.query("select count(*)::int as done from work where transaction = 'pooled'");
    expect(rows).toEqual([{ done }]);
  });

  it("is healed when one of its pods is killed, and serves meanwhile", async () => {
    const [pod = ""] = podsOf(pooler);
    process.kill(running(join(pod, "pgbouncer.pid")) ?? 0, "SIGKILL");
    while (running(join(pod, "pgbouncer.pid")) !== undefined) await sleep(5);
    for (let i = 0; i < 4; i++) {
      const client = await connect();
      expect((await client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
      await client.end();
    }
    expect(await cluster.heal(pooler)).toBe("restarted 1 of 2");
    expect(await cluster.heal(pooler)).toBeUndefined();
  });
});
