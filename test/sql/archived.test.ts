/** ops/verify --archived: what is wrong in the locked bucket, or in the database by what the bucket has. */
import { cpSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import {
  DeleteObjectCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type PutObjectRetentionCommandInput,
} from "@aws-sdk/client-s3";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bucketFiles } from "../../cloud/aws/s3/settings";
import { Bucket } from "../../ops/archive/bucket";
import { checkArchive } from "../../ops/archive/check";
import { manifestKey } from "../../ops/archive/keys";
import { encodeManifest, sha256Of, type Manifest } from "../../ops/archive/manifest";
import { newestManifest } from "../../ops/archive/newest";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { Server } from "../../ops/monitor/server";
import type { Access } from "../../ops/monitor/source";
import { programs } from "../../ops/monitor/sources/programs";
import { verifications } from "../../ops/monitor/sources/verifications";
import { roles } from "../../ops/roles";
import { verifyArchive } from "../../ops/verify/archived";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { lockedBucket, makeBucket, testRegion, testS3, type TestS3 } from "../s3";
import { runOps } from "./programs";

const { signal } = new AbortController();
const whole = "whole";
let server: TestPostgres;
let s3: TestS3;
let database: TestDatabase;
let app: pg.Client;
let superuser: pg.Client;
let manifests: Manifest[];
/** A copy of the whole one for each test. */
let bucket: Bucket;
let made = 0;

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({ [whole]: lockedBucket })]);
  database = await server.createDatabase({ migrated: true });
  [app, superuser] = await Promise.all([database.connect(roles.app), database.connect()]);
  const client = await database.connect(roles.auditor);
  const into = new Bucket(s3.client({ forcePathStyle: true }), whole, signal);
  for (let i = 0; i < 4; i++) {
    await insertReceipts(app, [newReceipt(), newReceipt({ actor_id: "b", decision_outcome: "require_approval" })]);
    // Two imports, in the newest segment.
    for (const actor_id of i < 3 ? [] : ["b", "c"])
      await insertReceipts(app, [newReceipt({ actor_id, created_at: "2019-05-06T07:08:09.000Z" })]);
    await archive({ client, bucket: into, environment: "test", told: 0, log: silentLog, mostRows: 1000 });
  }
  manifests = [];
  for await (const { manifest } of checkArchive(into)) if (manifest) manifests.push(manifest);
});
afterAll(() => Promise.all([server.stop(), s3.close()]));

beforeEach(() => {
  const name = `copy-${++made}`;
  makeBucket(s3.root, name, lockedBucket);
  cpSync(bucketFiles(s3.root, whole).objects, bucketFiles(s3.root, name).objects, { recursive: true });
  bucket = new Bucket(s3.client({ forcePathStyle: true }), name, signal);
});

const segment = (number: number): string => manifests[number - 1]!.archive.segment.key;

/** As the bucket's owner under governance. */
async function remove(key: string): Promise<void> {
  const [entry] = await bucket.list(key);
  for (const { id: VersionId } of entry!.versions) {
    const version = { Bucket: bucket.name, Key: key, VersionId, BypassGovernanceRetention: true };
    await bucket.client.send(new DeleteObjectCommand(version));
  }
}
const hide = (key: string) => bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: key }));
const put = (key: string, text: string) =>
  bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key: key, Body: Buffer.from(text, "latin1") }));
async function replace(key: string, change: (text: string) => string, from = key): Promise<void> {
  const body = change((await bucket.read(from)).toString("latin1"));
  await remove(key);
  await put(key, body);
}
const first = (line: string) => line.startsWith('{"chain":"imports","seq":1,');
const check = () => verifyArchive(bucket, 0, 0);

describe("in a bucket that is whole", () => {
  it("nothing is found, and its newest manifest is the anchor", async () => {
    expect(await check()).toMatchObject({
      findings: [],
      left: [],
      anchors: [{ source: manifestKey(4), receipts: 10 }],
      report: { manifests: 4, oldest: 1, newest: 4, rows: 16 },
    });
  });
});

describe("what is wrong in the bucket is found, the place named, and the rest verified all the same:", () => {
  it.each([
    [
      "a segment is gone",
      [/000000002-.*is gone, and has not expired: its manifest is locked until/],
      () => remove(segment(2)),
    ],
    [
      "the oldest segment is gone, long before its lock ends",
      [/000000001-.*is gone, and has not expired/],
      () => remove(segment(1)),
    ],
    [
      "a segment was altered",
      [/000000002-.*cannot be read as what its manifest names/],
      () => replace(segment(2), (text) => text.replace(/(?<=^[^]{40})[^]/, (byte) => (byte === "x" ? "y" : "x"))),
    ],
    [
      "a segment is another one's",
      [/000000002-.*cannot be read as what its manifest names.*altered/],
      () => replace(segment(2), (text) => text, segment(1)),
    ],
    [
      "a segment was cut off",
      [/000000002-.*unexpected end of file/],
      () => replace(segment(2), (text) => text.slice(0, 60)),
    ],
    ["a segment was hidden", [/000000002-.*was hidden after it was written/], () => hide(segment(2))],
    [
      "another was put on top of a segment",
      [/000000003-.*was overwritten after it was written/],
      () => put(segment(3), "x"),
    ],
    ["a manifest is gone", [/^manifests\/000\/000\/002.json is gone$/], () => remove(manifestKey(2))],
    ["a manifest was hidden", [/002.json was hidden after/], () => hide(manifestKey(2))],
    ["the newest manifest was hidden", [/004.json was hidden after/], () => hide(manifestKey(4))],
    ["another was put on top of a manifest", [/002.json was overwritten after/], () => put(manifestKey(2), "{}")],
    [
      "somebody else wrote the next manifest",
      [/005.json.* is no manifest: it is not JSON/],
      () => put(manifestKey(5), "x"),
    ],
    [
      "somebody else wrote a manifest far ahead",
      [/^manifests\/000\/000\/005.json to .*998.json are gone$/, /999.json.* is no manifest: it is not JSON/],
      () => put(manifestKey(999_999_999), "x"),
    ],
    ["a manifest is none", [/002.json.* is no manifest: it is not JSON/], () => replace(manifestKey(2), () => "x")],
    [
      "a manifest says another place",
      [/002.json.*digest/],
      () => replace(manifestKey(2), (text) => text.replace('"seq":2', '"seq":1')),
    ],
    [
      "a manifest is another one's",
      [/says that it is manifest 1/],
      () => replace(manifestKey(2), (text) => text, manifestKey(1)),
    ],
    [
      "a manifest was written anew",
      [/003.json does not follow from the manifest before/],
      () => replace(manifestKey(2), (text) => text.replace('"environment":"test"', '"environment":"prod"')),
    ],
    [
      "a manifest says that more rows are there",
      [/000000004-.*has 1 rows, its manifest says 5/],
      () => replace(manifestKey(4), (text) => text.replace('"rows":1,"from"', '"rows":5,"from"')),
    ],
  ] as [string, RegExp[], () => Promise<unknown>][])("%s", async (_, expected, change) => {
    await change();
    const { findings, report } = await check();
    expect(findings.map(({ message }) => message)).toEqual(expected.map((one) => expect.stringMatching(one) as string));
    expect(report.newest).toBe(4);
  });

  it.each([
    ["was left out", /import 1 is missing \(all agents\)/, (lines: string[]) => lines.filter((line) => !first(line))],
    [
      "was altered",
      /import 1 does not follow from the one before it \(all agents\)/,
      (lines: string[]) => lines.map((line) => (first(line) ? line.replace("of a test", "of a fest") : line)),
    ],
    [
      "is there twice",
      /import 1 is there twice \(all agents\)/,
      (lines: string[]) => lines.flatMap((line) => (first(line) ? [line, line] : line)),
    ],
    [
      "is of a chain that its manifest does not name",
      /has rows of chains that its manifest does not name, the first of receipts d/,
      (lines: string[]) => [...lines, lines[0]!.replace(/"agent":"[^"]*"/, '"agent":"d"')],
    ],
  ])("an import in a segment %s, and its manifest is made to fit", async (_, message, change) => {
    const changed = change(
      gunzipSync(await bucket.read(segment(4)))
        .toString()
        .trimEnd()
        .split("\n"),
    );
    const bytes = Buffer.from(changed.map((line) => `${line}\n`).join(""));
    const compressed = gzipSync(bytes);
    const rows = changed.filter((line) => line.startsWith('{"chain":"imports"')).length;
    await remove(segment(4));
    await put(segment(4), compressed.toString("latin1"));
    await replace(manifestKey(4), (text) => {
      const manifest = JSON.parse(text) as Manifest;
      Object.assign(manifest.archive.segment, { rows: changed.length, bytes: bytes.length, sha256: sha256Of(bytes) });
      manifest.archive.segment.compressed = { bytes: compressed.length, sha256: sha256Of(compressed) };
      manifest.archive.pieces.find(({ chain }) => chain === "imports")!.rows = rows;
      return JSON.stringify(manifest);
    });
    const { findings } = await check();
    expect(findings.map((finding) => finding.message)).toEqual([expect.stringMatching(message) as string]);
  });

  it("objects that are no manifests are findings, and keep nothing from being archived, verified and read", async () => {
    const unknown = [
      "manifests/zzz",
      "manifests/000/000/000.json",
      "manifests/000/000/004.json.gz",
      "manifests/zzz/1",
      "dumps/x",
    ];
    for (const key of unknown) await put(key, "x");
    const said = unknown.map(
      (key) => `${key.replace("zzz/1", "zzz/")} is not what the archiver writes there: it was passed over`,
    );
    const { findings, anchors } = await check();
    expect(findings.map(({ message }) => message).sort()).toEqual([...said].sort());
    expect(anchors).toMatchObject([{ source: manifestKey(4) }]);
    const warned: string[] = [];
    const log = { ...silentLog, warn: (message: string) => void warned.push(message) };
    const client = await database.connect(roles.auditor);
    expect(await archive({ client, bucket, environment: "test", told: 4, log, mostRows: 1000 })).toMatchObject({
      number: 4,
    });
    expect(warned.sort()).toEqual(said.slice(0, 4).sort());
    await remove(manifestKey(4));
    expect((await newestManifest(bucket))?.manifest.archive.number).toBe(3);
  });

  it("the newest manifests are gone, and the database was told of them", async () => {
    await remove(manifestKey(4));
    expect((await check()).findings, "by the bucket alone").toEqual([]);
    const { findings } = await verifyArchive(bucket, 4, 0);
    expect(findings).toMatchObject([
      {
        kind: "altered-archive",
        message: expect.stringContaining("has written manifest 4, and the newest in the bucket") as string,
      },
    ]);
  });
});

describe("an object that was locked as its manifest says", () => {
  const lock = { mode: "GOVERNANCE", days: 30 };
  const retain = async (key: string, days: number | undefined, mode = lock.mode) => {
    const Retention =
      days === undefined ? {} : { Mode: mode, RetainUntilDate: new Date(Date.now() + days * 86_400_000) };
    const where = { Bucket: bucket.name, Key: key, BypassGovernanceRetention: true };
    await bucket.client.send(new PutObjectRetentionCommand({ ...where, Retention } as PutObjectRetentionCommandInput));
  };
  const keys: string[] = [];
  beforeEach(async () => {
    const name = `locked-${made}`;
    makeBucket(s3.root, name, lockedBucket);
    bucket = new Bucket(s3.client({ forcePathStyle: true }), name, signal, lock);
    const client = await database.connect(roles.auditor);
    await archive({ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 8 });
    keys.length = 0;
    for await (const { manifest } of checkArchive(bucket)) keys.push(manifest!.archive.segment.key);
  });

  it.each([
    ["a segment's lock was shortened", () => retain(keys[0]!, 29), () => keys[0]!, "locked in GOVERNANCE mode until"],
    ["a segment's lock was lifted", () => retain(keys[1]!, undefined), () => keys[1]!, "not locked,"],
    ["a manifest's lock was shortened", () => retain(manifestKey(1), 1), () => manifestKey(1), "locked in"],
  ])("is a finding once %s, and all is read and verified", async (_, change, key, says) => {
    await change();
    const { findings, report } = await check();
    expect(findings.map(({ message }) => message)).toEqual([expect.stringContaining(`${key()} is ${says}`)]);
    expect(findings[0]!.message).toContain("was written to be locked in GOVERNANCE mode for 30 days");
    expect(report).toMatchObject({ rows: 16 });
  });

  it("is none where its lock was made longer or harder, or has ended by its time", async () => {
    await retain(keys[0]!, 60);
    await retain(manifestKey(2), 31, "COMPLIANCE");
    s3.ahead = 40 * 86_400_000;
    expect((await check().finally(() => (s3.ahead = 0))).findings).toEqual([]);
  });

  it("is a finding where the bucket locked less when it was written, though its writer has failed and the next has not", async () => {
    const demanding = new Bucket(bucket.client, bucket.name, signal, { mode: "COMPLIANCE", days: 30 });
    const weak = manifestKey(3);
    const { manifest } = (await newestManifest(bucket))!;
    const next = { ...manifest.archive, number: 3, lock: demanding.lock };
    const written = demanding.putNew(weak, encodeManifest({ ...manifest, archive: next }), "application/json");
    await expect(written).rejects.toThrow(/lockMode COMPLIANCE and lockDays 30 demand more/);
    expect((await check()).findings.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(
        /^manifests\/000\/000\/003.json is locked in GOVERNANCE mode .* in COMPLIANCE mode for 30 days/,
      ),
    );
  });
});

describe("what has left the bucket by its age", () => {
  it("is no finding, and is not called verified: the oldest manifest that is there is begun with", async () => {
    makeBucket(s3.root, "old", lockedBucket);
    bucket = new Bucket(s3.client({ forcePathStyle: true, maxAttempts: 3 }), "old", signal);
    const client = await database.connect(roles.auditor);
    s3.ahead = -60 * 86_400_000;
    await archive({ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 4 }).finally(
      () => (s3.ahead = 0),
    );
    const keys: string[] = [];
    for await (const { manifest } of checkArchive(bucket)) keys.push(manifest!.archive.segment.key);
    expect(keys).toHaveLength(4);

    for (const key of [keys[0]!, keys[1]!, manifestKey(1)]) await remove(key);
    await hide(manifestKey(2));
    expect(await check()).toMatchObject({
      report: { oldest: 2, newest: 4, rows: 8 },
      findings: [],
      left: [`manifests before ${manifestKey(2)}`, `segments up to that of ${manifestKey(2)}`].map(
        (what) => expect.stringContaining(what) as string,
      ),
    });
    // Not in the order of their age.
    await remove(keys[3]!);
    await hide(manifestKey(4));
    expect((await check()).findings.map(({ message }) => message)).toEqual(
      [/004.json was hidden after/, /000000004-.* is gone, and has not expired: older ones are there/].map(
        (one) => expect.stringMatching(one) as string,
      ),
    );
  });

  it("is all of it, where nothing was archived since: what its manifests still say is not called verified; without them it is not told from a loss", async () => {
    makeBucket(s3.root, "expired", lockedBucket);
    bucket = new Bucket(s3.client({ forcePathStyle: true }), "expired", signal);
    const client = await database.connect(roles.auditor);
    s3.ahead = -60 * 86_400_000;
    await archive({ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 8 }).finally(
      () => (s3.ahead = 0),
    );
    const all: string[] = [];
    for await (const { manifest } of checkArchive(bucket)) all.push(manifest!.archive.segment.key);
    for (const key of all) await remove(key);
    for (const number of [1, 2]) await hide(manifestKey(number));
    expect(await verifyArchive(bucket, 2, 0)).toMatchObject({
      report: { oldest: 1, newest: 2, rows: 0 },
      findings: [],
      left: [expect.stringContaining(`segments up to that of ${manifestKey(2)}`)],
      anchors: [{ source: manifestKey(2) }],
    });
    for (const number of [1, 2]) await remove(manifestKey(number));
    expect((await verifyArchive(bucket, 2, 0)).findings.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /^the archiver has written manifest 2, and the newest in the bucket .* is none: .*has expired/,
      ),
    ]);
  });
});

const verify = (args: string[], more: Record<string, string> = {}) =>
  runOps("verify", args, {
    ...s3.environment,
    AWS_ENDPOINT_URL_S3: s3.url,
    BACKUP_BUCKET: bucket.name,
    BACKUP_REGION: testRegion,
    DATABASE_URL: database.url(roles.auditor),
    ...more,
  });

describe("ops/verify --from-archive", () => {
  it("begins where the newest manifest from before then was made, and reaches the newest", async () => {
    const { code, lines, stderr } = await verify(["--from-archive", manifests[2]!.as_of]);
    expect(stderr).toContain(`the trail after the anchor of ${manifests[1]!.as_of} is whole: `);
    expect(lines[0]).toMatchObject({ ok: true, scope: { from: manifests[1]!.as_of } });
    expect(code).toBe(0);
  });

  it("begins with the newest where nothing was archived since, and compares what it says", async () => {
    const { code, stderr } = await verify(["--from-archive", "0m", "--allow-empty"]);
    expect(stderr).toContain(`the trail after the anchor of ${manifests[3]!.as_of} is whole: `);
    expect(code).toBe(0);
  });

  it.each([
    ["is younger than that", () => Promise.resolve(manifests[0]!.as_of)],
    [
      "has lost by its age what is older",
      async () => {
        await Promise.all([remove(manifestKey(1)), remove(manifestKey(2))]);
        return manifests[2]!.as_of;
      },
    ],
    [
      "is empty",
      () => {
        bucket = new Bucket(bucket.client, "empty", signal);
        makeBucket(s3.root, bucket.name, lockedBucket);
        return Promise.resolve(manifests[2]!.as_of);
      },
    ],
  ])("is as --since where the archive %s", async (_why, prepare) => {
    const since = await prepare();
    const { code, lines } = await verify(["--from-archive", since]);
    expect(lines[0]).toMatchObject({ ok: true, scope: { since: new Date(since).toISOString() } });
    expect(code).toBe(0);
  });

  it.each([["--since", "1d"], ["--agent", "a"], ["--archived"]])("is not combined with %s", async (...option) => {
    expect(await verify(["--from-archive", "8d", ...option])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("do not combine it with --since, --until, --agent") as string,
    });
  });
});

describe("ops/verify --archived", () => {
  const run = (more: Record<string, string> = {}) => verify(["--archived"], more);

  it("says that the trail and the archive are whole, and what it has read; without the bucket's name it does nothing", async () => {
    await superuser.query("update audit.archive set manifest = 4");
    const { code, stderr, lines } = await run();
    expect(stderr).toMatch(/the trail is whole: 10 receipts.*and so is the archive: 16 rows in 4 segments/);
    expect(lines[0]).toMatchObject({ ok: true, archive: { oldest: 1, newest: 4 } });
    expect(code).toBe(0);
    expect(await run({ BACKUP_BUCKET: "" })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("BACKUP_BUCKET") as string,
    });
  });

  it("finds a chain that was cut off and sealed anew in the database, by what is in the bucket", async () => {
    await superuser.query("set session_replication_role = replica");
    await superuser.query("delete from receipts where actor_id = 'agent-1' and chain_seq = 4");
    await superuser.query(
      `update audit.chain_heads h set (seq, sealed_at, seal, receipt_hash, prev_receipt_hash) = (select chain_seq, sealed_at, chain_seal, receipt_hash, prev_receipt_hash
         from receipts where actor_id = h.agent and chain_seq = 3) where agent = 'agent-1'`,
    );
    await superuser.query("reset session_replication_role");
    const cut = await run();
    expect(cut).toMatchObject({ code: 1, lines: [{ first: { kind: "cut-off-tail", seq: 4 } }] });
    expect(cut.stderr).toContain(manifestKey(4));
    const lastDays = (option: string) => verify([option, manifests[2]!.as_of]);
    expect(await lastDays("--from-archive")).toMatchObject({
      code: 1,
      lines: [{ first: { kind: "cut-off-tail", seq: 4 } }],
    });
    // What the daily run was before.
    expect(await lastDays("--since")).toMatchObject({ code: 0 });
    await insertReceipts(app, [newReceipt()]);
    const onSchedule = ["--archived", "--record", "archived"];
    expect(await verify(onSchedule, { DATABASE_URL: database.url(roles.verifier) })).toMatchObject({
      code: 1,
      lines: [{ first: { kind: "rewritten", seq: 4 } }],
    });
    const monitor = new Server(database.url(roles.monitor), "test");
    const { samples } = await verifications.collect({ primary: monitor } as Access, signal);
    const { samples: ofPrograms } = await programs.collect({ primary: monitor } as Access, signal);
    await monitor.end();
    // trail-broken wakes somebody; the run itself is no failure.
    expect(samples.VerificationFindings).toBeGreaterThan(0);
    expect(ofPrograms.ProgramsFailed).toBe(0);
  });
});
