/** When what is to be dumped: pure decisions. */
import type { Dump, Part } from "./manifest";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** A part that is larger, compressed, is compared once a day: a change in one row of it would have all of it written. */
const mostHourlyBytes = 16 * 1024 * 1024;

/** What a dump refers to is written anew after so long: its lock, and in the end its object, expire from its upload on. */
const longestReference = 30 * day;

export interface Due {
  /** Whether anything is to be looked at. */
  any: boolean;
  /** Whether all parts are, and a dump is written whatever they are. */
  whole: boolean;
}

/** A dump an hour at most, where something changed; one a day, whether or not. A changed schema does not wait. */
export function dueBy(now: number, newest: Dump | undefined, schemaNumber: number): Due {
  if (!newest || newest.schema.number !== schemaNumber) return { any: true, whole: true };
  const whole = now - Date.parse(newest.whole) >= day - 5 * minute;
  return { any: whole || now - Date.parse(newest.as_of) >= hour, whole };
}

/** Whether a part is to be compared with what the bucket has, or is taken as it is there. */
export const isCompared = (part: Part | undefined, { whole }: Due): boolean =>
  whole || part === undefined || (part.object?.compressed.bytes ?? 0) <= mostHourlyBytes;

/** Whether what is the same is nevertheless written anew. */
export const isOld = (now: number, { written }: Part): boolean => now - Date.parse(written) >= longestReference;
