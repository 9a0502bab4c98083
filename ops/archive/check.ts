/** Reads the bucket from its first manifest to its newest, and checks all of it: without the database, by what is in the bucket alone. */
import { wrongForks } from "./acceptFork";
import { passForks, passRows, standsAs, wrongCount } from "./advance";
import { checkSegment, type Checked, type Taker } from "./checkSegment";
import type { Bucket } from "./bucket";
import { ofEachArchived } from "./chains";
import { endsBefore, endsOf } from "./ends";
import type { Place } from "./follow";
import { manifestKey } from "./keys";
import { sayUnlocked } from "./lock";
import { forksUpTo, type Manifest } from "./manifest";
import { allManifests, readManifest, type ReadManifest } from "./newest";
import type { Ends } from "./plan";
import { isUnreadable } from "./unreadable";

/** How far a reading has come. */
export interface Reading {
  /** Where chains stand, and of the manifest before its hash and the newest up to it that accepts a fork; undefined where that is not known. */
  ends: Ends | undefined;
  before: { sha256: string; forks: number | undefined; manifest?: Manifest | undefined } | undefined;
  /** The number of the manifest before; undefined at the beginning. */
  last: number | undefined;
  marked: boolean;
  segments: boolean;
}

export const beginning = (): Reading => ({
  ends: undefined,
  before: undefined,
  last: undefined,
  marked: false,
  segments: false,
});

/** Manifest by manifest. Where older ones have expired it begins with the oldest there is, and takes from it where chains stood. */
export const checkArchive = (bucket: Bucket, taker?: Taker): AsyncGenerator<Checked> =>
  checkManifests(bucket, beginning(), taker, {});

/**
 * By the manifests' own objects and the segments that they name.
 * @param how `to`: the last number; `stop`: what comes first that is not to be read
 */
export async function* checkManifests(
  bucket: Bucket,
  reading: Reading,
  taker: Taker | undefined,
  { to = Infinity, stop }: { to?: number; stop?: (manifest: Manifest) => boolean },
): AsyncGenerator<Checked> {
  for await (const found of allManifests(bucket, reading.last)) {
    if (found.number > to) return;
    const key = manifestKey(found.number);
    const { last } = reading;
    const gap = last !== undefined && found.number > last + 1;
    const problems = gap ? [goneBetween(manifestKey, last, found.number)] : [];

    let read: ReadManifest;
    try {
      read = await readManifest(bucket, found);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      yield { manifest: undefined, problems: [...problems, (error as Error).message], expired: undefined };
      Object.assign(reading, { ends: undefined, before: undefined, last: found.number });
      continue;
    }
    const { manifest, sha256, touched, locked } = read;
    if (stop?.(manifest)) return;
    reading.last = found.number;
    const first = last === undefined;
    // What expires is hidden first, the oldest before all others.
    const expiring: boolean = found.touched === "hidden" && (first || reading.marked);
    reading.marked = expiring;
    if (touched !== undefined && !expiring) problems.push(touched);
    if (gap && expiring && !(await bucket.stillLockedUntil(key, found.version))) {
      // So has this one's time, which is held, and what is between it and the held one before is older.
      const ends = endsBefore(manifest);
      Object.assign(reading, { ends, before: undefined });
      problems.length = 0;
      yield {
        manifest: undefined,
        problems: [],
        expired: undefined,
        left: { what: between(manifestKey, last, found.number), ends },
      };
    }

    const { previous, forksBefore } = manifest.archive;
    const { before } = reading;
    if (first ? found.number === 1 && previous !== null : before && previous !== before.sha256) {
      if (problems.length === 0) problems.push(`${key} does not follow from the manifest before it`);
      reading.ends = undefined;
    } else if (before && forksBefore !== before.forks)
      problems.push(`${key} does not name the newest manifest before it that accepts a fork`);
    problems.push(...(await wrongForks(bucket, manifest)));
    problems.push(...passForks(reading.ends, manifest), ...wrongCount(manifest, before?.manifest));
    if (previous === null) reading.ends ??= ofEachArchived(() => new Map<string, Place>());
    await taker?.manifest?.(manifest, JSON.parse(read.bytes.toString("utf8")));
    const of = {
      ...{ key, version: found.version, expiring },
      ...{ first: !reading.segments, before: before?.manifest },
    };
    const segment = await checkSegment(bucket, manifest, reading.ends, of, taker);
    reading.segments ||= segment.followers !== undefined;
    problems.push(...segment.problems);

    reading.ends ??= endsOf(manifest);
    problems.push(...passRows(reading.ends, manifest, segment.followers));
    if (!standsAs(manifest, reading.ends))
      problems.push(`${key} says that chains stand elsewhere than the segments end`);
    reading.before = { sha256, forks: forksUpTo(manifest), manifest };
    const unlocked = [...sayUnlocked(key, locked, manifest.archive.lock), ...(segment.unlocked ?? [])];
    yield { manifest, problems, unlocked, expired: segment.expired ? "segment" : expiring ? "marked" : undefined };
  }
}

export function goneBetween(keyOf: (number: number) => string, last: number, next: number): string {
  const gone = between(keyOf, last, next);
  return `${gone} ${next - last > 2 ? "are" : "is"} gone`;
}

function between(keyOf: (number: number) => string, last: number, next: number): string {
  const [from, to] = [keyOf(last + 1), keyOf(next - 1)];
  return from === to ? from : `${from} to ${to}`;
}
