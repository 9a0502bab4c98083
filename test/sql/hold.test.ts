/** Legal holds: receipts of a range of months stay in the bucket, whatever its lifecycle says, until the hold is released. */
import type { IncomingMessage } from "node:http";
import { DeleteObjectCommand, HeadObjectCommand, PutObjectLegalHoldCommand } from "@aws-sdk/client-s3";
import { jsonStringify } from "@pulumi/pulumi";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { holdStatements } from "../../components/backup/bucketRights";
import { Bucket } from "../../ops/archive/bucket";
import { dumpKey, manifestKey } from "../../ops/archive/keys";
import { firstVersionOf } from "../../ops/archive/newest";
import { archive } from "../../ops/archive/run";
import { applyHolds } from "../../ops/hold/apply";
import { notedFor, turn } from "../../ops/hold/held";
import { record } from "../../ops/hold/record";
import { dump } from "../../ops/dump/run";
import { silentLog } from "../../ops/log";
import { compact } from "../../ops/months/compact";
import { readBucket, type Store } from "../../ops/restore/readBucket";
import { restoreFromBucket } from "../../ops/restore/run";
import { roles } from "../../ops/roles";
import { findArchived } from "../../ops/search/archived";
import { verifyArchive } from "../../ops/verify/archived";
import { month, monthName } from "../months";
import { faultyProxy } from "../faultyProxy";
import { migrationsDir, startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { copyBucket, keysIn, lockedBucket, makeBucket, removeObject, testRegion, testS3, type TestS3 } from "../s3";
import { runOps, startOps } from "./programs";

const { signal } = new AbortController();
const dayMs = 86_400_000;
const retentionDays = 40;
let server: TestPostgres;
let s3: TestS3;
let database: TestDatabase;
let owner: pg.Client;
let auditor: pg.Client;
let bucket: Bucket;
let made = 0;

const keyArn = "arn:aws:kms:eu-west-1:000000000000:key/k";
const heldBucket = { arn: "arn:aws:s3:::holds", region: testRegion, keyArn };

beforeAll(async () => {
  const statements = await new Promise<string>((done) => jsonStringify(holdStatements(heldBucket)).apply(done));
  [server, s3] = await Promise.all([startPostgres(), testS3({}, { holder: JSON.parse(statements) as object[] })]);
  database = await server.createDatabase({ migrated: true });
  [owner, auditor] = await Promise.all([database.connect(roles.owner), database.connect(roles.auditor)]);
});
afterAll(() => Promise.all([server.stop(), s3.close()]));

const newBucket = (name = `holds-${++made}`) => {
  const rule = {
    id: "gone",
    prefix: "",
    transitions: [],
    expirationDays: retentionDays,
    noncurrentDays: 1,
    expiredObjectDeleteMarker: true,
  };
  makeBucket(s3.root, name, { ...lockedBucket, lifecycle: [rule] });
  return new Bucket(s3.client({ forcePathStyle: true }), name, signal);
};
beforeEach(() => {
  // Long ago, so that locks have ended when it is as old as it must be to go.
  s3.ahead = -(retentionDays + 8) * dayMs;
  bucket = newBucket();
});

const archived = () =>
  archive({ client: auditor, bucket, environment: "test", told: 0, log: silentLog, mostRows: 1000 });
/** As of so many months from now: the archive of what is in segments now. */
const compacted = () =>
  compact({
    ...{ bucket, environment: "test", delayDays: 7, told: 0, log: silentLog },
    now: new Date(month(1).getTime() + 8 * dayMs),
  });
const dumped = async (manifest: number) =>
  dump({
    ...{ client: await database.connect(roles.archiver), bucket, environment: "test" },
    ...{ told: 0, log: silentLog, manifest },
  });
const receipts = (n: number, more = {}) =>
  insertReceipts(
    owner,
    Array.from({ length: n }, () => newReceipt(more)),
  );
/** Three archives: of a receipt of long ago, of this month's, and of this month's again. */
async function threeArchives(): Promise<void> {
  await receipts(1, { created_at: "2019-01-01T00:00:00Z", actor_id: "old" });
  await receipts(2);
  await archived();
  await compacted();
  for (let i = 0; i < 2; i++) {
    await receipts(2);
    await archived();
    await compacted();
  }
}
const place = (from: string, to: string) => record(bucket, { by: "Jane Roe", reason: "case 1", months: { from, to } });
const release = (hold: number) => record(bucket, { by: "Jane Roe", reason: "closed", releases: hold });
const apply = () => applyHolds(bucket, silentLog);
const age = async (steps = [retentionDays + 1, 3, 3]) => {
  for (const days of steps) {
    s3.ahead += days * dayMs;
    await s3.applyLifecycles();
  }
};
/** The manifests that a restore reads. */
async function readUpTo(last: number): Promise<number[]> {
  const read: number[] = [];
  const store: Store = {
    taker: {},
    take: ({ archive: { number } }) => void read.push(number),
    orUndo: (work) => work(),
  };
  await readBucket(bucket, last, store, silentLog);
  return read;
}
const isHeld = async (Key: string, as = bucket) => {
  const [first] = (await as.list(Key))[0]!.versions;
  const { ObjectLockLegalHoldStatus: status } = await as.client.send(
    new HeadObjectCommand({ Bucket: as.name, Key, VersionId: first!.id }),
  );
  return status === "ON";
};
const heldNow = async () => {
  const keys = (await Promise.all(["archives/", "months/", "manifests/", "holds/", "held/"].map(keysBelow))).flat();
  const held = await Promise.all(keys.map((key) => isHeld(key)));
  return keys.filter((_, i) => held[i]);
};
const keysBelow = (folder: string) => keysIn(bucket, folder);
const env = () => ({
  AWS_ENDPOINT_URL_S3: s3.url,
  BACKUP_BUCKET: bucket.name,
  BACKUP_REGION: testRegion,
  ...s3.environment,
});
const search = () =>
  findArchived(
    bucket,
    { query: "", latest: true, since: "2018-01-01T00:00:00.000Z", until: null, limit: 100 },
    silentLog,
  );

describe("when the retention of all is over", () => {
  it("without a hold all archives have gone", async () => {
    await threeArchives();
    await age();
    expect([...(await keysBelow("archives/")), ...(await keysBelow("months/"))]).toEqual([]);
  });

  it("what is held is there, is found by a search and is verified, and what has gone beside it is named", async () => {
    await threeArchives();
    await place("2019-01", "2019-02");
    await apply();
    const [first] = await keysBelow("archives/");
    await age();
    expect(await keysBelow("archives/")).toEqual([first]);
    expect(await keysBelow("months/")).toHaveLength(3);
    const found = await search();
    expect(found.problems).toEqual([]);
    expect(found.rows.map(({ actor_id: agent }) => agent)).toContain("old");
    expect(found.left).toHaveLength(2);
    const { findings, left, report } = await verifyArchive(bucket, 0, 0);
    expect(findings).toEqual([]);
    expect(report.manifests).toBe(1);
    const gone = expect.stringMatching(
      new RegExp(`^the archive of ${monthName(0)}, which has left the bucket .* though something older is held$`),
    ) as string;
    expect(left).toEqual([gone, gone]);
    const program = await runOps("verify", ["--archived"], { ...env(), DATABASE_URL: database.url(roles.auditor) });
    expect(program.stderr).toContain("though something older is held");
    expect(program.code, "nothing is wrong, and not all could be verified").toBe(3);
  });

  it("a restore does not read across what has gone: it begins after it, and does not call that whole", async () => {
    await threeArchives();
    await place("2019-01", "2019-01");
    await apply();
    // Written when the others are about to expire.
    s3.ahead += (retentionDays - 1) * dayMs;
    await receipts(2);
    await archived();
    await dumped(4);
    await compacted();
    await age([2, 3, 3]);
    const warn = vi.fn<(message: string) => void>();
    const into = await server.createDatabase();
    const options = { url: into.ownerUrl, bucket, migrationsDir, monthsAhead: 3, signal };
    expect(await restoreFromBucket({ ...options, log: { ...silentLog, warn } })).toMatchObject({
      manifests: { count: 1, oldest: 4 },
      findings: expect.arrayContaining([
        expect.stringMatching(/^receipts 1 to \d+ of agent "old" are missing/),
        expect.stringMatching(/^receipts 1 to \d+ of agent "agent-1" are missing/),
      ]) as string[],
    });
    expect(warn.mock.calls.join()).toContain("it has left the bucket, and older ones are held");
  });

  it("a restore up to what is held reads it, with the policies and keys of that time, when all else has gone", async () => {
    await receipts(1, { created_at: "2019-01-01T00:00:00Z", actor_id: "old" });
    for (const number of [1, 2]) {
      await archived();
      if (number === 1) await dumped(number);
      await compacted();
      await receipts(1);
    }
    // Nobody can take it away.
    await bucket.putNew(dumpKey(999_999_999), Buffer.from("x"), "application/json");
    await place("2019-01", "2019-01");
    expect(await apply()).toMatchObject({ problems: [] });
    await age();
    expect(await keysBelow("manifests/")).toEqual([manifestKey(1)]);
    const into = await server.createDatabase();
    const options = { url: into.ownerUrl, bucket, migrationsDir, monthsAhead: 3, signal, log: silentLog };
    await expect(restoreFromBucket(options)).rejects.toThrow(/--manifest 1$/);
    const another = await server.createDatabase();
    expect(await restoreFromBucket({ ...options, url: another.ownerUrl, asked: { manifest: 1 } })).toMatchObject({
      dump: { number: 1 },
      manifests: { count: 1, archives: 1 },
      findings: [],
      unverified: [expect.stringMatching(/^what was archived .* is not restored/)],
    });
    const ofStack = await server.createDatabase();
    const { code, lines } = await runOps("restore", ["--again", "--manifest", "1"], {
      ...{ DATABASE_URL: ofStack.ownerUrl, MIGRATIONS_DIR: migrationsDir },
      ...{ BACKUP_BUCKET: bucket.name, BACKUP_REGION: testRegion, AWS_ENDPOINT_URL_S3: s3.url, ...s3.environment },
    });
    // As a stack's Job it is no failure: whoever adopts the database next says it again.
    expect(code).toBe(0);
    expect(lines.at(-1)).toMatchObject({
      level: "warn",
      message: expect.stringMatching(/^not verified: what was/) as string,
    });
  });
});

describe("segments that are held, by a verification that reads all of them,", () => {
  beforeEach(async () => {
    for (let i = 0; i < 5; i++) {
      await receipts(1);
      await archived();
    }
    const held = await Promise.all(
      [1, 2, 5].map(async (number) => [manifestKey(number), (await keysBelow("segments/"))[number - 1]!]),
    );
    const versions = held.flat().map(async (key) => ({ key, version: (await firstVersionOf(bucket, key))!.version }));
    await turn(bucket, await Promise.all(versions), "ON", silentLog);
  });
  const verified = () => verifyArchive(bucket, 0, 0, [], { segments: true });

  it("are whole beside what has left by its age between them, which is named", async () => {
    await age();
    expect(await keysBelow("manifests/")).toEqual([1, 2, 5].map(manifestKey));
    const { findings, left, report } = await verified();
    expect(findings).toEqual([]);
    expect(report).toMatchObject({ manifests: 3, oldest: 1, newest: 5 });
    expect(left).toEqual([
      expect.stringMatching(
        /^manifests.*003.json to manifests.*004.json, which has left .* though something older is held$/,
      ),
    ]);
    await expect(readUpTo(5)).rejects.toThrow(
      /003.json to .*004.json has left the bucket, and older segments are held$/,
    );
  });

  it("are not whole where what is between them was removed before its lock has ended, whatever was hidden", async () => {
    s3.ahead = 0;
    bucket = await copyBucket(bucket, newBucket());
    for (const number of [3, 4]) await removeObject(bucket, manifestKey(number));
    for (const Key of [1, 2, 5].map(manifestKey))
      await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key }));
    const { findings, left } = await verified();
    expect(findings.map(({ message }) => message)).toContain(`${manifestKey(3)} to ${manifestKey(4)} are gone`);
    expect(left).toEqual([]);
  });
});

it("an archive that is gone before its lock has ended has not left by its age, whatever was hidden", async () => {
  s3.ahead = 0;
  await threeArchives();
  const [, second = ""] = await keysBelow("archives/");
  for (const Key of await keysBelow("months/"))
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key }));
  await removeObject(bucket, second);
  const gone = `${second} is gone, and has not expired`;
  const { findings, left } = await verifyArchive(bucket, 0, 0);
  expect(findings.map(({ message }) => message)).toContain(gone);
  expect(left).toEqual([]);
  expect((await search()).problems).toContain(gone);
  expect(await readUpTo(3), "a restore has its segments").toEqual([1, 2, 3]);
});

describe("a hold", () => {
  it("covers what has no archive yet, and the archive that is made of it afterwards", async () => {
    await receipts(2);
    await archived();
    await place(monthName(0), monthName(0));
    await apply();
    for (const key of [...(await keysBelow("segments/")), ...(await keysBelow("manifests/"))])
      expect(await isHeld(key), key).toBe(true);
    await receipts(1);
    await archived();
    await compacted();
    const [key = ""] = await keysBelow("archives/");
    expect(await isHeld(key)).toBe(false);
    expect(await apply()).toMatchObject({ placed: 3, problems: [] });
    expect(await isHeld(key)).toBe(true);
    expect(await apply(), "nothing is left to do").toMatchObject({ placed: 0, problems: [] });
  });

  it("that was cut off is finished by the next run, and its release misses nothing", async () => {
    await threeArchives();
    const hold = await place("2019-01", "2019-01");
    const ended = new Bucket(s3.client({ forcePathStyle: true }), bucket.name, signal);
    let calls = 0;
    const send = ended.client.send.bind(ended.client) as (command: unknown, ...rest: unknown[]) => Promise<never>;
    ended.client.send = ((command: unknown, ...rest: unknown[]) =>
      command instanceof PutObjectLegalHoldCommand && ++calls > 2
        ? Promise.reject(new Error("ended"))
        : send(command, ...rest)) as typeof ended.client.send;
    await expect(applyHolds(ended, silentLog)).rejects.toThrow("ended");
    expect((await notedFor(bucket, hold)).objects.size).toBe(5);
    await apply();
    for (const key of [...(await keysBelow("months/")), (await keysBelow("archives/"))[0]!])
      expect(await isHeld(key), key).toBe(true);
    await release(hold);
    expect(await apply()).toMatchObject({ released: 5 });
    for (const key of await keysBelow("archives/")) expect(await isHeld(key), key).toBe(false);
  });

  it("that is killed in the middle is finished by the next run, and its release misses nothing", async () => {
    await threeArchives();
    await place("2019-01", monthName(0));
    const proxy = await faultyProxy(s3.url);
    let holds = 0;
    const isHold = ({ method, url }: IncomingMessage) => method === "PUT" && /[?&]legal-hold/.test(url ?? "");
    proxy.faults.push({ when: (request) => isHold(request) && ++holds > 2, delayMs: 60_000 });
    const { child, result } = await startOps("hold", ["apply"], { ...env(), AWS_ENDPOINT_URL_S3: proxy.url });
    await vi.waitFor(() => expect(proxy.befallen).toBeGreaterThan(0), { timeout: 20_000 });
    await vi.waitFor(async () => expect(await heldNow()).toHaveLength(2), { timeout: 20_000 });
    child.kill("SIGKILL");
    expect(await result).toMatchObject({ signal: "SIGKILL" });
    await proxy.close();
    expect(await runOps("hold", ["apply"], env())).toMatchObject({ code: 0 });
    const all = [...(await keysBelow("archives/")), ...(await keysBelow("months/"))];
    expect(await heldNow()).toEqual(expect.arrayContaining(all));
    await release(1);
    await apply();
    expect((await heldNow()).filter((key) => !/^hold|^held/.test(key))).toEqual([]);
  });

  it("that is released leaves what another one needs, and all that was said of both", async () => {
    await threeArchives();
    const first = await place("2019-01", "2019-01");
    await place("2019-01", monthName(0));
    await apply();
    await release(first);
    // The manifest that the first month's archive ends with.
    expect(await apply()).toMatchObject({ released: 1 });
    for (const key of await keysBelow("archives/")) expect(await isHeld(key), key).toBe(true);
    await age();
    expect(await keysBelow("archives/")).toHaveLength(3);
    const { stdout } = await runOps("hold", ["list"], env());
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as object),
    ).toMatchObject([
      { hold: 1, from: "2019-01", by: "Jane Roe", reason: "case 1", released: { by: "Jane Roe", reason: "closed" } },
      { hold: 2, to: monthName(0), objects: 7 },
    ]);
  });

  it("that somebody lifted by hand is placed again", async () => {
    await threeArchives();
    await place("2019-01", "2019-01");
    await apply();
    const [Key = ""] = await keysBelow("archives/");
    const off = new PutObjectLegalHoldCommand({ Bucket: bucket.name, Key, LegalHold: { Status: "OFF" } });
    await bucket.client.send(off);
    expect(await apply()).toMatchObject({ placed: 1 });
    expect(await isHeld(Key)).toBe(true);
  });

  it("of what has gone already says so, and holds the rest", async () => {
    await threeArchives();
    const [Key = ""] = await keysBelow("archives/");
    await removeObject(bucket, Key);
    await place("2019-01", monthName(0));
    expect(await apply()).toMatchObject({
      problems: [`hold 1: ${Key} has receipts of these months, and is gone from the bucket`],
    });
    expect(await isHeld((await keysBelow("archives/"))[1]!)).toBe(true);
  });
});

describe("ops/hold", () => {
  it("records who asks and why, once however often it is said, and refuses what says neither", async () => {
    await threeArchives();
    const args = ["place", "--from", "2019-01", "--to", "2019-01", "--by", "Jane Roe"];
    expect(await runOps("hold", args, env())).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--reason") as string,
    });
    expect(await runOps("hold", [...args, "--reason", " "], env())).toMatchObject({ code: 2 });
    for (let i = 0; i < 2; i++)
      expect(await runOps("hold", [...args, "--reason", "case 1"], env())).toMatchObject({
        code: 0,
        lines: expect.arrayContaining([expect.objectContaining({ message: "held", hold: 1, objects: 5 })]) as object[],
      });
    expect(await keysBelow("holds/")).toHaveLength(1);
    const done = await runOps("hold", ["release", "1", "--by", "Jane Roe", "--reason", "closed"], env());
    expect(done).toMatchObject({ code: 0 });
    expect(await runOps("hold", ["release", "7", "--by", "a", "--reason", "b"], env())).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no hold 7") as string,
    });
    const applied = { ...env(), DATABASE_URL: database.url(roles.archiver) };
    expect(await runOps("hold", ["apply"], applied)).toMatchObject({ code: 0 });
    const { rows } = await auditor.query("select summary from audit.program_runs where program = 'hold'");
    expect(rows).toEqual([{ summary: expect.stringContaining("0 holds") as string }]);
  });

  it("needs no right but those of its role, which may not delete what it holds", async () => {
    bucket = newBucket("holds");
    await threeArchives();
    await place("2019-01", "2019-01");
    const asRole = new Bucket(s3.as("holder"), "holds", signal);
    asRole.client.config.forcePathStyle = true;
    expect(await applyHolds(asRole, silentLog)).toMatchObject({ placed: 5, problems: [] });
    const [Key = ""] = await keysBelow("archives/");
    await expect(asRole.client.send(new DeleteObjectCommand({ Bucket: "holds", Key }))).rejects.toMatchObject({
      name: "AccessDenied",
    });
  });
});
