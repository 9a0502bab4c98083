/** A segment: lines of pieces of chains, one after another. Written and read here, so that both keep to one form. */
import type { Bucket } from "./bucket";
import { nameOf } from "./chains";
import { Follower, type Piece } from "./follow";
import { readLine } from "./lines";
import { readCompressed, storeCompressed, type Block, type Compressed, type HowToRead } from "./stored";

export interface Written {
  /** Undefined where no row belongs into it: nothing was written then, unless it was to be empty. */
  segment: Compressed | undefined;
  /** What was seen of each piece. */
  followers: Follower[];
}

/** Writes the lines of pieces as they come, checking each. */
export async function writeSegment(
  bucket: Bucket,
  key: string,
  pieces: readonly Piece[],
  lines: AsyncIterable<Buffer[]>,
  { empty }: { empty: boolean },
): Promise<Written> {
  const followers = pieces.map((piece) => new Follower(piece));
  return { segment: await storeCompressed(bucket, key, checked(followers, lines), { empty }), followers };
}

const newline = Buffer.from("\n");

/** What is given to the compression at once: each time costs more than what comes of one read of the network. */
const blockBytes = 256 * 1024;

/** Blocks of lines that belong into the segment, as they are written. */
async function* checked(
  followers: readonly Follower[],
  lines: AsyncIterable<Buffer[]>,
): AsyncGenerator<Block, undefined> {
  let [block, size]: [Buffer[], number] = [[], 0];
  const known = new Map(followers.map((follower) => [nameOf(follower.piece), follower]));
  for await (const some of lines) {
    const kept = some.filter((bytes) => {
      const { chain, line } = readLine(bytes);
      const follower = known.get(nameOf({ chain, agent: line.agent }));
      if (!follower) throw new Error(`a row of ${nameOf({ chain, agent: line.agent })} was not asked for`);
      return follower.take(line);
    });
    for (const bytes of kept) {
      block.push(bytes, newline);
      size += bytes.length + 1;
    }
    if (size < blockBytes) continue;
    yield { bytes: Buffer.concat(block, size), rows: block.length / 2 };
    [block, size] = [[], 0];
  }
  if (size > 0) yield { bytes: Buffer.concat(block, size), rows: block.length / 2 };
  for (const follower of followers) follower.finish();
  return undefined;
}

/** The lines of a segment, some at a time. @throws at its end at the latest where it is not the one that its manifest names. */
export async function* readSegment(bucket: Bucket, segment: Compressed, how?: HowToRead): AsyncGenerator<Buffer[]> {
  for await (const { bytes } of readCompressed(bucket, segment, how)) {
    const some: Buffer[] = [];
    let at = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, at)) {
      some.push(bytes.subarray(at, end));
      at = end + 1;
    }
    yield some;
  }
}

/** Lines that follow one another as `readSegment` gives them, each with its LF: the bytes that they are part of. */
export function bytesOf(lines: readonly Buffer[]): Buffer {
  const [first, last] = [lines[0], lines.at(-1)];
  if (!first || !last) return Buffer.alloc(0);
  return Buffer.from(first.buffer, first.byteOffset, last.byteOffset + last.length + 1 - first.byteOffset);
}
