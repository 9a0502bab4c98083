/** The local cloud's S3 as a process: killed in the middle, and given more than it may hold in memory. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { rootOf, startEndpoint, stopEndpoint } from "../../cloud/aws/endpoint";
import { ensureSecret, keysOf } from "../../cloud/aws/iam/keys";
import { s3, s3Root } from "../../cloud/aws/s3/service";
import { bucketFiles } from "../../cloud/aws/s3/settings";
import { running } from "../../cloud/host/pidFile";
import { waitUntil } from "../../cloud/host/wait";
import { lockedBucket, makeBucket, testRegion } from "../s3";

const root = mkdtempSync(join(tmpdir(), "s3-"));
const signal = new AbortController().signal;
const pid = () => running(join(rootOf(s3, root), "s3.pid"))!;
let client: S3Client;
const Bucket = "locked";

async function startAnew(): Promise<void> {
  const endpoint = await startEndpoint(s3, root, { signal });
  client?.destroy();
  client = new S3Client({ region: testRegion, endpoint, credentials: keysOf(root), maxAttempts: 1 });
}

async function kill(): Promise<void> {
  const before = pid();
  process.kill(before, "SIGKILL");
  await waitUntil("the end", () => pid() === undefined);
}

beforeAll(async () => {
  ensureSecret(root);
  makeBucket(s3Root(root), Bucket, lockedBucket);
  await startAnew();
});
afterEach(() => expect(pid()).toBeDefined());
afterAll(async () => {
  client.destroy();
  await stopEndpoint(s3, root);
  rmSync(root, { recursive: true, force: true });
});

const text = async (Key: string, VersionId?: string) =>
  (await client.send(new GetObjectCommand({ Bucket, Key, ...(VersionId && { VersionId }) }))).Body?.transformToString();

test("killed, it has every object, version and lock that it has answered for", async () => {
  const first = await client.send(new PutObjectCommand({ Bucket, Key: "kept", Body: "1" }));
  const second = await client.send(new PutObjectCommand({ Bucket, Key: "kept", Body: "2" }));
  const version = { Bucket, Key: "kept", VersionId: first.VersionId };
  await client.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: "ON" } }));
  await kill();
  await startAnew();
  expect([await text("kept"), await text("kept", first.VersionId)]).toEqual(["2", "1"]);
  for (const VersionId of [first.VersionId, second.VersionId])
    await expect(client.send(new DeleteObjectCommand({ ...version, VersionId }))).rejects.toMatchObject({
      name: "AccessDenied",
    });
  const head = await client.send(new HeadObjectCommand(version));
  expect([head.ObjectLockMode, head.ObjectLockLegalHoldStatus]).toEqual(["GOVERNANCE", "ON"]);
});

test("killed in the middle of an upload, it has nothing of it, and what was there before is as it was", async () => {
  await client.send(new PutObjectCommand({ Bucket, Key: "torn", Body: "before" }));
  const { incoming } = bucketFiles(s3Root(root), Bucket);
  let fed = 0;
  const Body = new Readable({ read: () => (fed++ < 100 ? Body.push(Buffer.alloc(64 * 1024)) : undefined) });
  const upload = client.send(new PutObjectCommand({ Bucket, Key: "torn", Body, ContentLength: 100 * 1024 * 1024 }));
  const failed = expect(upload).rejects.toThrow();
  await waitUntil("the upload to begin", () => readdirSync(incoming).length > 0);
  await kill();
  await failed;
  await startAnew();
  expect(await text("torn")).toBe("before");
  const { Versions } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix: "torn" }));
  expect(Versions).toHaveLength(1);
  expect(readdirSync(incoming)).toEqual([]);
});

test("killed while many put, it has each one whole or not at all, and all that it has answered for", async () => {
  const bodies = Array.from({ length: 200 }, (_, n) => `${n} `.repeat(2000));
  const answered = new Set<number>();
  const puts = bodies.map((Body, n) =>
    client.send(new PutObjectCommand({ Bucket, Key: `many/${n}`, Body })).then(() => answered.add(n)),
  );
  const settled = Promise.allSettled(puts);
  await waitUntil("some to be answered", () => answered.size > 20, { everyMs: 1 });
  await kill();
  await settled;
  await startAnew();
  expect(answered.size).toBeLessThan(bodies.length);
  const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix: "many/" }));
  const found = new Map<number, string | undefined>();
  for (const { Key = "" } of Versions) found.set(Number(Key.slice(5)), await text(Key));
  for (const [n, body] of found) expect(body).toBe(bodies[n]);
  for (const n of answered) expect(found.has(n)).toBe(true);
});

test.runIf(process.platform === "linux")("streams 200 MB each way within 60 MB more than it has at rest", async () => {
  const MB = 1024 * 1024;
  const piece = randomBytes(MB);
  const memory = (what: "VmRSS" | "VmHWM") =>
    Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid()}/status`, "utf8"))?.[1]) / 1024;
  const before = memory("VmRSS");
  const stream = () =>
    Readable.from(
      (function* () {
        for (let n = 0; n < 200; n++) yield piece;
      })(),
    );
  await client.send(new PutObjectCommand({ Bucket, Key: "large", Body: stream(), ContentLength: 200 * MB }));
  await new Upload({ client, params: { Bucket, Key: "large in parts", Body: stream() }, partSize: 20 * MB }).done();
  for (const Key of ["large", "large in parts"]) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    let size = 0;
    for await (const read of Body as Readable) size += (read as Buffer).length;
    expect(size).toBe(200 * MB);
  }

  expect(memory("VmHWM") - before).toBeLessThan(60);
});
