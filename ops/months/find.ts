/** The archives of months, oldest first: their manifests are numbered and chained as those of segments are. */
import type { Bucket } from "../archive/bucket";
import { monthFolder, monthKey } from "../archive/keys";
import { sayUnlocked } from "../archive/lock";
import { allIn, firstVersionOf, readOf, sayTouched } from "../archive/newest";
import { isUnreadable } from "../archive/unreadable";
import { months, type Month } from "./manifest";

export interface FoundMonth {
  /** Undefined where its manifest cannot be read. */
  month: Month | undefined;
  /** The manifest's version that counts. */
  version: string | undefined;
  /** The version of its object that counts; undefined where that is gone. */
  object: { version: string | undefined } | undefined;
  /** What is wrong with manifest and object, but for what the object holds. */
  problems: string[];
  /** Which of both are locked for less than was demanded, one sentence each: what they hold is whole. */
  unlocked: string[];
  /** Both leave the bucket by their age. */
  expiring: boolean;
}

export async function* allMonths(bucket: Bucket): AsyncGenerator<FoundMonth> {
  let [last, before, expiring]: [number | undefined, string | undefined, boolean] = [undefined, undefined, true];
  for await (const found of allIn(bucket, monthFolder)) {
    const key = monthKey(found.number);
    const problems =
      last !== undefined && found.number > last + 1 ? [`${key} is not the one after ${monthKey(last)}`] : [];
    last = found.number;
    // What expires is hidden first, the oldest before all others.
    expiring &&= found.touched === "hidden";
    if (found.touched !== undefined && !expiring) problems.push(sayTouched(key, found.touched));
    try {
      const { manifest, sha256, locked } = await readOf(bucket, months, found);
      if (before !== undefined && manifest.previous !== before)
        problems.push(`${key} does not follow from the manifest of the month before it`);
      before = sha256;
      const { key: objectKey } = manifest.object;
      const object = await firstVersionOf(bucket, objectKey);
      // What expires does not leave before its lock has ended, nor, written right before it, long before its manifest's.
      if (!object && expiring) expiring = !(await bucket.stillLockedUntil(key, found.version));
      if (object?.touched !== undefined && !expiring) problems.push(sayTouched(objectKey, object.touched));
      if (!object && !expiring) problems.push(`${objectKey} is gone, and has not expired`);
      const unlocked = sayUnlocked(key, locked, manifest.lock);
      if (object)
        unlocked.push(...sayUnlocked(objectKey, await bucket.lockOf(objectKey, object.version), manifest.lock));
      yield { month: manifest, version: found.version, object, problems, unlocked, expiring };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      before = undefined;
      const wrong = [...problems, (error as Error).message];
      yield { month: undefined, version: found.version, object: undefined, problems: wrong, unlocked: [], expiring };
    }
  }
}
