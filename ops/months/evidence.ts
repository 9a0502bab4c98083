/** Whether the bucket has a month of the database for good: in archives that are there, are locked, and are whole to the last row. */
import type { Bucket } from "../archive/bucket";
import { monthKey } from "../archive/keys";
import type { Manifest } from "../archive/manifest";
import { allManifests, readManifest } from "../archive/newest";
import { isUnreadable } from "../archive/unreadable";
import { Failure } from "../program";
import { checkMonth } from "./check";
import { allMonths, type FoundMonth } from "./find";
import { Stretches } from "./stretches";

export interface Evidence {
  stretches: Stretches;
  /** What the newest archive shows the state of; without one, when the oldest segment was written; undefined where there is neither. */
  until: string | undefined;
}

/** Reads the archives that have rows of the month. @throws where one of them does not prove what it should */
export async function evidenceOf(bucket: Bucket, month: string): Promise<Evidence> {
  const stretches = new Stretches(month);
  let until: string | undefined;
  let begun = false;
  const held: Held[] = [];
  for await (const found of allMonths(bucket)) {
    bucket.signal.throwIfAborted();
    if (!found.month) throw refusal(month, found.problems);
    until = found.month.as_of;
    if (found.month.made[month]) {
      begun = true;
      held.push(...(await readThrough(bucket, found, stretches)));
    } else if (begun) for (const fork of found.month.forks) stretches.fork(fork);
  }
  // Once more: to read them may have taken hours.
  const problems = await unlocked(bucket, held);
  if (problems.length > 0) throw refusal(month, problems);
  return { stretches, until: until ?? (await beginningOf(bucket)) };
}

async function beginningOf(bucket: Bucket): Promise<string | undefined> {
  for await (const oldest of allManifests(bucket)) return (await readManifest(bucket, oldest)).manifest.as_of;
  return undefined;
}

/** @returns what must stay locked */
async function readThrough(bucket: Bucket, found: FoundMonth, stretches: Stretches): Promise<Held[]> {
  const month = found.month!;
  if (found.problems.length > 0 || !found.object) throw refusal(stretches.month, found.problems);
  const held = [
    { key: month.object.key, version: found.object.version },
    { key: monthKey(month.number), version: found.version },
  ];
  const problems = [...found.unlocked, ...(await unlocked(bucket, held))];
  const taker = {
    manifest: ({ archive: { forks = [] } }: Manifest) => forks.forEach((fork) => stretches.fork(fork)),
    row: stretches.take.bind(stretches),
  };
  try {
    for await (const { problems: wrong, manifest } of checkMonth(bucket, month, taker, found.object.version)) {
      // Known or not: the database may have the row as it was.
      const flaws = manifest?.archive.flaws.filter(({ kind }) => kind === "missing" || kind === "altered") ?? [];
      problems.push(...wrong, ...flaws.map(({ says }) => says));
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    problems.push(`${month.object.key}: ${(error as Error).message}`);
  }
  if (problems.length > 0) throw refusal(stretches.month, problems);
  return held;
}

interface Held {
  key: string;
  version: string | undefined;
}

const hourMs = 3_600_000;

/** An hour: for as long as tables may be in use (LOCK_PATIENCE_SECONDS), and more. */
async function unlocked(bucket: Bucket, held: readonly Held[]): Promise<string[]> {
  const problems: string[] = [];
  for (const { key, version } of held) {
    const { until } = (await bucket.lockOf(key, version)) ?? {};
    if (until === undefined || until.getTime() <= bucket.now() + hourMs)
      problems.push(`${key} is not locked (any more), or for less than an hour`);
  }
  return problems;
}

const refusal = (month: string, problems: readonly string[]) =>
  new Failure(`${month} stays in the database: the bucket does not prove that it has all of it`, [
    ...problems,
    "docs/backups.md says what a month needs to leave.",
  ]);
