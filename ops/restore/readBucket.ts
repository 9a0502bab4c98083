/** The bucket as a restore takes it: a month by its archive where that is whole, else by its segments, which then have to be. */
import { beginning, checkManifests, type Reading } from "../archive/check";
import type { Bucket } from "../archive/bucket";
import type { Checked, Taker } from "../archive/checkSegment";
import { manifestKey, monthKey } from "../archive/keys";
import { sha256Of, type Manifest } from "../archive/manifest";
import { firstVersionOf, saysTouched } from "../archive/newest";
import { isUnreadable } from "../archive/unreadable";
import type { Log } from "../log";
import { passMonth } from "../months/archive";
import { checkMonth } from "../months/check";
import { allMonths, type FoundMonth } from "../months/find";
import type { Month } from "../months/manifest";
import { Failure } from "../program";

/** Who stores what is read. */
export interface Store {
  taker: Taker;
  /** The manifest's rows have come, and are right. */
  take: (manifest: Manifest) => void;
  /** What was stored when `work` fails is taken back. */
  orUndo: (work: () => Promise<void>) => Promise<void>;
}

export interface Read {
  archives: Month[];
  /** What may be missing though nothing shows it; one sentence each. */
  doubts: string[];
}

/**
 * Each manifest's rows once, oldest first.
 * @param upTo the last manifest
 */
export async function readBucket(bucket: Bucket, upTo: number, store: Store, log: Log): Promise<Read> {
  const reading = beginning();
  const archives: Month[] = [];
  const [unused, doubts]: [string[], string[]] = [[], []];
  let [begun, owed] = [Infinity, Infinity];
  /** The last manifest of the newest archive that was seen; undefined before the first that can be read. */
  let seen: number | undefined;
  const take = (checked: Checked) => {
    bucket.signal.throwIfAborted();
    const manifest = wholeOf(checked, begun < Infinity, unused);
    if (!manifest) return;
    begun = Math.min(begun, manifest.archive.number);
    store.take(manifest);
  };
  const readSegments = async (to: number) => {
    if (to <= (reading.last ?? 0)) return;
    for await (const checked of checkManifests(bucket, reading, store.taker, { to })) take(checked);
  };
  const gap = await lastGap(bucket, upTo);
  if (gap) {
    log.warn(`archives up to that of ${gap.month} are not restored: it has left the bucket, and older ones are held`);
    passMonth(reading, gap, undefined);
  }
  for await (const found of allMonths(bucket)) {
    const { month, object, expiring } = found;
    const end = seen;
    seen = month?.manifests.last ?? seen;
    if ((!object && expiring) || (month && gap && month.number <= gap.number)) continue;
    // Its end is not in question.
    if (month && month.manifests.last > upTo) break;
    if (month) await readSegments(month.manifests.first - 1);
    const problems = await unlike(bucket, reading, found);
    const before = begun;
    if (month && object && problems.length === 0)
      try {
        await store.orUndo(() => readMonth(bucket, reading, { taker: store.taker, take }, month, object.version));
        archives.push(month);
        log.info("a month is stored, from its archive", { month: month.month, archive: month.object.key });
        continue;
      } catch (error) {
        if (bucket.signal.aborted || !isUnreadable(error)) throw error;
        problems.push((error as Error).message);
        begun = before;
      }
    const why = `${month?.object.key ?? "the archive of a month"} is not used: ${problems.join("; ")}`;
    log.warn(`${why}; segments are read in its place`);
    unused.push(why);
    // Once something is stored, a manifest that is not there is told by the next one.
    if (begun < Infinity) continue;
    const from = month?.manifests.first ?? (end === undefined ? undefined : end + 1);
    if (from === undefined) doubts.push(why);
    else owed = Math.min(owed, from);
  }
  await readSegments(upTo);
  // What an archive had that is not whole has not expired, where nothing is there in its place.
  if (begun > owed)
    throw new Failure(`segments before ${manifestKey(begun)} are gone from the bucket ${bucket.name}`, unused);
  const older = `whether what is older than ${manifestKey(begun)} has expired or was removed cannot be told`;
  return { archives, doubts: begun > 1 ? doubts.map((why) => `${older}: ${why}`) : [] };
}

/** The newest month that has left the bucket while an older one is there, since it is held: no chain can be read across it. */
async function lastGap(bucket: Bucket, upTo: number): Promise<Month | undefined> {
  let [there, gap]: [boolean, Month | undefined] = [false, undefined];
  for await (const { month, object, expiring } of allMonths(bucket)) {
    // After the first that is to stay none has left: without holds nothing but the oldest is read here.
    if (!expiring || (month && month.manifests.last > upTo)) break;
    if (object) there = true;
    else if (there) gap = month;
  }
  return gap;
}

async function readMonth(
  bucket: Bucket,
  reading: Reading,
  { taker, take }: { taker: Taker; take: (checked: Checked) => void },
  month: Month,
  version: string | undefined,
): Promise<void> {
  let last = reading.before?.manifest;
  for await (const checked of checkMonth(bucket, month, taker, version, last)) {
    take(checked);
    last = checked.manifest;
  }
  passMonth(reading, month, last);
}

/** Why an archive is not that of the manifests that are there: who may write to the bucket may add one. */
async function unlike(bucket: Bucket, { before, last }: Reading, { month, problems }: FoundMonth): Promise<string[]> {
  const found = problems.filter((problem) => !saysTouched(problem));
  if (!month) return found;
  const { manifests } = month;
  const [key, end] = [monthKey(month.number), manifestKey(manifests.last)];
  if (manifests.first <= (last ?? 0) || (before && manifests.before !== before.sha256))
    found.push(`${key} does not go on where the manifests before it end`);
  const there = await firstVersionOf(bucket, end);
  if (there && sha256Of(await bucket.read(end, there.version)) !== manifests.sha256)
    found.push(`${key} ends with another ${end} than is there`);
  return found;
}

/** @returns undefined where its segment has expired. @throws where anything is wrong with it, or something is stored that is older */
function wholeOf(checked: Checked, begun: boolean, unused: readonly string[]): Manifest | undefined {
  const { manifest, problems, expired, left } = checked;
  const gone = left?.what ?? (expired === "segment" ? manifest?.archive.segment.key : undefined);
  const [problem, ...others] = [
    ...problems.filter((one) => !saysTouched(one)),
    ...(begun && gone !== undefined ? [`${gone} has left the bucket, and older segments are held`] : []),
  ];
  if (problem !== undefined)
    throw new Failure(problem, [
      ...others,
      ...unused,
      "--manifest restores up to an older manifest, where the newest is not the archiver's",
    ]);
  if (!manifest && !left) throw new Failure("a manifest cannot be read");
  return expired === "segment" ? undefined : manifest;
}
