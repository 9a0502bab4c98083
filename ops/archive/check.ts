/** Reads the bucket from its first manifest to its newest, and checks all of it: without the database, by what is in the bucket alone. */
import { wrongForks } from "./acceptFork";
import { checkSegment, type Taker } from "./checkSegment";
import type { Bucket } from "./bucket";
import { nameOf, ofEachArchived } from "./chains";
import { anchored, endsOf } from "./ends";
import type { Place } from "./follow";
import { manifestKey } from "./keys";
import { forksUpTo, type Manifest } from "./manifest";
import { allManifests, readManifest, type ReadManifest } from "./newest";
import type { Ends } from "./plan";
import { isUnreadable } from "./unreadable";

export interface Checked {
  /** Undefined where it is gone, or is none. */
  manifest: Manifest | undefined;
  /** What is wrong, one sentence each; what the manifest says itself is none of it. */
  problems: string[];
  /** What has left the bucket by its age, with all that is older: its segment, or the manifest but for a marker. */
  expired: "segment" | "marked" | undefined;
}

/** Manifest by manifest. Where older ones have expired it begins with the oldest there is, and takes from it where chains stood. */
export async function* checkArchive(bucket: Bucket, taker?: Taker): AsyncGenerator<Checked> {
  /** Where chains stand, and the manifest before; undefined where that is not known. */
  let [ends, before]: [Ends | undefined, ReadManifest | undefined] = [undefined, undefined];
  let [last, marked, segments]: [number | undefined, boolean, boolean] = [undefined, false, false];
  for await (const found of allManifests(bucket)) {
    const key = manifestKey(found.number);
    const problems: string[] = [];
    if (last !== undefined && found.number > last + 1) problems.push(goneBetween(last, found.number));
    const first = last === undefined;
    last = found.number;

    let read: ReadManifest;
    try {
      read = await readManifest(bucket, found);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      yield { manifest: undefined, problems: [...problems, (error as Error).message], expired: undefined };
      [ends, before] = [undefined, undefined];
      continue;
    }
    const { manifest, touched } = read;
    // What expires is hidden first, the oldest before all others.
    const expiring: boolean = found.touched === "hidden" && (first || marked);
    marked = expiring;
    if (touched !== undefined && !expiring) problems.push(touched);

    const { previous, forksBefore } = manifest.archive;
    if (first ? found.number === 1 && previous !== null : before && previous !== before.sha256) {
      if (problems.length === 0) problems.push(`${key} does not follow from the manifest before it`);
      ends = undefined;
    } else if (before && forksBefore !== forksUpTo(before.manifest))
      problems.push(`${key} does not name the newest manifest before it that accepts a fork`);
    problems.push(...(await wrongForks(bucket, manifest)));
    for (const { chain, agent, seq, seal } of manifest.archive.forks ?? [])
      ends?.[chain].set(agent, { seq, seal: Buffer.from(seal, "hex"), hash: seq === 0 ? null : undefined });
    if (previous === null) ends ??= ofEachArchived(() => new Map<string, Place>());
    await taker?.manifest?.(manifest);
    const of = { key, version: found.version, first: !segments, before: before?.manifest };
    const segment = await checkSegment(bucket, manifest, ends, of, taker);
    segments ||= segment.followers !== undefined;
    problems.push(...segment.problems);

    ends ??= endsOf(manifest);
    for (const { chain, agent, last: seq, to } of manifest.archive.pieces)
      ends[chain].set(agent, { seq, seal: Buffer.from(to, "hex"), hash: undefined });
    for (const { piece, at } of segment.followers ?? []) {
      const end = ends[piece.chain].get(piece.agent);
      if (end?.seq !== at.seq || !end.seal.equals(at.seal))
        problems.push(`${manifest.archive.segment.key}: ${nameOf(piece)} ends elsewhere than its manifest says`);
      ends[piece.chain].set(piece.agent, at);
    }
    if (!standsAs(manifest, ends)) problems.push(`${key} says that chains stand elsewhere than the segments end`);
    before = read;
    yield { manifest, problems, expired: segment.expired ? "segment" : expiring ? "marked" : undefined };
  }
}

function goneBetween(last: number, next: number): string {
  const [from, to] = [manifestKey(last + 1), manifestKey(next - 1)];
  return from === to ? `${from} is gone` : `${from} to ${to} are gone`;
}

function standsAs({ chains, imports }: Manifest, ends: Ends): boolean {
  const stands = anchored(ends);
  stands.chains.sort((a, b) => Buffer.compare(Buffer.from(a.agent), Buffer.from(b.agent)));
  return JSON.stringify(stands) === JSON.stringify({ chains, imports });
}
