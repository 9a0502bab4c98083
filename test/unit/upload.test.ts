/** What goes up in parts comes back as it went in, and a part that was sent is not kept. */
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { UploadPartCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Bucket } from "../../ops/archive/bucket";
import { upload } from "../../ops/archive/upload";
import { lockedBucket, testS3, type TestS3 } from "../s3";

const mebibyte = 1024 * 1024;
const { signal } = new AbortController();
let s3: TestS3;

beforeAll(async () => void (s3 = await testS3({ backups: lockedBucket })));
afterAll(() => s3.close());

const bucketOf = () => new Bucket(s3.client({ forcePathStyle: true }), "backups", signal);

function* cut(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += mebibyte) yield bytes.subarray(at, at + mebibyte);
}

/** What nobody can reach is gone. */
async function collected(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // A WeakRef holds on until the turn in which it was made, or asked, has ended.
  await sleep(100);
  collect();
}

test.each([
  ["nothing", 0],
  ["exactly a part", 8],
  ["a byte more than a part", 8 + 1 / mebibyte],
  ["three parts, the last one short", 17],
])("%s: stored as it came", async (name, size) => {
  const [bucket, bytes] = [bucketOf(), randomBytes(size * mebibyte)];
  const stored = await upload(bucket, name, Readable.from(cut(bytes)), "application/gzip");
  expect(stored).toEqual({ bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
  expect((await bucket.read(name)).equals(bytes)).toBe(true);
});

test("while the last part is made, none but the one on its way is kept", async () => {
  const client = s3.client({ forcePathStyle: true });
  const sent: WeakRef<Buffer>[] = [];
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        if (commandName === UploadPartCommand.name) sent.push(new WeakRef((args.input as { Body: Buffer }).Body));
        return next(args);
      },
    { step: "initialize" },
  );
  let kept = Infinity;
  const source = async function* () {
    yield* cut(randomBytes(24 * mebibyte));
    await collected();
    kept = sent.filter((part) => part.deref()).length;
    yield Buffer.from("the last part");
  };
  await upload(new Bucket(client, "backups", signal), "long", source(), "application/gzip");
  expect(sent).toHaveLength(4);
  expect(kept).toBeLessThanOrEqual(1);
});
