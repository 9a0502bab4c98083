/**
 * Whether there was a month of which checkpoints say that it left. The locked bucket's dumps name the months that tables were divided by: the
 * last one from before a month left has it. Whoever removes receipts that were imported, and dated before the first month or into one
 * that had left, finds no month to name that these dumps had then. A dump that is gone or cannot be read is told, and hides no other one.
 */
import type { Bucket } from "../archive/bucket";
import { goneBetween } from "../archive/check";
import { dumpFolder, dumpKey } from "../archive/keys";
import { allIn, lastThat, readOf, type Found } from "../archive/newest";
import { isUnreadable } from "../archive/unreadable";
import { dumps, type Dump } from "../dump/manifest";
import { longestUnseen } from "../unseen";
import { chainKinds } from "./chainKinds";
import type { Checkpoint } from "./checkpoints";
import type { Finding } from "./findings";

export interface Departures {
  findings: Finding[];
  /** Months that no dump can tell of. */
  unverified: string[];
  /** Those among them whose dumps have left the bucket by their age. */
  left: string[];
}

export async function compareDepartures(bucket: Bucket, checkpoints: readonly Checkpoint[]): Promise<Departures> {
  const departures: Departures = { findings: [], unverified: [], left: [] };
  if (checkpoints.length === 0) return departures;
  const wrong = (message: string) => departures.findings.push({ kind: "altered-archive", message });
  const all: Found[] = [];
  for await (const found of allIn(bucket, dumpFolder)) {
    const last = all.at(-1)?.number;
    if (last !== undefined && found.number > last + 1) {
      // Where the time of the one after them is over, so is theirs: those before are held, and do not know what came to be meanwhile.
      if (await bucket.stillLockedUntil(dumpKey(found.number), found.version))
        wrong(goneBetween(dumpKey, last, found.number));
      else all.length = 0;
    }
    all.push(found);
  }
  const read = reader(bucket, wrong);
  for (const point of firstAndLast(checkpoints)) {
    const from = (before: number) => lastThat(all, read, ({ as_of }) => Date.parse(as_of) < before);
    // An hour earlier, for clocks that differ; where no dump is that old, the one just before it will do.
    const dump = (await from(point.madeAt - longestUnseen)) ?? (await from(point.madeAt));
    const names = dump && monthsOf(dump, point);
    if (names === undefined) {
      const expired = (all[0]?.number ?? 1) > 1;
      departures[expired ? "left" : "unverified"].push(
        `whether there was a month ${point.source} (no dump from before it left is in the bucket ${bucket.name})`,
      );
    } else if (!names.includes(monthOf(point)))
      departures.findings.push({
        kind: "altered-checkpoint",
        message: `checkpoint ${point.place} says that rows left with ${point.source}; there was no such month when ${dumpKey(dump!.number)} was made before (${dump!.as_of})`,
        agent: point.agent,
      });
  }
  return { ...departures, unverified: [...new Set(departures.unverified)], left: [...new Set(departures.left)] };
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

type Read = (found: Found) => Promise<Dump | undefined>;

/** Each once. */
function reader(bucket: Bucket, wrong: (message: string) => void): Read {
  const known = new Map<number, Dump | undefined>();
  return async (found) => {
    if (!known.has(found.number))
      known.set(
        found.number,
        await readOf(bucket, dumps, found).then(
          ({ manifest }) => manifest,
          (error: unknown) => {
            if (!isUnreadable(error)) throw error;
            wrong((error as Error).message);
            return undefined;
          },
        ),
      );
    return known.get(found.number);
  };
}

/** "receipts_2026_11" is of "2026-11". */
const monthOf = ({ source }: Checkpoint) => source.slice(-7).replace("_", "-");

function monthsOf(dump: Dump, { chain }: Checkpoint): string[] | undefined {
  const { table } = chainKinds[chain];
  return dump.months.find((of) => `${of.schema}.${of.table}` === table)?.names;
}
