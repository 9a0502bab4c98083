/** Which manifests there are, of segments or of dumps: found by listing, never by a pointer that could be turned back. */
import { Failure } from "../program";
import type { Bucket, Entry } from "./bucket";
import { manifestFolder, numberedKey, numberIn } from "./keys";
import { decodeManifest, sha256Of, type Manifest } from "./manifest";

/** Manifests that are numbered from 1 on, each with the hash of the one before it. */
export interface Series<M> {
  folder: string;
  /** Reads one, and checks what it says of itself. */
  decode: (bytes: Buffer, number: number, where: string) => M;
}

const segmentManifests: Series<Manifest> = { folder: manifestFolder, decode: decodeManifest };

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

export interface Newest<M = Manifest> {
  manifest: M;
  /** Of its bytes: what the next one names. */
  sha256: string;
  /** What was done to it since it was written, in a sentence. */
  touched: string | undefined;
}

export const newestManifest = (bucket: Bucket) => newestOf(bucket, segmentManifests);
export const readManifest = (bucket: Bucket, found: Found) => readOf(bucket, segmentManifests, found);
export const allManifests = (bucket: Bucket) => allIn(bucket, manifestFolder);

/** Undefined where there is none. */
export async function newestOf<M>(bucket: Bucket, series: Series<M>): Promise<Newest<M> | undefined> {
  const found = await lastIn(bucket, series.folder);
  return found && readOf(bucket, series, found);
}

/** One by its number. */
export async function numbered<M>(bucket: Bucket, series: Series<M>, number: number): Promise<M> {
  const key = numberedKey(series.folder, number);
  const [entry] = await bucket.list(key);
  const found = entry && foundIn(entry, bucket);
  if (!found) throw new Failure(`${key} is gone from the bucket ${bucket.name}`);
  return (await readOf(bucket, series, found)).manifest;
}

async function readOf<M>(
  bucket: Bucket,
  { folder, decode }: Series<M>,
  { number, version, touched }: Found,
): Promise<Newest<M>> {
  const key = numberedKey(folder, number);
  const bytes = await bucket.read(key, version);
  const manifest = decode(bytes, number, `${key} in the bucket ${bucket.name}`);
  return { manifest, sha256: sha256Of(bytes), touched: touched && sayTouched(key, touched) };
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
  const [entry] = number === 1 ? [] : await bucket.list(before);
  const first = entry && firstVersion(entry);
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

async function lastIn(bucket: Bucket, folder: string): Promise<Found | undefined> {
  for (const entry of (await bucket.list(folder)).toReversed()) {
    const found = entry.folder ? await lastIn(bucket, entry.key) : foundIn(entry, bucket);
    if (found) return found;
  }
  return undefined;
}

/** All that are there, oldest first. */
async function* allIn(bucket: Bucket, folder: string): AsyncGenerator<Found, undefined> {
  for (const entry of await bucket.list(folder)) {
    if (entry.folder) {
      yield* allIn(bucket, entry.key);
      continue;
    }
    const found = foundIn(entry, bucket);
    if (found) yield found;
  }
  return undefined;
}

/** Undefined where only a marker is left: it has expired, and every one before it. */
function foundIn(entry: Entry, bucket: Bucket): Found | undefined {
  const number = numberIn(entry.key);
  if (number === undefined)
    throw new Failure(`${entry.key} in the bucket ${bucket.name} is not what this program writes there`);
  const first = firstVersion(entry);
  return first && { number, ...first };
}

/** What an object was when it was written, whoever hid it or put another on top. */
export function firstVersion({ versions }: Entry): Omit<Found, "number"> | undefined {
  const [first, ...others] = versions.filter(({ deleted }) => !deleted);
  const hidden = versions.some(({ deleted }) => deleted);
  return first && { version: first.id, touched: hidden ? "hidden" : others.length > 0 ? "overwritten" : undefined };
}
