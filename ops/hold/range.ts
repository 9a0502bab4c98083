/** Which objects of the bucket a range of months needs, so that its receipts can be read and proven by them alone. */
import type { Bucket } from "../archive/bucket";
import { dumpFolder, dumpKey, manifestKey, monthKey } from "../archive/keys";
import { allIn, allManifests, firstVersionOf, lastThat, readManifest, readOf, type Found } from "../archive/newest";
import { isUnreadable } from "../archive/unreadable";
import { dumps, type Dump } from "../dump/manifest";
import { allMonths } from "../months/find";
import type { Month } from "../months/manifest";
import type { Hold, HeldObject } from "./record";

export interface Needed {
  objects: HeldObject[];
  /** What cannot be held, in sentences. */
  problems: string[];
}

const dayMs = 86_400_000;

/**
 * Archives that have a receipt or a change of one of the months, and the manifests of all later archives: by them the held ones stay
 * linked with the newest. Of what has no archive yet, the segments that were written in these months, or within a day after.
 */
export async function objectsOf(bucket: Bucket, { from, to }: Hold["months"]): Promise<Needed> {
  const objects: HeldObject[] = [];
  const problems: string[] = [];
  let [begun, newest]: [boolean, Month | undefined] = [false, undefined];
  /** Manifest of the archives that have them. */
  let last: number | undefined;
  for await (const { month, version, object, problems: wrong } of allMonths(bucket)) {
    if (!month) {
      problems.push(...wrong);
      continue;
    }
    newest = month;
    const carries = Object.keys(month.made).some((made) => from <= made && made <= to);
    begun ||= carries;
    if (begun) objects.push({ key: monthKey(month.number), version });
    if (carries && object) objects.push({ key: month.object.key, version: object.version });
    else if (carries) problems.push(`${month.object.key} has receipts of these months, and is gone from the bucket`);
    if (carries && object) last = month.manifests.last;
  }
  if (last !== undefined) await addDump(bucket, last, objects);
  const end = Date.UTC(Number(to.slice(0, 4)), Number(to.slice(5)), 1) + dayMs;
  if (newest && Date.parse(newest.as_of) >= end) return { objects, problems };
  for await (const found of allManifests(bucket, newest?.manifests.last)) {
    bucket.signal.throwIfAborted();
    const manifest = { key: manifestKey(found.number), version: found.version };
    try {
      const { as_of: asOf, archive } = (await readManifest(bucket, found)).manifest;
      if (Date.parse(asOf) >= end) break;
      if (asOf.slice(0, 7) < from) continue;
      const { key } = archive.segment;
      const segment = await firstVersionOf(bucket, key);
      objects.push(manifest);
      if (segment) objects.push({ key, version: segment.version });
      else problems.push(`${key} was written in these months, and is gone from the bucket`);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      // Of which time it is nobody can say any more.
      objects.push(manifest);
      problems.push((error as Error).message);
    }
  }
  return { objects, problems };
}

/**
 * A restore up to the end of these archives (`--manifest`) needs that manifest, and the newest dump that was there by then: policies and
 * keys as they were. What of it has expired before it was held keeps no receipt from being read and proven.
 */
async function addDump(bucket: Bucket, manifest: number, objects: HeldObject[]): Promise<void> {
  const all: Found[] = [];
  for await (const found of allIn(bucket, dumpFolder)) all.push(found);
  const dump = await lastThat(
    all,
    (found) => readable(bucket, found),
    (one) => one.manifest <= manifest,
  );
  const parts = dump?.parts.flatMap(({ object }) => (object ? [object.key] : [])) ?? [];
  for (const key of [manifestKey(manifest), ...(dump ? [dumpKey(dump.number)] : []), ...parts]) {
    const found = await firstVersionOf(bucket, key);
    if (found) objects.push({ key, version: found.version });
  }
}

/** One that cannot be read is told by the verification. */
async function readable(bucket: Bucket, found: Found): Promise<Dump | undefined> {
  try {
    return (await readOf(bucket, dumps, found)).manifest;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return undefined;
  }
}
