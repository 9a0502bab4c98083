/** A segment: lines of pieces of chains, one after another, compressed. Written and read here, so that both keep to one form. */
import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { Failure } from "../program";
import type { Bucket } from "./bucket";
import { Follower, type Piece } from "./follow";
import { readLine } from "./lines";
import type { Manifest } from "./manifest";
import { nameOf } from "./plan";
import { upload, type Stored } from "./upload";

/** Measured (docs/performance.md): what higher levels gain in size they cost many times over in time. */
const level = 1;

type Segment = Manifest["archive"]["segment"];

export interface Written {
  /** Undefined where no row belongs into it: nothing was written then. */
  segment: Segment | undefined;
  /** What was seen of each piece. */
  followers: Follower[];
}

/** Writes the lines of pieces as they come, checking each. */
export async function writeSegment(
  bucket: Bucket,
  key: string,
  pieces: readonly Piece[],
  lines: AsyncIterable<Buffer[]>,
): Promise<Written> {
  const followers = pieces.map((piece) => new Follower(piece));
  const plain = createHash("sha256");
  const count = { rows: 0, bytes: 0 };
  const blocks = checked(followers, lines, (block, rows) => {
    plain.update(block);
    count.bytes += block.length;
    count.rows += rows;
  });
  const first = await blocks.next();
  if (first.done) return { segment: undefined, followers };
  const source = async function* () {
    yield first.value;
    yield* blocks;
  };
  let compressed: Stored | undefined;
  await pipeline(
    source,
    createGzip({ level }),
    async (stream: AsyncIterable<Buffer>) => {
      compressed = await upload(bucket, key, stream, "application/gzip");
    },
    { signal: bucket.signal },
  );
  if (!compressed) throw new Error("the upload has ended without a result");
  return { segment: { key, ...count, sha256: plain.digest("hex"), compressed }, followers };
}

const newline = Buffer.from("\n");

/** Blocks of lines that belong into the segment, as they are written. */
async function* checked(
  followers: readonly Follower[],
  lines: AsyncIterable<Buffer[]>,
  seen: (block: Buffer, rows: number) => void,
): AsyncGenerator<Buffer, undefined> {
  const known = new Map(followers.map((follower) => [nameOf(follower.piece), follower]));
  for await (const some of lines) {
    const kept = some.filter((bytes) => {
      const { chain, line } = readLine(bytes);
      const follower = known.get(nameOf({ chain, agent: line.agent }));
      if (!follower) throw new Error(`a row of ${nameOf({ chain, agent: line.agent })} was not asked for`);
      return follower.take(line);
    });
    if (kept.length === 0) continue;
    const block = Buffer.concat(kept.flatMap((bytes) => [bytes, newline]));
    seen(block, kept.length);
    yield block;
  }
  for (const follower of followers) follower.finish();
  return undefined;
}

/** The lines of a segment, some at a time. @throws at its end at the latest where it is not the one that its manifest names. */
export async function* readSegment(bucket: Bucket, segment: Segment, version?: string): AsyncGenerator<Buffer[]> {
  const found = {
    rows: 0,
    bytes: 0,
    plain: createHash("sha256"),
    compressed: createHash("sha256"),
    compressedBytes: 0,
  };
  const object = await bucket.open(segment.key, version);
  const gunzip = createGunzip();
  object.on("data", (chunk: Buffer) => {
    found.compressed.update(chunk);
    found.compressedBytes += chunk.length;
  });
  const fed = pipeline(object, gunzip, { signal: bucket.signal });
  fed.catch(() => undefined);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of gunzip as AsyncIterable<Buffer>) {
    found.plain.update(chunk);
    found.bytes += chunk.length;
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const some: Buffer[] = [];
    let at = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, at)) {
      some.push(bytes.subarray(at, end));
      at = end + 1;
    }
    rest = bytes.subarray(at);
    found.rows += some.length;
    if (some.length > 0) yield some;
  }
  await fed;
  const same =
    found.rows === segment.rows &&
    found.bytes === segment.bytes &&
    found.compressedBytes === segment.compressed.bytes &&
    found.plain.digest("hex") === segment.sha256 &&
    found.compressed.digest("hex") === segment.compressed.sha256;
  if (!same || rest.length > 0)
    throw new Failure(
      `${segment.key} in the bucket ${bucket.name} is not the segment that its manifest names: it was altered`,
    );
}
