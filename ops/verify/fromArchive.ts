/**
 * Where a verification of the last days begins, and what it must reach: manifests in the locked bucket, which not even the owner of
 * the database can change. A row that is older than the days is none of its concern; that everything since then follows from it is.
 */
import { anchorDigest, type Anchor } from "../anchorFormat";
import type { Bucket } from "../archive/bucket";
import { anchored, endsOf } from "../archive/ends";
import { manifestKey } from "../archive/keys";
import type { Manifest } from "../archive/manifest";
import { lastWhere, newestManifest, numberedOrGone, segmentManifests } from "../archive/newest";

export interface ArchiveBounds {
  from: Anchor;
  newest: Anchor;
  /** Where the log of the server stood by the newest. */
  lsn: string;
}

/** Undefined where no manifest in the bucket is from before the time: the archive is younger, or there is none. */
export async function archiveBounds(bucket: Bucket, time: string): Promise<ArchiveBounds | undefined> {
  const newest = (await newestManifest(bucket))?.manifest;
  const isBefore = ({ as_of }: Manifest) => Date.parse(as_of) < Date.parse(time);
  const from =
    newest &&
    (isBefore(newest) ? newest : await lastWhere(newest.archive.number, (n) => manifestAt(bucket, n), isBefore));
  return (
    newest && from && { from: await beginning(bucket, from, newest), newest: anchorOf(newest), lsn: newest.archive.lsn }
  );
}

/**
 * A chain that has forked since, by a fork that was accepted, begins at the last place that both branches have: the manifest may name
 * a place of the branch that was left. What nobody accepted is found, since the newest manifest still names that branch.
 */
async function beginning(bucket: Bucket, from: Manifest, newest: Manifest): Promise<Anchor> {
  const ends = endsOf(from);
  let forked = false;
  let next: Manifest | undefined = newest;
  while (next && next.archive.number > from.archive.number) {
    for (const { chain, agent, seq, seal } of next.archive.forks ?? []) {
      forked = true;
      const end = ends[chain].get(agent);
      if (end && seq < end.seq) ends[chain].set(agent, { seq, seal: Buffer.from(seal, "hex"), hash: undefined });
    }
    const { forksBefore }: Manifest["archive"] = next.archive;
    next = forksBefore === undefined ? undefined : await manifestAt(bucket, forksBefore);
  }
  // What the other branch had by then is none of what the manifest shows.
  const complete = from.archive.complete && !forked;
  const { ofBefore } = from.archive;
  const begin = { ...anchorOf(from), ...anchored(ends), archive: { complete, ofBefore } };
  return { ...begin, digest: anchorDigest(begin) };
}

const anchorOf = (manifest: Manifest): Anchor => ({ ...manifest, source: manifestKey(manifest.archive.number) });

const manifestAt = (bucket: Bucket, number: number) => numberedOrGone(bucket, segmentManifests, number);
