/**
 * Where a verification of the last days begins, and what it must reach: manifests in the locked bucket, which not even the owner of
 * the database can change. A row that is older than the days is none of its concern; that everything since then follows from it is.
 */
import type { Anchor } from "../anchorFormat";
import type { Bucket } from "../archive/bucket";
import { manifestKey } from "../archive/keys";
import type { Manifest } from "../archive/manifest";
import { firstVersion, newestManifest, readManifest } from "../archive/newest";

export interface ArchiveBounds {
  from: Anchor;
  newest: Anchor;
  /** Where the log of the server stood by the newest. */
  lsn: string;
}

/** Undefined where no manifest in the bucket is from before the time: the archive is younger, or there is none. */
export async function archiveBounds(bucket: Bucket, time: string): Promise<ArchiveBounds | undefined> {
  const newest = (await newestManifest(bucket))?.manifest;
  const from = newest && (await lastBefore(bucket, newest, Date.parse(time)));
  return newest && from && { from: anchorOf(from), newest: anchorOf(newest), lsn: newest.archive.lsn };
}

const anchorOf = (manifest: Manifest): Anchor => ({ ...manifest, source: manifestKey(manifest.archive.number) });

/** By halves: a bucket holds a hundred thousand of a year. */
async function lastBefore(bucket: Bucket, newest: Manifest, time: number): Promise<Manifest | undefined> {
  const isBefore = ({ as_of: at }: Manifest) => Date.parse(at) < time;
  if (isBefore(newest)) return newest;
  let found: Manifest | undefined;
  let [before, after] = [0, newest.archive.number];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    const manifest = await manifestAt(bucket, middle);
    if (manifest && !isBefore(manifest)) after = middle;
    else [before, found] = [middle, manifest];
  }
  return found;
}

/** Undefined where it has expired. */
async function manifestAt(bucket: Bucket, number: number): Promise<Manifest | undefined> {
  const [entry] = await bucket.list(manifestKey(number));
  const first = entry && firstVersion(entry);
  return first && (await readManifest(bucket, { number, ...first })).manifest;
}
