/** The bucket read as `checkArchive` reads it, but by the archives of months as far as there are some. */
import type { Bucket } from "../archive/bucket";
import { beginning, checkManifests, type Reading } from "../archive/check";
import type { Checked, Taker } from "../archive/checkSegment";
import { endsOf } from "../archive/ends";
import { monthKey } from "../archive/keys";
import type { Manifest } from "../archive/manifest";
import { isUnreadable } from "../archive/unreadable";
import { checkMonth } from "./check";
import { allMonths, type FoundMonth } from "./find";
import type { Month } from "./manifest";

/** Segments of a month that has its archive are not looked at. */
export async function* checkByMonths(bucket: Bucket, taker?: Taker): AsyncGenerator<Checked> {
  const reading = beginning();
  for await (const found of allMonths(bucket)) {
    const { month } = found;
    // Also before the oldest: whose archive was removed may have left its segments.
    if (month && month.manifests.first > (reading.last ?? 0) + 1)
      yield* checkManifests(bucket, reading, taker, { to: month.manifests.first - 1 });
    yield* throughMonth(bucket, reading, taker, found);
  }
  yield* checkManifests(bucket, reading, taker, {});
}

/** What its manifest says is gone on from, whatever its object shows. */
async function* throughMonth(
  bucket: Bucket,
  reading: Reading,
  taker: Taker | undefined,
  { month, object, problems, unlocked, expiring }: FoundMonth,
): AsyncGenerator<Checked> {
  if (month && reading.before && month.manifests.before !== reading.before.sha256)
    problems.push(`${monthKey(month.number)} does not go on where the manifests before it end`);
  if (problems.length + unlocked.length > 0) yield { manifest: undefined, problems, unlocked, expired: undefined };
  if (!month) return;
  if (!object && expiring) {
    // An older one is held (ops/hold), or has not gone yet: this one's manifest says where to go on.
    if (reading.last === undefined) return;
    const left = { what: `the archive of ${month.month}`, ends: endsOf(month.to) };
    yield { manifest: undefined, problems: [], expired: undefined, left };
    return passMonth(reading, month, undefined);
  }
  let shown = reading.before?.manifest;
  if (object)
    try {
      for await (const checked of checkMonth(bucket, month, taker, object.version, shown)) {
        shown = checked.manifest;
        yield checked;
      }
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      shown = undefined;
      const wrong = `${month.object.key} cannot be read as what its manifest names: ${(error as Error).message}`;
      yield { manifest: undefined, problems: [wrong], expired: undefined };
    }
  passMonth(reading, month, object && shown);
}

/** Where a reading stands after a month, by what its manifest says. @param shown its last manifest, where that was read */
export function passMonth(reading: Reading, { manifests, to }: Month, shown: Manifest | undefined): void {
  const { sha256, last, forks } = manifests;
  Object.assign(reading, { ends: endsOf(to), before: { sha256, forks, manifest: shown }, last, segments: true });
}
