/** Which manifest is the newest: found by listing, never by a pointer that could be turned back. */
import { Failure } from "../program";
import type { Bucket } from "./bucket";
import { manifestFolder, manifestKey, manifestNumber } from "./keys";
import { decodeManifest, sha256Of, type Manifest } from "./manifest";

export interface Newest {
  manifest: Manifest;
  /** Of its bytes: what the next one names. */
  sha256: string;
  /** What was done to it since it was written: the first version is the one that counts. */
  touched: string | undefined;
}

/** Undefined where there is none. */
export async function newestManifest(bucket: Bucket): Promise<Newest | undefined> {
  const found = await lastIn(bucket, manifestFolder);
  if (!found) return undefined;
  const { number, version, touched } = found;
  const key = manifestKey(number);
  const bytes = await bucket.read(key, version);
  const manifest = decodeManifest(bytes, number, `${key} in the bucket ${bucket.name}`);
  return {
    manifest,
    sha256: sha256Of(bytes),
    touched: touched ? `${key} was ${touched} after it was written` : undefined,
  };
}

/**
 * Nothing is built on a manifest that somebody else wrote, with chains that no segment holds or a number far ahead. Where the one
 * before has expired, so has every older one.
 */
export async function assertFollows(bucket: Bucket, { number, previous }: Manifest["archive"]): Promise<void> {
  const before = manifestKey(number - 1);
  const versions = number === 1 ? [] : ((await bucket.list(before))[0]?.versions ?? []);
  const [first] = versions.filter(({ deleted }) => !deleted);
  const expected = first ? sha256Of(await bucket.read(before, first.id)) : null;
  if (previous === expected || (!first && number > 1 && (await firstNumber(bucket, manifestFolder)) === number)) return;
  throw new Failure(
    `${manifestKey(number)} in the bucket ${bucket.name} does not follow from the manifest before it: this program did not write it, and archives nothing on top of it`,
    ["docs/runbooks/archive-flawed.md says how to go on."],
  );
}

/** Of the oldest manifest that has not expired. */
export async function firstNumber(bucket: Bucket, folder: string): Promise<number | undefined> {
  for (const { key, folder: isFolder, versions } of await bucket.list(folder)) {
    const number = isFolder ? await firstNumber(bucket, key) : manifestNumber(key);
    if (number !== undefined && (isFolder || versions.some(({ deleted }) => !deleted))) return number;
  }
  return undefined;
}

interface Found {
  number: number;
  version: string | undefined;
  touched: "hidden" | "overwritten" | undefined;
}

async function lastIn(bucket: Bucket, folder: string): Promise<Found | undefined> {
  for (const { key, folder: isFolder, versions } of (await bucket.list(folder)).toReversed()) {
    if (isFolder) {
      const found = await lastIn(bucket, key);
      if (found) return found;
      continue;
    }
    const number = manifestNumber(key);
    if (number === undefined)
      throw new Failure(`${key} in the bucket ${bucket.name} is not what this program writes there`);
    const [first] = versions.filter(({ deleted }) => !deleted);
    // Only a marker: it has expired, and every one before it.
    if (!first) continue;
    const hidden = versions.some(({ deleted }) => deleted);
    return { number, version: first.id, touched: hidden ? "hidden" : versions.length > 1 ? "overwritten" : undefined };
  }
  return undefined;
}
