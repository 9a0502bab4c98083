/** Compressed objects of any length, written and read as streams, each with the hashes that its manifest names. */
import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import * as z from "zod/mini";
import { Failure } from "../program";
import type { Bucket } from "./bucket";
import { count, sha256 } from "./decode";
import type { Locked } from "./lock";
import { upload, type Stored } from "./upload";

/** Measured (docs/performance.md): what higher levels gain in size they cost many times over in time. */
const level = 1;
const chunkSize = 64 * 1024;

/**
 * Each piece that is unpacked goes to another thread and back: of Node's default, 16 KiB, that costs a third of reading
 * an archive.
 */
const unpackedSize = 256 * 1024;

/** Of an object, in its manifest. */
export const compressedSchema = z.object({
  key: z.string(),
  rows: count,
  bytes: count,
  sha256,
  compressed: z.object({ bytes: count, sha256 }),
});

export type Compressed = z.infer<typeof compressedSchema>;

/** Some of an object's bytes, which end so many rows. */
export interface Block {
  bytes: Buffer;
  rows: number;
}

/** Stores what comes; undefined where nothing comes: nothing is stored then, unless it may be `empty`. */
export async function storeCompressed(
  bucket: Bucket,
  key: string,
  blocks: AsyncGenerator<Block, undefined>,
  { empty = false }: { empty?: boolean } = {},
): Promise<Compressed | undefined> {
  const plain = createHash("sha256");
  const written = { rows: 0, bytes: 0 };
  const first = await blocks.next();
  if (first.done && !empty) return undefined;
  const seen = ({ bytes, rows }: Block) => {
    plain.update(bytes);
    written.bytes += bytes.length;
    written.rows += rows;
    return bytes;
  };
  const source = async function* () {
    if (!first.done) yield seen(first.value);
    for await (const block of blocks) yield seen(block);
  };
  let compressed: Stored | undefined;
  await pipeline(
    source,
    createGzip({ level, chunkSize }),
    async (stream: AsyncIterable<Buffer>) => {
      compressed = await upload(bucket, key, stream, "application/gzip");
    },
    { signal: bucket.signal },
  );
  if (!compressed) throw new Error("the upload has ended without a result");
  return { key, ...written, sha256: plain.digest("hex"), compressed };
}

const newline = 0x0a;

export interface HowToRead {
  version?: string | undefined;
  /**
   * Its hash as it is stored, or that of its rows as well. The one is enough: what unpacks from the same bytes is the same. The other is
   * what a month's archive has of a segment that is gone.
   */
  provenBy?: "compressed" | "rows";
  /** Is told how it is locked. */
  onLock?: ((locked: Locked | undefined) => void) | undefined;
}

/** Its rows, each ended by LF, some whole ones at a time. @throws at its end at the latest where it is not the one that its manifest names. */
export async function* readCompressed(
  bucket: Bucket,
  stored: Compressed,
  { version, provenBy = "rows", onLock }: HowToRead = {},
): AsyncGenerator<Block> {
  const found = {
    rows: 0,
    bytes: 0,
    plain: createHash("sha256"),
    compressed: createHash("sha256"),
    compressedBytes: 0,
  };
  const altered = () =>
    new Failure(`${stored.key} in the bucket ${bucket.name} is not what its manifest names: it was altered`);
  const { body: object, locked } = await bucket.open(stored.key, version);
  onLock?.(locked);
  const gunzip = createGunzip({ chunkSize: unpackedSize });
  object.on("data", (chunk: Buffer) => {
    found.compressed.update(chunk);
    found.compressedBytes += chunk.length;
  });
  const fed = pipeline(object, gunzip, { signal: bucket.signal });
  fed.catch(() => undefined);
  // Of a row that has not ended yet. Joined once it has: a row may be long.
  let rest: Buffer[] = [];
  for await (const chunk of readable(gunzip, stored.key)) {
    if (provenBy === "rows") found.plain.update(chunk);
    found.bytes += chunk.length;
    // A few kilobytes can unpack to gigabytes: nothing is read beyond what the manifest names.
    if (found.bytes > stored.bytes) throw altered();
    const end = chunk.lastIndexOf(newline) + 1;
    if (end === 0) {
      rest.push(chunk);
      continue;
    }
    const bytes = Buffer.concat([...rest, chunk.subarray(0, end)]);
    rest = [chunk.subarray(end)];
    const block = { bytes, rows: rowsIn(bytes, bytes.length) };
    found.rows += block.rows;
    yield block;
  }
  await fed;
  const same =
    found.rows === stored.rows &&
    found.bytes === stored.bytes &&
    found.compressedBytes === stored.compressed.bytes &&
    (provenBy === "compressed" || found.plain.digest("hex") === stored.sha256) &&
    found.compressed.digest("hex") === stored.compressed.sha256;
  if (!same || rest.some(({ length }) => length > 0)) throw altered();
}

async function* readable(gunzip: AsyncIterable<Buffer>, key: string): AsyncGenerator<Buffer> {
  try {
    yield* gunzip;
  } catch (error) {
    if (!/^Z_/.test(String((error as { code?: string }).code))) throw error;
    throw new Failure(`${key} cannot be read, it was altered: ${(error as Error).message}`);
  }
}

/** Rows that end before a place. */
export function rowsIn(bytes: Buffer, end: number): number {
  let rows = 0;
  for (let at = bytes.indexOf(newline); at >= 0 && at < end; at = bytes.indexOf(newline, at + 1)) rows++;
  return rows;
}
