/** Who holds which months, since when and why, and who released them: numbered and chained records in the bucket, which themselves are held. */
import * as z from "zod/mini";
import { isTaken, type Bucket } from "../archive/bucket";
import { decode, sha256 } from "../archive/decode";
import { holdFolder, numberedKey } from "../archive/keys";
import { sha256Of } from "../archive/manifest";
import { allIn, assertFollows, newestOf, readOf, type Series } from "../archive/newest";
import { Failure } from "../program";

const number = z.int().check(z.minimum(1));
const month = z.string().check(z.regex(/^\d{4}-(0[1-9]|1[0-2])$/));
const text = z.string().check(z.minLength(1));

const schema = z.object({
  format: z.literal(1),
  number,
  /** SHA-256 of the record before; null in the first. */
  previous: z.nullable(sha256),
  at: text,
  by: text,
  reason: text,
  /** Of a hold: the first and the last month in which the receipts were made. */
  months: z.optional(z.object({ from: month, to: month })),
  /** Of a release: the hold's number. */
  releases: z.optional(number),
});

type HoldRecord = z.infer<typeof schema>;
export type Act = Omit<HoldRecord, "format" | "number" | "previous" | "at">;

export interface Hold extends Omit<HoldRecord, "months"> {
  months: { from: string; to: string };
  released: HoldRecord | undefined;
}

const records: Series<HoldRecord> = {
  folder: holdFolder,
  decode(bytes, expected, where) {
    const record = decode(schema, bytes, "record of a legal hold", where);
    if (record.number === expected && (record.months === undefined) !== (record.releases === undefined)) return record;
    throw new Failure(`${where} is no record of a legal hold as this program writes it`);
  },
};

/** A record's object, by the version that counts. */
export interface HeldObject {
  key: string;
  version: string | undefined;
}

/** Every hold there ever was, with the objects of the records. @throws where a record cannot be read: its range would be forgotten */
export async function allHolds(bucket: Bucket): Promise<{ holds: Hold[]; objects: HeldObject[] }> {
  const holds = new Map<number, Hold>();
  const objects: HeldObject[] = [];
  let before: string | null = null;
  for await (const found of allIn(bucket, holdFolder)) {
    const key = numberedKey(holdFolder, found.number);
    const { manifest: record, sha256: hash } = await readOf(bucket, records, found);
    if (found.number !== objects.length + 1 || record.previous !== before)
      throw new Failure(`${key} in the bucket ${bucket.name} does not follow from the record of a hold before it`, [
        "A record was removed or altered. What is held stays held; nothing is released.",
      ]);
    before = hash;
    objects.push({ key, version: found.version });
    const { months, releases } = record;
    if (months) holds.set(record.number, { ...record, months, released: undefined });
    const released = releases === undefined ? undefined : holds.get(releases);
    if (released) released.released ??= record;
  }
  return { holds: [...holds.values()], objects };
}

/** Adds a record. Of two who try at once, one comes after the other. @returns its number */
export async function record(bucket: Bucket, act: Act): Promise<number> {
  for (;;) {
    const newest = await newestOf(bucket, records);
    if (newest) await assertFollows(bucket, holdFolder, newest.manifest);
    const next: HoldRecord = {
      format: 1,
      number: (newest?.manifest.number ?? 0) + 1,
      previous: newest ? sha256Of(newest.bytes) : null,
      at: new Date(bucket.now()).toISOString(),
      ...act,
    };
    try {
      const bytes = Buffer.from(`${JSON.stringify(next)}\n`);
      await bucket.putNew(numberedKey(holdFolder, next.number), bytes, "application/json");
      return next.number;
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  }
}
