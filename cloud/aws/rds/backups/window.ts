/** Which moments a backup leads to, and by what. */
import type { Base } from "./base";
import { firstMissing, type Segment } from "./segments";

export interface Contents {
  /** The oldest first, both. */
  bases: readonly Base[];
  segments: readonly Segment[];
}

export interface Window {
  earliest: Date;
  latest: Date;
}

/**
 * A segment's time is that of its last write; a commit may carry a time that is a little older than the write before it, by as
 * long as the disk took.
 */
const writeMs = 1000;

/** Undefined while there is no base backup with log beyond it. */
export function windowOf({ bases, segments }: Contents): Window | undefined {
  const [base, segment] = [bases[0], segments.at(-1)];
  if (base === undefined || segment === undefined) return undefined;
  const earliest = new Date(base.endedAt);
  const latest = new Date(Math.floor((segment.writtenAt.getTime() - writeMs) / 1000) * 1000);
  return latest < earliest ? undefined : { earliest, latest };
}

export interface Plan {
  base: Base;
  /** The first segment that should be there and is not. */
  missing: string | undefined;
}

/** From what a moment is restored, or the newest one there is; undefined where no base backup leads to it. */
export function planFor(moment: Date | "latest", { bases, segments }: Contents): Plan | undefined {
  const before = bases.filter(({ endedAt }) => moment === "latest" || new Date(endedAt) <= moment);
  const base = before.at(-1);
  if (base === undefined) return undefined;
  const present = new Set(segments.map(({ name }) => name));
  // The log of the moment itself is in the first segment that was written to after it.
  const after = segments.find(
    ({ name, writtenAt }) =>
      name >= base.last && moment !== "latest" && writtenAt.getTime() - writeMs >= moment.getTime(),
  );
  const to = (after ?? segments.at(-1))?.name ?? base.last;
  return { base, missing: firstMissing(base.first, to > base.last ? to : base.last, present) };
}
