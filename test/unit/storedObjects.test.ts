/** What is read from the bucket is what its manifest names, or is refused before it can do harm. */
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { Bucket } from "../../ops/archive/bucket";
import { readCompressed, type Compressed, type HowToRead } from "../../ops/archive/stored";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** A bucket with one object, and the manifest's words of what it should hold. */
function stored(named: Buffer, there = named): { bucket: Bucket; object: Compressed; read: () => number } {
  const [bytes, compressed] = [gzipSync(there), gzipSync(named)];
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += 16 * 1024) yield bytes.subarray(at, at + 16 * 1024);
  };
  let taken = 0;
  const open = () =>
    Promise.resolve({
      body: Readable.from(pieces(), { highWaterMark: 1 }).on("data", (piece: Buffer) => (taken += piece.length)),
    });
  return {
    bucket: { name: "backups", open, signal: new AbortController().signal } as unknown as Bucket,
    object: {
      key: "segments/1.gz",
      rows: named.toString("latin1").split("\n").length - 1,
      bytes: named.length,
      sha256: sha256(named),
      compressed: { bytes: compressed.length, sha256: sha256(compressed) },
    },
    read: () => taken / bytes.length,
  };
}

async function lines({ bucket, object }: ReturnType<typeof stored>, how?: HowToRead): Promise<string> {
  const blocks: Buffer[] = [];
  for await (const { bytes } of readCompressed(bucket, object, how)) blocks.push(bytes);
  return Buffer.concat(blocks).toString();
}

test("rows come out as they went in, however long one is and wherever the pieces end", async () => {
  const text = ["short", "x".repeat(3_000_000), "", "y".repeat(70_000), "last"].join("\n") + "\n";
  expect(await lines(stored(Buffer.from(text)))).toBe(text);
});

test("an object that unpacks to more than its manifest names is refused there, not at its end", async () => {
  // Much more than what streams read ahead: 64 KiB each from Node.js 22 on.
  const large = stored(Buffer.from("one\n"), randomBytes(4_000_000));
  await expect(lines(large)).rejects.toThrow("segments/1.gz in the bucket backups is not what its manifest names");
  expect(large.read()).toBeLessThan(0.5);
});

test.each(["rows", "compressed"] as const)(
  "an object that has other rows of the same length is refused by the hash of its %s bytes",
  async (provenBy) => {
    const [named, there] = [Buffer.from("allow\n"), Buffer.from("denyx\n")];
    expect(gzipSync(there)).toHaveLength(gzipSync(named).length);
    await expect(lines(stored(named, there), { provenBy })).rejects.toThrow("is not what its manifest names");
  },
);

test("a last row without its end is refused", async () => {
  await expect(lines(stored(Buffer.from("one\ntwo")))).rejects.toThrow("it was altered");
});
