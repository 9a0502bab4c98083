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
