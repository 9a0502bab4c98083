/** Whether the bucket has a month of the database for good: in archives that are there, are locked, and are whole to the last row. */
import type { Bucket } from "../archive/bucket";
import { monthKey } from "../archive/keys";
import type { Manifest } from "../archive/manifest";
import { isUnreadable } from "../archive/unreadable";
import { Failure } from "../program";
import { checkMonth } from "./check";
import { allMonths, type FoundMonth } from "./find";
import { Stretches } from "./stretches";

export interface Evidence {
  stretches: Stretches;
  /** What the newest archive shows the state of; undefined where there is none. */
  until: string | undefined;
}

/** Reads the archives that have rows of the month. @throws where one of them does not prove what it should */
export async function evidenceOf(bucket: Bucket, month: string): Promise<Evidence> {
  const stretches = new Stretches(month);
  let until: string | undefined;
  let begun = false;
  for await (const found of allMonths(bucket)) {
    bucket.signal.throwIfAborted();
    if (!found.month) throw refusal(month, found.problems);
    until = found.month.as_of;
    if (found.month.made[month]) {
      begun = true;
      await readThrough(bucket, found, stretches);
    } else if (begun) for (const fork of found.month.forks) stretches.fork(fork);
  }
  return { stretches, until };
}

async function readThrough(bucket: Bucket, found: FoundMonth, stretches: Stretches): Promise<void> {
  const month = found.month!;
  const manifestKey = monthKey(month.number);
  if (found.problems.length > 0 || !found.object) throw refusal(stretches.month, found.problems);
  const problems: string[] = [];
  for (const [key, version] of [
    [month.object.key, found.object.version],
    [manifestKey, found.version],
  ] as const)
    if (!(await isLocked(bucket, key, version))) problems.push(`${key} is not locked (any more)`);
  const taker = {
    manifest: ({ archive: { forks = [] } }: Manifest) => forks.forEach((fork) => stretches.fork(fork)),
    row: stretches.take.bind(stretches),
  };
  try {
    for await (const { problems: wrong, manifest } of checkMonth(bucket, month, taker, found.object.version)) {
      const missing = manifest?.archive.flaws.filter(({ kind }) => kind === "missing") ?? [];
      problems.push(...wrong, ...missing.map(({ says }) => says));
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    problems.push(`${month.object.key}: ${(error as Error).message}`);
  }
  if (problems.length > 0) throw refusal(stretches.month, problems);
}

const hourMs = 3_600_000;

async function isLocked(bucket: Bucket, key: string, version: string | undefined): Promise<boolean> {
  const until = await bucket.lockedUntil(key, version);
  return until !== undefined && until.getTime() > Date.now() + hourMs;
}

const refusal = (month: string, problems: readonly string[]) =>
  new Failure(`${month} stays in the database: the bucket does not prove that it has all of it`, [
    ...problems,
    "docs/backups.md says what a month needs to leave.",
  ]);
