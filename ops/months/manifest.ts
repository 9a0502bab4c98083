/** The manifest of a month's archive: which manifests of segments it was made of, where chains stood before and after, what it holds. */
import * as z from "zod/mini";
import { anchorSchema } from "../anchorFormat";
import { count, decode, sha256 } from "../archive/decode";
import { monthFolder } from "../archive/keys";
import { lockSchema } from "../archive/lock";
import { forksSchema } from "../archive/manifest";
import type { Series } from "../archive/newest";
import { compressedSchema } from "../archive/stored";
import { Failure } from "../program";

const standing = z.pick(anchorSchema, { chains: true, imports: true });
const number = z.int().check(z.minimum(1));
const month = z.string().check(z.regex(/^\d{4}-\d\d$/));

const schema = z.object({
  format: z.literal(1),
  number,
  /** SHA-256 of the manifest of the month before; null in the first. */
  previous: z.nullable(sha256),
  environment: z.string(),
  /** In which its segments were written. */
  month,
  /** The manifests that are in it with their segments, with the SHA-256 of the last, and of the one before the first. */
  manifests: z.object({
    first: number,
    last: number,
    sha256,
    before: z.nullable(sha256),
    /** The newest up to the last that accepts a fork. */
    forks: z.optional(number),
  }),
  /** Of the last of those: what they show the state of. */
  as_of: z.string(),
  object: compressedSchema,
  /** As in manifests of segments. */
  lock: z.optional(lockSchema),
  /** How many rows are of receipts that were made in which month: what a search by time reads it for. */
  made: z.record(month, z.object({ receipts: count, changes: count })),
  /** Chains that go on in another branch from a place on, which may be of a month before. */
  forks: forksSchema,
  checkpoint: anchorSchema.shape.checkpoint,
  /** Where every chain stood before it, and after it. */
  from: standing,
  to: standing,
});

export type Month = z.infer<typeof schema>;

export const encodeMonth = (month: Month): Buffer => Buffer.from(`${JSON.stringify(month)}\n`);

export const months: Series<Month> = {
  folder: monthFolder,
  decode(bytes, number, where) {
    const month = decode(schema, bytes, "manifest of a month", where);
    if (month.number !== number)
      throw new Failure(`${where} says that it is month ${month.number}: it is not where it was written`);
    return month;
  },
};
