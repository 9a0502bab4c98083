/**
 * Whether there was a month of which checkpoints say that it left. The locked bucket's dumps name the months that tables were divided by: the
 * last one from before a month left has it. Whoever removes receipts that were imported, and dated before the first month or into one
 * that had left, finds no month to name that these dumps had then.
 */
import type { Bucket } from "../archive/bucket";
import { dumpFolder, dumpKey } from "../archive/keys";
import { lastWhere, newestNumber, numberedOrGone } from "../archive/newest";
import { isUnreadable } from "../archive/unreadable";
import { dumps, type Dump } from "../dump/manifest";
import { longestUnseen } from "../unseen";
import { chainKinds } from "./chainKinds";
import type { Checkpoint } from "./checkpoints";
import type { Finding } from "./findings";

export async function departureFindings(bucket: Bucket, checkpoints: readonly Checkpoint[]): Promise<Finding[]> {
  if (checkpoints.length === 0) return [];
  const read = new Map<number, Dump | undefined>();
  const dumpAt = async (number: number) => {
    if (!read.has(number)) read.set(number, await readable(bucket, number));
    return read.get(number);
  };
  const newest = await newestNumber(bucket, dumpFolder);
  const findings: Finding[] = [];
  for (const point of firstAndLast(checkpoints)) {
    const before = point.madeAt - longestUnseen;
    const dump = await lastWhere(newest + 1, dumpAt, ({ as_of }) => Date.parse(as_of) < before);
    const names = dump && monthsOf(dump, point);
    if (!names || names.includes(monthOf(point))) continue;
    findings.push({
      kind: "altered-checkpoint",
      message: `checkpoint ${point.place} says that rows left with ${point.source}; there was no such month when ${dumpKey(dump.number)} was made before (${dump.as_of})`,
      agent: point.agent,
    });
  }
  return findings;
}

/** Of each month, the checkpoints that say they were made first and last: all were made in one transaction. */
function firstAndLast(checkpoints: readonly Checkpoint[]): Set<Checkpoint> {
  const ends = new Map<string, [Checkpoint, Checkpoint]>();
  for (const point of checkpoints) {
    const [first, last] = ends.get(point.source) ?? [point, point];
    ends.set(point.source, [point.madeAt < first.madeAt ? point : first, point.madeAt > last.madeAt ? point : last]);
  }
  return new Set([...ends.values()].flat());
}

/** One that cannot be read says nothing here; that it cannot is a finding of its own, or of the restore. */
async function readable(bucket: Bucket, number: number): Promise<Dump | undefined> {
  try {
    return await numberedOrGone(bucket, dumps, number);
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}

/** "receipts_2026_11" is of "2026-11". */
const monthOf = ({ source }: Checkpoint) => source.slice(-7).replace("_", "-");

function monthsOf(dump: Dump, { chain }: Checkpoint): string[] | undefined {
  const { table } = chainKinds[chain];
  return dump.months.find((of) => `${of.schema}.${of.table}` === table)?.names;
}
