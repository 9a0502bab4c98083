/** Checks one segment: its bytes, and every row of it, against its manifest and against where the chains stood before. */
import { Failure } from "../program";
import type { Bucket } from "./bucket";
import { nameOf, type ArchivedName } from "./chains";
import { Follower, genesis, type Place } from "./follow";
import { sealedSince } from "./late";
import { readLine, type Line } from "./lines";
import { sayUnlocked, type Locked } from "./lock";
import type { Manifest } from "./manifest";
import { firstVersionOf, sayTouched } from "./newest";
import type { Ends } from "./plan";
import { readSegment } from "./segment";
import type { HowToRead } from "./stored";
import { isUnreadable } from "./unreadable";

/** Who takes what is read, as it is read: what is wrong with it is known at the segment's end only. */
export interface Taker {
  /** Of the segment whose lines come next. */
  manifest?: (manifest: Manifest, document: unknown) => Promise<void> | void;
  lines?: (lines: Buffer[]) => Promise<void> | void;
  /** The same, row by row. */
  row?: (chain: ArchivedName, line: Line) => void;
}

/** A manifest with its segment. */
export interface Checked {
  /** Undefined where it is gone, or is none. */
  manifest: Manifest | undefined;
  /** What is wrong, one sentence each; what the manifest says itself is none of it. */
  problems: string[];
  /** Objects that are locked for less than was demanded when they were written, one sentence each: what they hold is whole. */
  unlocked?: string[];
  /** What has left the bucket by its age, with all that is older: its segment, or the manifest but for a marker. */
  expired: "segment" | "marked" | undefined;
  /** What has left the bucket by its age though something older is held (ops/hold), and where chains stood after it. */
  left?: { what: string; ends: Ends };
}

interface ManifestObject {
  key: string;
  version: string | undefined;
  /** Whether its time is over, and that of all before it. */
  expiring: boolean;
  /** Whether no older segment is there. */
  first: boolean;
}

interface Seen {
  /** Undefined where it could not be read. */
  followers: Follower[] | undefined;
  problems: string[];
  unlocked?: string[];
  /** It is not there any more, and need not be. */
  expired: boolean;
}

/**
 * @param ends where chains stood before; undefined where that is known from the manifest alone
 * @param of its manifest's object, and the manifest before where that is known
 */
export async function checkSegment(
  bucket: Bucket,
  manifest: Manifest,
  ends: Ends | undefined,
  of: ManifestObject & { before: Manifest | undefined },
  taker: Taker | undefined,
): Promise<Seen> {
  const { segment, lock } = manifest.archive;
  const { key } = segment;
  const read = async (version: string | undefined, problems: string[]): Promise<Seen> => {
    const unlocked: string[] = [];
    const onLock = (locked: Locked | undefined) => void unlocked.push(...sayUnlocked(key, locked, lock));
    try {
      const followers = await follow(bucket, manifest, ends, of.before, { version, onLock }, taker);
      return { ...judge(manifest, followers, problems), unlocked };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      const wrong = `${key} cannot be read as what its manifest names: ${(error as Error).message}`;
      return { followers: undefined, problems: [...problems, wrong], expired: false };
    }
  };
  // Who takes lines must not get those of a version that was put on top first.
  const asItIs = taker ? undefined : await read(undefined, []);
  if (asItIs?.followers) return asItIs;
  const first = await firstVersionOf(bucket, key);
  if (!first) return gone(bucket, key, of);
  if (asItIs && first.touched === undefined) return asItIs;
  const left = first.touched === "hidden" && of.expiring;
  return read(first.version, first.touched === undefined || left ? [] : [sayTouched(key, first.touched)]);
}

/** What expires goes in order of its age, and not before its lock has ended: its manifest's, which was written right after it. */
async function gone(bucket: Bucket, key: string, of: ManifestObject): Promise<Seen> {
  const lockedUntil = await bucket.stillLockedUntil(of.key, of.version);
  const why = lockedUntil
    ? `its manifest is locked until ${lockedUntil.toISOString()}, and so was it`
    : of.first || of.expiring
      ? undefined
      : "older ones are there";
  return {
    followers: undefined,
    problems: why === undefined ? [] : [`${key} is gone, and has not expired: ${why}`],
    expired: why === undefined,
  };
}

/**
 * @param ends where chains stood before; undefined where that is known from the manifest alone
 * @param before the manifest before, where that is known
 */
export const followersOf = (
  { archive: { pieces, forks } }: Manifest,
  ends: Ends | undefined,
  before: Manifest | undefined,
): Follower[] =>
  pieces.map(({ chain, agent, first, last, from, elsewhere = [] }) => {
    const start: Place = { seq: first - 1, seal: Buffer.from(from, "hex"), hash: first === 1 ? null : undefined };
    const known = ends && (ends[chain].get(agent) ?? genesis);
    const checkpoints = elsewhere.map((one) => ({ ...one, seal: Buffer.from(one.seal, "hex") }));
    return new Follower({
      chain,
      agent,
      from: known ?? start,
      last,
      head: undefined,
      beyond: 0,
      checkpoints,
      repeated: false,
      sealedSince: sealedSince(before, { chain, agent }, forks),
    });
  });

async function follow(
  bucket: Bucket,
  manifest: Manifest,
  ends: Ends | undefined,
  before: Manifest | undefined,
  how: HowToRead,
  taker: Taker | undefined,
): Promise<Follower[]> {
  const followers = new Followers(followersOf(manifest, ends, before));
  for await (const lines of readSegment(bucket, manifest.archive.segment, how)) {
    followers.take(lines, taker);
    await taker?.lines?.(lines);
  }
  return followers.finish();
}

/** Those of all pieces of a segment, which get its lines. */
export class Followers {
  readonly #byName: Map<string, Follower>;
  /** Of the line before: those of a chain come one after another. */
  #last: Follower | undefined;

  constructor(private readonly all: Follower[]) {
    this.#byName = new Map(all.map((follower) => [nameOf(follower.piece), follower]));
  }

  take(lines: readonly Buffer[], taker: Taker | undefined): void {
    for (const bytes of lines) {
      const { chain, line } = readLine(bytes);
      this.#of(chain, line.agent).take(line);
      taker?.row?.(chain, line);
    }
  }

  #of(chain: ArchivedName, agent: string): Follower {
    if (this.#last?.piece.chain === chain && this.#last.piece.agent === agent) return this.#last;
    const name = nameOf({ chain, agent });
    this.#last = this.#byName.get(name);
    if (this.#last) return this.#last;
    throw new Failure(`it has rows of chains that its manifest does not name, the first of ${name}`);
  }

  finish(): Follower[] {
    for (const follower of this.all) follower.finish();
    return this.all;
  }
}

/** What the rows have that the manifest does not say. */
export function judge(
  { archive: { segment, pieces, flaws } }: Manifest,
  followers: Follower[],
  problems: string[] = [],
): Seen {
  const known = new Set(flaws.map((flaw) => `${nameOf(flaw)} ${flaw.kind} ${flaw.seq}`));
  followers.forEach((follower, i) => {
    for (const flaw of follower.flaws)
      if (!known.has(`${nameOf(flaw)} ${flaw.kind} ${flaw.seq}`)) problems.push(`${segment.key}: ${flaw.says}`);
    if (follower.rows !== pieces[i]?.rows)
      problems.push(
        `${segment.key}: ${nameOf(follower.piece)} has ${follower.rows} rows, its manifest says ${pieces[i]?.rows}`,
      );
  });
  return { followers, problems, expired: false };
}
