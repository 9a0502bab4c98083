/**
 * A manifest: what a segment holds, where every chain stands in the bucket after it, and the hash of the manifest before. It is an
 * anchor as well (docs/chain.md), with one more entry: `verify --anchors` reads it as it is.
 */
import { createHash } from "node:crypto";
import * as z from "zod/mini";
import { anchorDigest, anchorSchema, ofBeforeSchema } from "../anchorFormat";
import { Failure } from "../program";
import { archivedNames } from "./chains";
import { count, decode, sha256 } from "./decode";
import { lockSchema } from "./lock";
import { compressedSchema } from "./stored";

const place = z.int().check(z.minimum(1));
const seal = z.string().check(z.regex(/^([0-9a-f]{64})?$/));
const chain = z.enum(archivedNames);

export const forksSchema = z.array(
  z.object({
    chain,
    agent: z.string(),
    seq: count,
    seal,
    left: z.object({ last: place, seal: sha256 }),
    by: z.string(),
    at: z.string(),
    reason: z.string(),
  }),
);

const archiveSchema = z.object({
  /** Of this entry and of the segment. */
  format: z.literal(1),
  number: place,
  /** SHA-256 of the manifest before; null in the first. */
  previous: z.nullable(sha256),
  environment: z.string(),
  /** The newest migration. */
  schema: z.object({ number: count, sha256 }),
  /** Where the server's log stood: what it replays up to there shows at least what the segment has. */
  lsn: z.string(),
  /** Whether the segment reaches every head. */
  complete: z.boolean(),
  segment: compressedSchema,
  /** What was demanded of its lock and of this manifest's; missing where nothing was. */
  lock: z.optional(lockSchema),
  ofBefore: z.optional(ofBeforeSchema),
  /** What is in the segment, in its order: rows `first` to `last` of a chain, which follow from the seal `from` and end with `to`. */
  pieces: z.array(
    z.object({
      chain,
      agent: z.string(),
      first: place,
      last: place,
      rows: count,
      from: seal,
      to: seal,
      /** Rows that had left the database before they were archived; a checkpoint stands for them. */
      elsewhere: z.optional(
        z.array(
          z.object({ first: place, last: place, source: z.string(), seal: sha256, hash: z.nullable(z.string()) }),
        ),
      ),
    }),
  ),
  /** Chains that forked, and go on from `seq` in another branch than the one that the bucket had up to `left`; who accepted that, and why. */
  forks: z.optional(forksSchema),
  /** The newest manifest before this one that has `forks`; missing where there is none. */
  forksBefore: z.optional(place),
  /** What is wrong with the rows of this segment, and with chains that are no longer those of the bucket. */
  flaws: z.array(
    z.object({
      kind: z.enum(["altered", "missing", "twice", "head", "late", "fork"]),
      chain,
      agent: z.string(),
      seq: place,
      last: z.optional(place),
      says: z.string(),
    }),
  ),
  /** How many flaws the rows of this and all earlier segments have. */
  flawsSoFar: count,
});

const schema = z.extend(anchorSchema, { archive: archiveSchema });

export type Manifest = z.infer<typeof schema>;

/** What the next one names as `forksBefore`. */
export const forksUpTo = ({ archive: { number, forks, forksBefore } }: Manifest): number | undefined =>
  forks ? number : forksBefore;

/** As it is stored: one line. */
export const encodeManifest = (manifest: Manifest): Buffer => Buffer.from(`${JSON.stringify(manifest)}\n`);

export const sha256Of = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** One that is read before the chains that it names, which follow from the rows. */
export function draftOf(document: unknown, where: string): Manifest {
  return decode(schema, Buffer.from(JSON.stringify(document)), "manifest", `a manifest in ${where}`);
}

/** Reads one, and checks what it says of itself. */
export function decodeManifest(bytes: Buffer, number: number, where: string): Manifest {
  const manifest = decode(schema, bytes, "manifest", where);
  if (manifest.archive.number !== number)
    throw new Failure(`${where} says that it is manifest ${manifest.archive.number}: it is not where it was written`);
  if (anchorDigest(manifest) !== manifest.digest)
    throw new Failure(`${where} was altered: its digest does not fit its chains`);
  return manifest;
}
