/** Archived segments of the write-ahead log, by their names: timeline, log file and segment in it, 8 hexadecimal digits each. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

export interface Segment {
  name: string;
  /** When it was last written to: until then it has every commit. */
  writtenAt: Date;
}

/** RDS' is 64 MB; here it is initdb's default. */
const segmentBytes = 16 * 1024 ** 2;
const segmentsPerLog = 2 ** 32 / segmentBytes;

const digits = (n: number) => n.toString(16).toUpperCase().padStart(8, "0");

function nameOf(timeline: number, number: number): string {
  return [timeline, Math.floor(number / segmentsPerLog), number % segmentsPerLog].map(digits).join("");
}

/** How many segments come before it. */
function numberOf(name: string): number {
  return parseInt(name.slice(8, 16), 16) * segmentsPerLog + parseInt(name.slice(16, 24), 16);
}

/** The segment that a position is in: "0/2000028" on timeline 1 is in "000000010000000000000002". */
export function segmentOf(timeline: number, lsn: string): string {
  const [high = 0, low = 0] = lsn.split("/").map((part) => parseInt(part, 16));
  return nameOf(timeline, high * segmentsPerLog + Math.floor(low / segmentBytes));
}

/** Whether the log in a file, a segment or what belongs to one, is older than a segment's, on whatever timeline. */
export const isBefore = (file: string, segment: string): boolean => file.slice(8, 24) < segment.slice(8, 24);

/** The first segment that is missing between two of one timeline. */
export function firstMissing(from: string, to: string, present: ReadonlySet<string>): string | undefined {
  const timeline = parseInt(from.slice(0, 8), 16);
  for (let number = numberOf(from); number <= numberOf(to); number++)
    if (!present.has(nameOf(timeline, number))) return nameOf(timeline, number);
  return undefined;
}

/** What is archived in a directory, the oldest first. */
export function listSegments(wal: string): Segment[] {
  const names = existsSync(wal) ? readdirSync(wal) : [];
  return names
    .flatMap((file) => /^([0-9A-F]{24})\.gz$/.exec(file)?.[1] ?? [])
    .sort()
    .flatMap((name) => {
      const found = statSync(join(wal, `${name}.gz`), { throwIfNoEntry: false });
      return found === undefined ? [] : [{ name, writtenAt: found.mtime }];
    });
}
