/** ops/archive while S3, the network or the machine fails: nothing is lost, and nothing that is half done counts. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { DeleteObjectCommand } from "@aws-sdk/client-s3";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Bucket, connectBucket } from "../../ops/archive/bucket";
import { checkArchive } from "../../ops/archive/check";
import { dumpKey } from "../../ops/archive/keys";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { roles } from "../../ops/roles";
import { faultyProxy, type Fault, type FaultyProxy } from "../faultyProxy";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { keysIn, lockedBucket, makeBucket, removeObject, testRegion, testS3, type TestS3 } from "../s3";
import { runOps, startOps } from "./programs";

let server: TestPostgres;
let database: TestDatabase;
let s3: TestS3;
let proxy: FaultyProxy;
let app: pg.Client;
let superuser: pg.Client;
let name: string;
let made = 0;

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
  [database, proxy] = await Promise.all([server.createDatabase({ migrated: true }), faultyProxy(s3.url)]);
  [app, superuser] = await Promise.all([database.connect(roles.app), database.connect()]);
});
afterAll(() => Promise.all([server.stop(), proxy.close().then(() => s3.close())]));

beforeEach(async () => {
  // Each test has a bucket of its own: what the database was told is of another one.
  await superuser.query("update audit.archive set manifest = 0; update audit.dumps set number = 0");
  name = `backups-${++made}`;
  makeBucket(s3.root, name, lockedBucket);
  proxy.faults = [];
  proxy.befallen = 0;
});

/** A run in this process, through the proxy. */
async function run(signal = new AbortController().signal) {
  const client = s3.client({ endpoint: proxy.url, forcePathStyle: true, maxAttempts: 3 });
  const archiver = await database.connect(roles.archiver);
  try {
    return await archive({
      client: archiver,
      bucket: new Bucket(client, name, signal),
      environment: "test",
      told: 0,
      log: silentLog,
      mostRows: 1000,
    });
  } finally {
    await archiver.end();
  }
}

/** Every line that counts, after all of the bucket was checked. */
async function linesThatCount(): Promise<string[]> {
  const bucket = new Bucket(s3.client({ forcePathStyle: true }), name, new AbortController().signal);
  const lines: string[] = [];
  for await (const { problems } of checkArchive(bucket, { lines: (some) => void lines.push(...some.map(String)) }))
    expect(problems).toEqual([]);
  return lines;
}

async function expectAllInTheBucketOnce(): Promise<void> {
  const lines = await linesThatCount();
  const { rows } = await (await database.connect()).query<{ n: number }>("select count(*)::int as n from receipts");
  expect(new Set(lines).size).toBe(lines.length);
  expect(lines.filter((line) => line.startsWith('{"chain":"receipts"'))).toHaveLength(rows[0]!.n);
}

const isPut = (what: string) => (request: { method?: string; url?: string }) =>
  request.method === "PUT" && request.url!.includes(`/${what}/`);
const some = (agent = `a${made}`) => [
  newReceipt({ actor_id: agent }),
  newReceipt({ actor_id: agent, decision_outcome: "require_approval" }),
];

/** A program's, as its pod has them. */
const settings = () => ({
  ...s3.environment,
  AWS_ENDPOINT_URL_S3: proxy.url,
  BACKUP_BUCKET: name,
  BACKUP_REGION: testRegion,
  ENVIRONMENT: "test",
  DATABASE_URL: database.url(roles.archiver),
});

describe("a run that is ended", () => {
  it.each(["before", "after"])(
    "at any request, %s S3 did it, leaves nothing that counts twice and nothing out",
    async (when) => {
      let [step, met] = [0, true];
      while (met) {
        await insertReceipts(app, some());
        const abort = new AbortController();
        let requests = 0;
        [step, met] = [step + 1, false];
        const strike = () => {
          if (++requests < step) return false;
          met = true;
          abort.abort();
          return true;
        };
        proxy.faults = [{ when: strike, ...(when === "before" ? { refuse: true } : { loseResponse: true }) }];
        if (
          await run(abort.signal).then(
            () => false,
            () => true,
          )
        )
          expect(met).toBe(true);
        proxy.faults = [];
        expect(await run()).toMatchObject({ flaws: [] });
      }
      expect(step).toBeGreaterThan(6);
      await expectAllInTheBucketOnce();
    },
  );

  it.each([
    ["before its segment is there", "segments", { refuse: true }],
    ["before its manifest is there", "manifests", { refuse: true }],
    ["before it knows that its manifest is there", "manifests", { loseResponse: true }],
  ] as [string, string, Fault][])("by SIGKILL, %s: the next one takes up from what counts", async (_, what, fault) => {
    await insertReceipts(app, some());
    const { child, result } = await startOps("archive", [], settings());
    proxy.faults = [{ when: (request) => isPut(what)(request) && child.kill("SIGKILL"), ...fault }];
    expect((await result).signal).toBe("SIGKILL");
    proxy.faults = [];
    const again = await runOps("archive", [], settings());
    expect(again).toMatchObject({ code: 0 });
    await expectAllInTheBucketOnce();
    const { rows } = await (
      await database.connect(roles.monitor)
    ).query("select manifest, problems from audit.archive");
    expect(rows).toEqual([{ manifest: "1", problems: "0" }]);
  });
});

it("a bucket that locks less than the settings say is not written to, and the operator is told what to set", async () => {
  await insertReceipts(app, some());
  const demanded = { BACKUP_LOCK_MODE: "COMPLIANCE", BACKUP_LOCK_DAYS: "365" };
  const { code, stderr } = await runOps("archive", [], { ...settings(), ...demanded });
  expect(code).toBe(1);
  expect(stderr).toMatch(/locks for 30 days in GOVERNANCE mode; lockMode COMPLIANCE and lockDays 365 demand more/);
  expect(stderr).toMatch(/^ {2}Set the bucket's default retention so/m);
  const bucket = new Bucket(s3.client({ forcePathStyle: true }), name, new AbortController().signal);
  expect(await keysIn(bucket, "")).toEqual([]);
});

describe.each([
  ["a year ahead", 365],
  ["a year back", -365],
])("programs whose own clock is %s", (_, days) => {
  const offClock = {
    HURRIED_CLOCK: `0 1 ${days * 86_400_000}`,
    NODE_OPTIONS: `--require ${join(__dirname, "../local/hurriedClock.cjs")}`,
    BACKUP_LOCK_MODE: "GOVERNANCE",
    BACKUP_LOCK_DAYS: "30",
  };
  const runOff = (program: string, args: string[] = []) =>
    runOps(program, args, { ...settings(), ...offClock, ARCHIVE_DELAY_DAYS: "7" });

  it("archive, find a lock as long as it is, compact no month before it is over, and take what is removed for no expired one", async () => {
    await insertReceipts(app, some());
    expect(await runOff("archive")).toMatchObject({ code: 0 });
    expect(await runOff("archive"), "a dump is due in an hour").toMatchObject({ code: 0 });
    const bucket = new Bucket(s3.client({ forcePathStyle: true }), name, new AbortController().signal);
    expect(await keysIn(bucket, "dumps/")).toEqual([dumpKey(1)]);
    expect((await runOff("compact")).stdout).toContain("no month has been over for long enough");
    expect(await runOff("verify", ["--archived"])).toMatchObject({ code: 0 });
    for (const key of await keysIn(bucket, "segments/")) await removeObject(bucket, key);
    expect(await runOff("verify", ["--archived"])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("is gone, and has not expired") as string,
    });
  });
});

it("a run whose replica does not answer reads the primary, and says so", async () => {
  await insertReceipts(app, some());
  const replica = new URL(database.url(roles.archiver));
  replica.searchParams.set("host", "/nowhere");
  const { code, stderr } = await runOps("archive", [], { ...settings(), REPLICA_URL: replica.href });
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringContaining("the replica is not used: cannot connect") as string,
  });
  await expectAllInTheBucketOnce();
});

const told = async () => {
  const monitor = await database.connect(roles.monitor);
  const { rows } = await monitor.query<{ problems: string; archived_until: Date; dumped_until: Date }>(
    "select problems, archived_until, dumped_until from audit.archive, audit.dumps",
  );
  return rows[0]!;
};

it("a dump's manifest that was hidden is a problem that the database is told of, as one of segments is", async () => {
  expect(await runOps("archive", [], settings())).toMatchObject({ code: 0 });
  const [client, Key] = [s3.client({ forcePathStyle: true }), dumpKey(1)];
  await client.send(new DeleteObjectCommand({ Bucket: name, Key }));
  expect(await runOps("archive", [], settings())).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`${Key} was hidden after it was written`) as string,
  });
  expect(await told()).toMatchObject({ problems: "1" });
});

it("a dump that takes too long is stopped, and keeps no receipt from counting as archived", async () => {
  const before = await told();
  await insertReceipts(app, some());
  proxy.faults = [{ when: isPut("dumps"), delayMs: 60_000 }];
  expect(await runOps("archive", [], { ...settings(), ARCHIVE_DUMP_SECONDS: "5" })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("the dump was not done within 5 s and was stopped") as string,
  });
  const after = await told();
  expect(after.archived_until.getTime()).toBeGreaterThan(before.archived_until.getTime());
  expect(after.dumped_until).toEqual(before.dumped_until);
  await expectAllInTheBucketOnce();
});

it("what S3 stored and did not say so is not taken for another run's where the bucket locks it less than it must", async () => {
  const client = s3.client({ endpoint: proxy.url, forcePathStyle: true, maxAttempts: 3 });
  const bucket = new Bucket(client, name, new AbortController().signal, { mode: "COMPLIANCE", days: 365 });
  proxy.faults = [{ when: isPut("manifests"), loseResponse: true, times: 1 }];
  const written = bucket.putNew("manifests/000/000/001.json", Buffer.from("{}"), "application/json");
  await expect(written).rejects.toThrow(/lockMode COMPLIANCE and lockDays 365 demand more/);
});

describe("while S3", () => {
  it.each([
    ["refuses twice", [{ refuse: true, times: 2 }]],
    ["cuts off a segment", [{ when: isPut("segments"), cutRequestAfter: 100, times: 1 }]],
    ["stores a segment and does not say so", [{ when: isPut("segments"), loseResponse: true, times: 1 }]],
    ["stores a manifest and does not say so", [{ when: isPut("manifests"), loseResponse: true, times: 1 }]],
    ["cuts off a list", [{ when: ({ method }) => method === "GET", cutResponseAfter: 10, times: 1 }]],
  ] as [string, Fault[]][])("%s, the run goes on, and all counts once", async (_, faults) => {
    await insertReceipts(app, some());
    proxy.faults = faults;
    expect(await run()).toMatchObject({ segments: 1, number: 1, flaws: [] });
    expect(proxy.befallen).toBeGreaterThan(0);
    await expectAllInTheBucketOnce();
  });

  it("sends the headers of an answer and no more, a reader gives up", async () => {
    for (const [variable, value] of Object.entries({ ...s3.environment, AWS_ENDPOINT_URL_S3: proxy.url }))
      vi.stubEnv(variable, value);
    const bucket = connectBucket(name, testRegion, new AbortController().signal, 300);
    await bucket.putNew("segments/one", Buffer.from("a".repeat(1000)), "text/plain");
    proxy.faults = [{ when: ({ method }) => method === "GET", stallResponse: true }];
    await expect(bucket.read("segments/one")).rejects.toThrow("timed out after 300 ms of inactivity");
    vi.unstubAllEnvs();
  });

  it("refuses all the time, the run fails, and the next one does what is missing", async () => {
    await insertReceipts(app, some());
    proxy.faults = [{ when: isPut("manifests"), refuse: true }];
    await expect(run()).rejects.toThrow(/SlowDown|reduce your request rate/);
    expect(await linesThatCount()).toEqual([]);
    proxy.faults = [];
    await run();
    await expectAllInTheBucketOnce();
  });
});

describe("a segment of many megabytes", () => {
  const isPart = ({ method, url }: { method?: string; url?: string }) => method === "PUT" && /partNumber=/.test(url!);
  const large = () =>
    insertReceipts(
      app,
      Array.from({ length: 18 }, () =>
        newReceipt({ actor_id: "large", envelope: { noise: randomBytes(500_000).toString("base64") } }),
      ),
    );

  it("goes up in parts; one that is cut off, lost or not acknowledged is sent again, and the end is too", async () => {
    await large();
    proxy.faults = [
      { when: isPart, cutRequestAfter: 1_000_000, times: 1 },
      { when: isPart, loseResponse: true, times: 1 },
      { when: ({ method, url }) => method === "POST" && /uploadId=/.test(url!), loseResponse: true, times: 1 },
    ];
    expect(await run()).toMatchObject({ segments: 1, flaws: [] });
    expect(proxy.befallen).toBe(3);
    await expectAllInTheBucketOnce();

    await large();
    proxy.faults = [{ when: isPart, cutRequestAfter: 1_000_000 }];
    await expect(run()).rejects.toThrow();
    proxy.faults = [];
    expect(await run(), "after one that was given up").toMatchObject({ number: 2 });
    await expectAllInTheBucketOnce();
  });
});
