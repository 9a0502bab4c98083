/**
 * Whether the newest dump is locked as was demanded when it was written: its manifest, and each object that it names. Older ones are
 * restored only where somebody asks for one, and leave by their age; what an object of theirs holds and has not changed is here too.
 */
import type { Bucket } from "../archive/bucket";
import { dumpKey } from "../archive/keys";
import { sayUnlocked } from "../archive/lock";
import { firstVersionOf, newestOf } from "../archive/newest";
import { Failure } from "../program";
import { dumps } from "./manifest";

const dayMs = 86_400_000;

/** @returns what is locked for less, or is gone, one sentence each; none where there is no dump */
export async function unlockedInDump(bucket: Bucket): Promise<string[]> {
  let newest;
  try {
    newest = await newestOf(bucket, dumps);
  } catch (error) {
    if (error instanceof Failure) return [error.message];
    throw error;
  }
  if (!newest) return [];
  const { locked, manifest } = newest;
  const key = dumpKey(manifest.number);
  const unlocked = sayUnlocked(key, locked, manifest.lock);
  for (const { object, lock, written } of manifest.parts) {
    if (!object || !lock) continue;
    const first = await firstVersionOf(bucket, object.key);
    if (first) unlocked.push(...sayUnlocked(object.key, await bucket.lockOf(object.key, first.version), lock));
    // A day less: it is of the database's clock, and its lock of S3's.
    else if (Date.parse(written) + (lock.days - 1) * dayMs > bucket.now())
      unlocked.push(
        `${object.key} is gone, which ${key} names: it was to be locked for ${lock.days} days from ${written} on`,
      );
  }
  return unlocked;
}
