/** Each month of the bucket that is over becomes one archive, oldest first. Which one is next follows from what is in the bucket. */
import type { Bucket } from "../archive/bucket";
import { isTaken } from "../archive/bucket";
import { beginning, type Reading } from "../archive/check";
import { endsBefore, endsOf } from "../archive/ends";
import { manifestKey, monthFolder, monthKey } from "../archive/keys";
import {
  allManifests,
  assertFollows,
  assertReaches,
  firstVersionOf,
  newestOf,
  readManifest,
  type Newest,
} from "../archive/newest";
import type { Log } from "../log";
import { Failure } from "../program";
import { months, type Month } from "./manifest";
import { writeMonth } from "./write";

export interface Compaction {
  bucket: Bucket;
  environment: string;
  /** Days that a month must have been over. What is archived after its end is in the next one's archive. */
  delayDays: number;
  /** The number of the newest archive, as the database was told. */
  told: number;
  now: Date;
  log: Log;
}

const dayMs = 86_400_000;

/** @returns the newest archive; undefined where there is none yet */
export async function compact(options: Compaction): Promise<{ written: number; newest: Month | undefined }> {
  const { bucket, environment, delayDays, told, now, log } = options;
  for (let written = 0; ;) {
    bucket.signal.throwIfAborted();
    const newest = await newestOf(bucket, months);
    if (newest) await assertFollows(bucket, monthFolder, newest.manifest);
    assertReaches(bucket, "archive of a month", newest?.manifest.number ?? 0, told);
    const next = await whatIsNext(bucket, newest);
    const end = next && new Date(Date.UTC(Number(next.month.slice(0, 4)), Number(next.month.slice(5)), 1));
    if (!next || !end || end.getTime() + delayDays * dayMs > now.getTime())
      return { written, newest: newest?.manifest };
    log.info("compacting", { month: next.month, from: manifestKey((next.reading.last ?? 0) + 1) });
    try {
      const month = await writeMonth({ bucket, environment, end, newest, ...next });
      written++;
      const { object, manifests } = month;
      log.info("compacted", {
        month: month.month,
        archive: object.key,
        manifests: `${manifests.first} to ${manifests.last}`,
        rows: object.rows,
        bytes: object.compressed.bytes,
      });
    } catch (error) {
      if (!isTaken(error)) throw error;
      log.warn("another run was faster: the archive of this one counts for nothing", { month: next.month });
    }
  }
}

interface NextMonth {
  month: string;
  reading: Reading;
}

/** What follows on the newest archive; without one, what begins with the oldest segment that is there. */
async function whatIsNext(bucket: Bucket, newest: Newest<Month> | undefined): Promise<NextMonth | undefined> {
  const { last = 0, sha256 = "", forks } = newest?.manifest.manifests ?? {};
  for await (const found of allManifests(bucket, last)) {
    if (newest && found.number > last + 1)
      throw new Failure(
        `${manifestKey(last + 1)} is gone from the bucket ${bucket.name}, and ${monthKey(newest.manifest.number)} goes on with it`,
        ["docs/runbooks/archive-flawed.md says how to go on."],
      );
    const { manifest } = await readManifest(bucket, found);
    const month = manifest.as_of.slice(0, 7);
    if (newest) {
      const ends = endsOf(newest.manifest.to);
      return { month, reading: { ...started, ends, before: { sha256, forks }, last } };
    }
    if (found.number === 1) return { month, reading: beginning() };
    if (!(await firstVersionOf(bucket, manifest.archive.segment.key))) continue;
    const { previous, forksBefore } = manifest.archive;
    const before = previous === null ? undefined : { sha256: previous, forks: forksBefore };
    const reading = { ...started, ends: endsBefore(manifest), before, last: found.number - 1 };
    return { month, reading };
  }
  return undefined;
}

const started = { marked: false, segments: true };
