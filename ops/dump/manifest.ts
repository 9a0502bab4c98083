/** A dump's manifest: every part, in which object it is, and with which segments it goes. */
import * as z from "zod/mini";
import { Failure } from "../program";
import { dumpFolder } from "../archive/keys";
import type { Series } from "../archive/newest";
import { compressedSchema } from "../archive/stored";

const count = z.int().check(z.minimum(0));
const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));
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
});

export type Dump = z.infer<typeof schema>;
export type Part = z.infer<typeof partSchema>;

export const encodeDump = (dump: Dump): Buffer => Buffer.from(`${JSON.stringify(dump)}\n`);

export const dumps: Series<Dump> = {
  folder: dumpFolder,
  decode(bytes, number, where) {
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString("utf8"));
    } catch {
      throw new Failure(`${where} is no dump's manifest: it is not JSON`);
    }
    const parsed = schema.safeParse(value);
    if (!parsed.success)
      throw new Failure(
        `${where} is no dump's manifest that this program reads`,
        z.prettifyError(parsed.error).split("\n").slice(0, 5),
      );
    if (parsed.data.number !== number)
      throw new Failure(`${where} says that it is dump ${parsed.data.number}: it is not where it was written`);
    return parsed.data;
  },
};
