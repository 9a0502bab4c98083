/** Which manifests there are, of segments or of dumps: found by listing, never by a pointer that could be turned back. */
import { buffer } from "node:stream/consumers";
import { Failure } from "../program";
import type { Bucket, Entry } from "./bucket";
import { isNumberedFolder, manifestFolder, mayReach, numberedKey, numberIn } from "./keys";
import type { Locked } from "./lock";
import { decodeManifest, sha256Of, type Manifest } from "./manifest";
import { isUnreadable } from "./unreadable";

/** Manifests that are numbered from 1 on, each with the hash of the one before it. */
export interface Series<M> {
  folder: string;
  /** Reads one, and checks what it says of itself. */
  decode: (bytes: Buffer, number: number, where: string) => M;
}

export const segmentManifests: Series<Manifest> = { folder: manifestFolder, decode: decodeManifest };

/** A manifest's object: the first version is the one that counts. */
export interface Found {
  number: number;
  version: string | undefined;
  /** What was done to it since it was written. */
  touched: "hidden" | "overwritten" | undefined;
}

/** It is read as it was first written, whatever was done to it since. */
export const sayTouched = (key: string, touched: NonNullable<Found["touched"]>): string =>
  `${key} was ${touched} after it was written`;
/** Whether a sentence says that, and no more. */
export const saysTouched = (problem: string): boolean =>
  / was (hidden|overwritten) after it was written$/.test(problem);

export interface ReadManifest<M = Manifest> {
  manifest: M;
  bytes: Buffer;
  /** Of its bytes: what the next one names. */
  sha256: string;
  locked: Locked | undefined;
  /** What was done to it since it was written, in a sentence. */
  touched: string | undefined;
}

export interface Newest<M = Manifest> extends ReadManifest<M> {
  /** Keys beside it that are no manifest's. */
  unknown: string[];
}

/** Nobody can delete it while it is locked, so it must not keep anything from being archived, verified or restored. */
export const sayUnknown = (key: string): string => `${key} is not what the archiver writes there: it was passed over`;

export const newestManifest = (bucket: Bucket) => newestOf(bucket, segmentManifests);
export const manifestNumbered = (bucket: Bucket, number: number) => numbered(bucket, segmentManifests, number);
export const readManifest = (bucket: Bucket, found: Found) => readOf(bucket, segmentManifests, found);
/** Those after a number. */
export const allManifests = (bucket: Bucket, after = 0) => allIn(bucket, manifestFolder, after);

/** Undefined where there is none. */
export async function newestOf<M>(bucket: Bucket, series: Series<M>): Promise<Newest<M> | undefined> {
  const unknown: string[] = [];
  const found = await lastIn(bucket, series.folder, unknown);
  if (!found) return undefined;
  try {
    return { ...(await readOf(bucket, series, found)), unknown };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    throw new Failure((error as Error).message, [
      "Nothing is built on it. docs/runbooks/archive-flawed.md says how the archiver goes on; ops/restore begins at an older one by --manifest or --dump.",
    ]);
  }
}

/** Those that can be read, newest first. */
export async function* readableFrom<M>(bucket: Bucket, series: Series<M>): AsyncGenerator<M, undefined> {
  const all: Found[] = [];
  for await (const found of allIn(bucket, series.folder)) all.push(found);
  for (const found of all.toReversed())
    try {
      yield (await readOf(bucket, series, found)).manifest;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  return undefined;
}

/** Of the newest, whether or not it can be read; 0 where there is none. */
export const newestNumber = async (bucket: Bucket, folder: string): Promise<number> =>
  (await lastIn(bucket, folder, []))?.number ?? 0;

/** One by its number. */
export async function numbered<M>(bucket: Bucket, series: Series<M>, number: number): Promise<M> {
  const found = await numberedOrGone(bucket, series, number);
  if (!found) throw new Failure(`${numberedKey(series.folder, number)} is gone from the bucket ${bucket.name}`);
  return found;
}

/** Undefined where it has expired. */
export async function numberedOrGone<M>(bucket: Bucket, series: Series<M>, number: number): Promise<M | undefined> {
  const first = await firstVersionOf(bucket, numberedKey(series.folder, number));
  return first && (await readOf(bucket, series, { number, ...first })).manifest;
}

/**
 * The last one below a number of which something holds that held of none after it: by halves, since a bucket holds a hundred thousand of a
 * year. Those that have expired are the oldest.
 */
export async function lastWhere<M>(
  below: number,
  read: (number: number) => Promise<M | undefined>,
  holds: (manifest: M) => boolean,
): Promise<M | undefined> {
  let found: M | undefined;
  let [before, after] = [0, below];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    const manifest = await read(middle);
    if (manifest && !holds(manifest)) after = middle;
    else [before, found] = [middle, manifest];
  }
  return found;
}

/** The last of those that are there of which something holds that holds of none after it: by halves, and by the next older one where it cannot be read. */
export async function lastThat<M>(
  all: readonly Found[],
  read: (found: Found) => Promise<M | undefined>,
  holds: (manifest: M) => boolean,
): Promise<M | undefined> {
  let last: M | undefined;
  let [before, after] = [-1, all.length];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    let at = middle;
    let manifest = await read(all[at]!);
    while (!manifest && at - 1 > before) manifest = await read(all[--at]!);
    if (manifest && !holds(manifest)) after = at;
    else [before, last] = [middle, manifest ?? last];
  }
  return last;
}

export async function readOf<M>(
  bucket: Bucket,
  { folder, decode }: Series<M>,
  { number, version, touched }: Found,
): Promise<ReadManifest<M>> {
  const key = numberedKey(folder, number);
  const { body, locked } = await bucket.open(key, version);
  const bytes = await buffer(body);
  const manifest = decode(bytes, number, `${key} in the bucket ${bucket.name}`);
  return { manifest, bytes, sha256: sha256Of(bytes), locked, touched: touched && sayTouched(key, touched) };
}

/**
 * Nothing is built on a manifest that somebody else wrote, with chains that no segment holds or a number far ahead. Where the one
 * before has expired, so has every older one.
 */
export async function assertFollows(
  bucket: Bucket,
  folder: string,
  { number, previous }: { number: number; previous: string | null },
): Promise<void> {
  const before = numberedKey(folder, number - 1);
  const first = number === 1 ? undefined : await firstVersionOf(bucket, before);
  const expected = first ? sha256Of(await bucket.read(before, first.version)) : null;
  if (previous === expected || (!first && number > 1 && (await firstIn(bucket, folder))?.number === number)) return;
  throw new Failure(
    `${numberedKey(folder, number)} in the bucket ${bucket.name} does not follow from the manifest before it: this program did not write it, and archives nothing on top of it`,
    ["docs/runbooks/archive-flawed.md says how to go on."],
  );
}

/** Nothing is built on what was cut off. */
export function assertReaches(bucket: Bucket, what: string, newest: number, told: number): void {
  if (newest >= told) return;
  throw new Failure(
    `the newest ${what} in the bucket ${bucket.name} is ${newest}, and ${told} had been written: what came later was removed; nothing is written on top of it`,
    ["docs/runbooks/archive-flawed.md says how to go on."],
  );
}

/** The oldest that has not expired. */
async function firstIn(bucket: Bucket, folder: string): Promise<Found | undefined> {
  for await (const found of allIn(bucket, folder)) return found;
  return undefined;
}

async function lastIn(bucket: Bucket, folder: string, unknown: string[]): Promise<Found | undefined> {
  const entries = await bucket.list(folder);
  unknown.push(...entries.filter(isUnknown).map(({ key }) => key));
  for (const entry of entries.toReversed()) {
    if (isUnknown(entry)) continue;
    const found = entry.folder ? await lastIn(bucket, entry.key, unknown) : foundIn(entry);
    if (found) return found;
  }
  return undefined;
}

/** All that are there after a number, oldest first. */
export async function* allIn(bucket: Bucket, folder: string, after = 0): AsyncGenerator<Found, undefined> {
  for (const entry of await bucket.list(folder)) {
    if (isUnknown(entry)) continue;
    if (entry.folder) {
      if (mayReach(entry.key, after)) yield* allIn(bucket, entry.key, after);
      continue;
    }
    const found = foundIn(entry);
    if (found && found.number > after) yield found;
  }
  return undefined;
}

/** Keys in a folder, and in its numbered ones, that are no manifest's. */
export async function* unknownIn(bucket: Bucket, folder: string): AsyncGenerator<string, undefined> {
  for (const entry of await bucket.list(folder)) {
    if (isUnknown(entry)) yield entry.key;
    else if (entry.folder) yield* unknownIn(bucket, entry.key);
  }
  return undefined;
}

const isUnknown = ({ key, folder }: Entry): boolean => (folder ? !isNumberedFolder(key) : numberIn(key) === undefined);

/** Undefined where only a marker is left: it has expired, and every one before it. */
function foundIn(entry: Entry): Found | undefined {
  const number = numberIn(entry.key);
  const first = firstVersion(entry);
  return number === undefined ? undefined : first && { number, ...first };
}

/** Of the object that has just this key: others may begin with it. */
export async function firstVersionOf(bucket: Bucket, key: string): Promise<Omit<Found, "number"> | undefined> {
  const entry = (await bucket.list(key)).find((one) => one.key === key);
  return entry && firstVersion(entry);
}

/** What an object was when it was written, whoever hid it or put another on top. */
export function firstVersion({ versions }: Entry): Omit<Found, "number"> | undefined {
  const [first, ...others] = versions.filter(({ deleted }) => !deleted);
  const hidden = versions.some(({ deleted }) => deleted);
  return first && { version: first.id, touched: hidden ? "hidden" : others.length > 0 ? "overwritten" : undefined };
}
