/** ops/migrate fence: a primary that is closed while agents write, and the replica that has everything then. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bucket } from "../../ops/archive/bucket";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { isFenced } from "../../ops/migrate/fence";
import { compare } from "../../ops/missing/compare";
import { standbyProblems, type Patience } from "../../ops/missing/standby";
import { roles, secondLogin } from "../../ops/roles";
import { migrationsDir, startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { newReceipt, storeReceipts } from "../receipts";
import { lockedBucket, makeBucket, testS3, type TestS3 } from "../s3";
import { runOps } from "./programs";

let server: TestPostgres;
let s3: TestS3;
let database: TestDatabase;
let replica: TestPostgres;
/** As superuser on the replica. */
let standby: pg.Client;
let replicaUrl: string;
beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
  database = await server.createDatabase({ migrated: true });
  writeFileSync(join(server.dir, "expectations.json"), JSON.stringify({ ssl: false }));
  replica = await server.startStandby();
  standby = await replica.connect(replica.url(superuser));
  replicaUrl = replica.url(roles.verifier, database.name);
});
afterAll(async () => {
  await replica.stop();
  await Promise.all([server.stop(), s3.close()]);
});

const migrate = (args: string[], env: Record<string, string> = {}) =>
  runOps("migrate", args, {
    ...{ DATABASE_URL: database.ownerUrl, MIGRATIONS_DIR: migrationsDir },
    ...{ EXPECTATIONS_FILE: join(server.dir, "expectations.json"), ...env },
  });
const fence = (env: Record<string, string> = {}) => migrate(["fence"], { REPLICA_URL: replicaUrl, ...env });

const on = async <T>(url: string, work: (client: pg.Client) => Promise<T>) => {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  return work(client).finally(() => client.end());
};
const one = (agent: string) => newReceipt({ actor_id: agent, decision_outcome: "allow" });
const store = (agent: string) => on(database.url(roles.app), (client) => storeReceipts(client, [one(agent)]));

/** Writes until it is refused; returns what was acknowledged. */
async function agent(name: string): Promise<string[]> {
  const acknowledged: string[] = [];
  for (;;)
    try {
      await on(database.url(roles.app), async (client) => {
        for (;;) acknowledged.push(...(await storeReceipts(client, [one(name)])).map(({ id }) => String(id)));
      });
    } catch (error) {
      if (/not permitted to log in/.test((error as Error).message)) return acknowledged;
    }
}

describe("a fence", () => {
  it("that comes while agents write loses no receipt that was acknowledged: the replica has each once it says so", async () => {
    const agents = Promise.all(["a", "b", "c", "d"].map(agent));
    await sleep(300);
    const { code, stdout, stderr } = await fence();
    const acknowledged = (await agents).flat();
    expect(code, stdout + stderr).toBe(0);
    expect(acknowledged.length).toBeGreaterThan(10);
    const there = await on(replicaUrl, (client) =>
      client.query<{ n: number }>("select count(*)::int as n from public.receipts where id = any ($1)", [acknowledged]),
    );
    expect(there.rows[0]!.n).toBe(acknowledged.length);
    expect(stdout).toContain("the replica has every receipt");
  });

  describe("that is closed", () => {
    beforeAll(async () => {
      expect((await fence()).code).toBe(0);
    });

    it.each(
      [roles.app, roles.telemetry, roles.monitor, roles.maintenance].flatMap((role) => [role, secondLogin(role)]),
    )("lets %s in no more", async (login) => {
      await expect(on(database.url(login), () => Promise.resolve())).rejects.toThrow("not permitted to log in");
    });

    it("lets the archiver and the verifier go on", async () => {
      for (const role of [roles.archiver, roles.verifier]) await on(database.url(role), () => Promise.resolve());
    });

    it("changes nothing the second time, and ends the same way", async () => {
      expect((await fence()).code).toBe(0);
    });
  });

  it("is opened by the migrations, whatever else they have to do", async () => {
    const { code, stderr } = await migrate(["up"]);
    expect(code, stderr).toBe(0);
    await store("a");
  });

  it("stays, and says so, where the replica has not all in time; and goes on waiting when it is asked again", async () => {
    await standby.query("select pg_wal_replay_pause()");
    await store("late");
    const { code, stderr } = await fence({ FENCE_WAIT_SECONDS: "1" });
    expect(code).toBe(1);
    expect(stderr).toMatch(/the replica has not replayed up to \S+ within 1 s/);
    expect(stderr).toContain("The primary stays fenced, and nothing is lost.");
    await expect(store("late")).rejects.toThrow("not permitted to log in");
    await standby.query("select pg_wal_replay_resume()");
    expect((await fence()).code).toBe(0);
  });

  it("closes again what was opened before the last session had ended, as a run of the maintenance role may do", async () => {
    await migrate(["up"]);
    const closing = fence();
    await expect.poll(() => on(database.ownerUrl, isFenced), { interval: 20, timeout: 30_000 }).toBe(true);
    await on(database.ownerUrl, (owner) => owner.query(`alter role ${roles.app} login`));
    expect((await closing).code).toBe(0);
    expect(await on(database.ownerUrl, isFenced)).toBe(true);
  });
});

describe("a replica that only the settings say was promoted", () => {
  const promoted = (url: string) => runOps("missing", ["--promoted"], { DATABASE_URL: url });

  it("is promoted by no deployment, and one that was is compared no more", async () => {
    const { code, stderr } = await promoted(replicaUrl);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^missing: this server is a replica still, .*\n.*Nothing was promoted\. Set failedOver to true/m,
    );
    expect((await promoted(database.url(roles.verifier))).code).toBe(0);
  });
});

describe("the comparison before a promotion", () => {
  const compared = (bucket: Bucket) => on(replicaUrl, (client) => compare(client, bucket, 60, silentLog));
  const beat = (client: pg.Client) => client.query("update audit.heartbeat set at = default");
  const delay = async (by: string) => {
    await standby.query(`alter system set recovery_min_apply_delay = '${by}'`);
    await standby.query("select pg_reload_conf()");
  };
  const problemsWithin = (patience: Patience) =>
    on(replicaUrl, (client) => standbyProblems(client, { log: silentLog, signal: bucket.signal }, patience));
  const notReplayed: unknown = expect.stringMatching(
    /^the replica has not replayed what it has received .*deploy again/,
  );
  const behind = async () =>
    (await standby.query<{ behind: boolean }>("select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn() as behind"))
      .rows[0]!.behind;
  let bucket: Bucket;
  beforeAll(async () => {
    await migrate(["up"]);
    await store("a");
    makeBucket(s3.root, "backups", lockedBucket);
    bucket = new Bucket(s3.client({ forcePathStyle: true }), "backups", new AbortController().signal);
    await on(database.url(roles.archiver), (client) =>
      archive({ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 1000 }),
    );
  });

  it("refuses while the primary lives, however late the replica is, and no longer once it is fenced", async () => {
    let beating = true;
    const heart = on(database.url(roles.monitor), async (client) => {
      for (; beating; await sleep(200)) await beat(client);
    });
    await delay("4s");
    await sleep(500);
    const { problems } = await compared(bucket);
    beating = false;
    await heart;
    await delay("0");
    expect(problems).toEqual([expect.stringMatching(/^the primary lives: .* close it first/)]);
    expect((await fence()).code).toBe(0);
    expect(await compared(bucket)).toMatchObject({ problems: [], lacking: { receipts: 0 } });
  });

  it("refuses while a primary accepts receipts whose monitor is dead", async () => {
    await migrate(["up"]);
    let accepting = true;
    const writer = on(database.url(roles.app), async (client) => {
      for (; accepting; await sleep(200)) await storeReceipts(client, [one("a")]);
    });
    const { problems } = await compared(bucket);
    accepting = false;
    await writer;
    expect(problems).toContainEqual(expect.stringMatching(/^the primary lives: /));
  });

  it("refuses while a primary accepts a receipt now and then whose monitor is dead: the replica still receives", async () => {
    setTimeout(() => void store("a"), 5000);
    const { problems } = await compared(bucket);
    expect(problems).toContainEqual(expect.stringMatching(/^the primary lives: /));
  });

  it("waits for a replica that has far to go as long as it goes on", async () => {
    await store("a");
    await delay("3s");
    const { rows } = await on(database.url(roles.app), async (client) => {
      for (let i = 0; i < 20; i++, await sleep(100)) await storeReceipts(client, [one("a")]);
      return client.query<{ lsn: string }>("select pg_current_wal_lsn()::text as lsn");
    });
    const tooShort = await problemsWithin({ stuckMs: 60_000, replayMs: 500 });
    const patient = await problemsWithin({ stuckMs: 2000, replayMs: 60_000 });
    const { rows: reached } = await standby.query<{ all: boolean }>("select pg_last_wal_replay_lsn() >= $1 as all", [
      rows[0]!.lsn,
    ]);
    await delay("0");
    // The server's own housekeeping may commit meanwhile, and is then rightly told of as well.
    expect(tooShort).toContainEqual(notReplayed);
    expect(patient).not.toContainEqual(notReplayed);
    expect(reached[0]!.all).toBe(true);
  });

  it("says of one that replays nothing that its primary lives only where something still comes from there", async () => {
    await standby.query("select pg_wal_replay_pause()");
    await store("a");
    await expect.poll(behind, { timeout: 10_000 }).toBe(true);
    await server.connect(server.url(superuser)).then((client) => client.query("checkpoint").then(() => client.end()));
    await sleep(500);
    const idle = await problemsWithin({ stuckMs: 500, replayMs: 60_000 });
    setTimeout(() => void store("a"), 300);
    const living = await problemsWithin({ stuckMs: 1500, replayMs: 60_000 });
    await standby.query("select pg_wal_replay_resume()");
    expect(idle).toEqual([notReplayed]);
    expect(living).toEqual([notReplayed, expect.stringMatching(/^the primary lives: /)]);
  });

  it("takes the archiver's going on behind a fence for no lag, and that of an open primary for one", async () => {
    await migrate(["up"]);
    await store("a");
    expect((await fence()).code).toBe(0);
    await sleep(1100);
    await on(database.url(roles.archiver), (client) =>
      archive({ client, bucket, environment: "test", told: 1, log: silentLog, mostRows: 1000 }),
    );
    const late = () => on(replicaUrl, (client) => compare(client, bucket, 0, silentLog));
    expect(await late()).toMatchObject({ problems: [], lacking: { receipts: 0 } });
    await migrate(["up"]);
    await expect.poll(() => on(replicaUrl, isFenced)).toBe(false);
    // The server's own housekeeping may commit meanwhile, and is then rightly told of as well.
    expect((await late()).problems).toContainEqual(expect.stringMatching(/s older than the newest manifest/));
  });

  it("waits for what the replica has received and not yet replayed: that is not missing", async () => {
    await migrate(["up"]);
    await on(database.url(roles.monitor), beat);
    await standby.query("select pg_wal_replay_pause()");
    await store("a");
    await on(database.url(roles.archiver), (client) =>
      archive({ client, bucket, environment: "test", told: 1, log: silentLog, mostRows: 1000 }),
    );
    setTimeout(() => void standby.query("select pg_wal_replay_resume()"), 1500);
    const { problems, lacking } = await compared(bucket);
    expect(lacking).toMatchObject({ receipts: 0 });
    // The server's own housekeeping may commit meanwhile.
    expect(problems.filter((problem) => !problem.startsWith("the primary lives: "))).toEqual([]);
  });
});
