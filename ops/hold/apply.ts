/** Brings the bucket to what the records of holds say. Safe to run any number of times; what is cut off, the next run does. */
import type { Bucket } from "../archive/bucket";
import type { Log } from "../log";
import { nameOf, note, notedFor, turn } from "./held";
import { objectsOf } from "./range";
import { allHolds, type HeldObject, type Hold } from "./record";

export interface Applied {
  /** Objects that are held for each hold, by its number. */
  held: Map<number, number>;
  placed: number;
  released: number;
  problems: string[];
}

export async function applyHolds(bucket: Bucket, log: Log): Promise<Applied> {
  const { holds, objects: records } = await allHolds(bucket);
  const active = holds.filter(({ released }) => !released);
  const applied: Applied = { held: new Map(), placed: 0, released: 0, problems: [] };
  const needed = new Map<string, HeldObject>();
  const notes: HeldObject[] = [];
  for (const hold of active) {
    const objects = await holdRange(bucket, hold, applied, log);
    applied.held.set(hold.number, objects.size);
    for (const [name, object] of objects) needed.set(name, object);
  }
  for (const { number, released } of holds) {
    const noted = await notedFor(bucket, number);
    notes.push(...noted.notes);
    if (!released) continue;
    const free = [...noted.objects].filter(([name]) => !needed.has(name)).map(([, object]) => object);
    applied.released += (await turn(bucket, free, "OFF", log)).changed;
  }
  // Who held what, and why, does not expire.
  await turn(bucket, [...records, ...notes], "ON", log);
  // Somebody may have placed a hold on what was released at that moment.
  if (applied.released > 0) await holdWhatCameMeanwhile(bucket, active, log);
  return applied;
}

/** All that the hold ever held, and what came since. */
async function holdRange(bucket: Bucket, hold: Hold, applied: Applied, log: Log): Promise<Map<string, HeldObject>> {
  const { objects } = await notedFor(bucket, hold.number);
  const { objects: now, problems } = await objectsOf(bucket, hold.months);
  const fresh = now.filter((object) => !objects.has(nameOf(object)));
  if (fresh.length > 0) await note(bucket, hold.number, fresh);
  for (const object of fresh) objects.set(nameOf(object), object);
  const { changed, gone } = await turn(bucket, [...objects.values()], "ON", log);
  applied.placed += changed;
  applied.problems.push(
    ...[...problems, ...gone.map((key) => `${key} was held, and is gone`)].map((say) => `hold ${hold.number}: ${say}`),
  );
  return objects;
}

async function holdWhatCameMeanwhile(bucket: Bucket, known: readonly Hold[], log: Log): Promise<void> {
  const { holds } = await allHolds(bucket);
  for (const { number, released } of holds) {
    if (released || known.some((hold) => hold.number === number)) continue;
    await turn(bucket, [...(await notedFor(bucket, number)).objects.values()], "ON", log);
  }
}
