/** A dump's manifest: every part, in which object it is, and with which segments it goes. */
import * as z from "zod/mini";
import { Failure } from "../program";
import { count, decode, sha256 } from "../archive/decode";
import { dumpFolder } from "../archive/keys";
import { lockSchema } from "../archive/lock";
import type { Series } from "../archive/newest";
import { compressedSchema } from "../archive/stored";

const time = z.string().check(z.refine((text) => !Number.isNaN(Date.parse(text))));

const partSchema = z.object({
  schema: z.string(),
  table: z.string(),
  /** Of a monthly table: which month. */
  month: z.optional(z.string()),
  /** In the order in which they are in the object's rows. */
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  /** What a change of the part changes: how many rows there are, and which versions of them. */
  rows: count,
  versions: z.string(),
  /** When it was written: a dump before this one may have done so, and nothing has changed since. */
  written: time,
  /** Undefined where there is no row. */
  object: z.optional(compressedSchema),
  /** How that was to be locked when it was written, where that was demanded. */
  lock: z.optional(lockSchema),
});

const schema = z.object({
  format: z.literal(1),
  number: z.int().check(z.minimum(1)),
  /** SHA-256 of the dump's manifest before; null in the first. */
  previous: z.nullable(sha256),
  environment: z.string(),
  /** The newest migration. */
  schema: z.object({ number: count, sha256 }),
  lsn: z.string(),
  /** What it shows the state of. */
  as_of: time,
  /** When every part was last compared, the large ones too. */
  whole: time,
  /** The newest manifest of segments by then: what these hold was there. 0: there was none. */
  manifest: count,
  /** Months that tables are divided by, receipts too. */
  months: z.array(z.object({ schema: z.string(), table: z.string(), names: z.array(z.string()) })),
  sequences: z.array(z.object({ schema: z.string(), name: z.string(), last: z.nullable(z.string()) })),
  /** Tables that are not in it, and why. */
  left_out: z.record(z.string(), z.string()),
  parts: z.array(partSchema),
  /** How this manifest was to be locked, where that was demanded; parts say that of their own. */
  lock: z.optional(lockSchema),
});

export type Dump = z.infer<typeof schema>;
export type Part = z.infer<typeof partSchema>;

export const decodePart = (bytes: Buffer, where: string): Part =>
  decode(partSchema, bytes, "note of a dump's part", where);

export const encodeDump = (dump: Dump): Buffer => Buffer.from(`${JSON.stringify(dump)}\n`);

export const dumps: Series<Dump> = {
  folder: dumpFolder,
  decode(bytes, number, where) {
    const dump = decode(schema, bytes, "manifest of a dump", where);
    if (dump.number !== number)
      throw new Failure(`${where} says that it is dump ${dump.number}: it is not where it was written`);
    return dump;
  },
};
