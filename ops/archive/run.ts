/** One run: segment after segment until every chain is in the bucket up to its head. */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import type { Log } from "../log";
import { newestMigration } from "../migrate/ledger";
import { Failure } from "../program";
import { anchorOf } from "../takeAnchor";
import { inSnapshot } from "../verify/session";
import { acceptFork, type Acceptance } from "./acceptFork";
import { isTaken, type Bucket } from "./bucket";
import { nameOf, ofEachArchived, type ArchivedChain } from "./chains";
import { anchored, endsOf, pieceOf } from "./ends";
import type { Flaw, Place } from "./follow";
import { manifestFolder, manifestKey, segmentKey } from "./keys";
import { sealedSince } from "./late";
import { encodeManifest, forksUpTo, type Manifest } from "./manifest";
import { assertFollows, assertReaches, newestManifest, sayUnknown, type Newest } from "./newest";
import { planSegment, type Trail } from "./plan";
import { ofBefore } from "./ofBefore";
import { assertNotBehind, logPosition } from "./position";
import { inOrder, linesOf, type Reached } from "./rows";
import { writeSegment } from "./segment";
import { readTrail } from "./trail";

export interface Archiver {
  client: pg.Client;
  bucket: Bucket;
  /** Of the deployment: its name. */
  environment: string;
  log: Log;
  /** Rows of one segment. */
  mostRows: number;
  /** The number of the newest manifest, as the database was told. */
  told: number;
  /** A fork to be passed, before all else. */
  accept?: Acceptance | undefined;
}

export interface Outcome {
  segments: number;
  rows: number;
  /** All that was sealed before is in the bucket. */
  until: string;
  /** The newest manifest; undefined where there is nothing yet. */
  number: number | undefined;
  /** What this run found. */
  flaws: Flaw[];
  /** How many flaws the rows of all segments have. */
  flawsSoFar: number;
  /** What was done to the newest manifest since it was written. */
  touched: string | undefined;
}

export async function archive(archiver: Archiver): Promise<Outcome> {
  const { client, bucket, log } = archiver;
  const sofar = { left: new Set<string>(), reached: new Map<string, string>() };
  const flaws = new Map<string, Flaw>();
  const done = { segments: 0, rows: 0 };
  let { accept } = archiver;
  for (;;) {
    bucket.signal.throwIfAborted();
    const newest = await newestManifest(bucket);
    for (const key of newest?.unknown.slice(0, 10) ?? []) log.warn(sayUnknown(key), { bucket: bucket.name });
    if (newest) await assertFollows(bucket, manifestFolder, newest.manifest.archive);
    assertReaches(bucket, "manifest", newest?.manifest.archive.number ?? 0, archiver.told);
    await assertNotBehind(client, newest?.manifest.archive.lsn);
    const next = await inSnapshot(client, () => writeNext({ ...archiver, accept }, newest, sofar));
    const { manifest, complete } = next;
    if (manifest) {
      const { number, segment } = manifest.archive;
      try {
        await bucket.putNew(manifestKey(number), encodeManifest(manifest), "application/json");
      } catch (error) {
        if (!isTaken(error)) throw error;
        log.warn("another run was faster: the segment of this one counts for nothing", { number, orphan: segment.key });
        continue;
      }
      accept = undefined;
      done.segments++;
      done.rows += segment.rows;
      log.info("archived", { number, rows: segment.rows, bytes: segment.compressed.bytes, segment: segment.key });
    }
    for (const flaw of next.flaws) flaws.set(`${flaw.kind} ${nameOf(flaw)} ${flaw.seq}`, flaw);
    if (!complete) continue;
    const { number, flawsSoFar = 0 } = (manifest ?? newest?.manifest)?.archive ?? {};
    return { ...done, until: next.asOf, number, flaws: [...flaws.values()], flawsSoFar, touched: newest?.touched };
  }
}

interface Next {
  /** To be stored; undefined where there was no row for a segment. */
  manifest: Manifest | undefined;
  flaws: Flaw[];
  /** Whether nothing is left to be archived. */
  complete: boolean;
  /** What the snapshot shows the state of. */
  asOf: string;
}

/** What a run knows from its segments before. */
interface SoFar {
  /** Chains of which nothing can be taken. */
  left: Set<string>;
  reached: Reached;
}

/** Writes the next segment, in the snapshot that the connection is in. */
async function writeNext(
  { client, bucket, environment, mostRows, accept }: Archiver,
  newest: Newest | undefined,
  { left, reached }: SoFar,
): Promise<Next> {
  const previous = newest?.manifest.archive;
  const lsn = await logPosition(client);
  const ends = endsOf(newest?.manifest);
  const { asOf, ...trail } = await readTrail(client);
  const head = accept && trail.heads[accept.chain].get(accept.agent);
  const forked = accept && (await acceptFork(client, bucket, ends, previous?.number ?? 0, head, accept));
  const plan = planSegment(forked ? onlyOf(trail, forked) : trail, ends, left, mostRows);
  const { pieces } = plan;
  // All other chains come next.
  const [forks, complete] = forked ? [[], false] : [plan.forks, plan.complete];
  // What is cut off is accepted in a manifest of its own, with a segment of nothing.
  const empty = forked !== undefined && pieces.length === 0;
  if (pieces.length === 0 && !empty) return { manifest: undefined, flaws: forks, complete, asOf };

  const number = (previous?.number ?? 0) + 1;
  const key = segmentKey(asOf.slice(0, 10), number, randomBytes(6).toString("hex"));
  const ordered = inOrder(pieces).map((piece) => ({
    ...piece,
    sealedSince: sealedSince(newest?.manifest, piece, forked ? [forked] : []),
  }));
  const { segment, followers } = await writeSegment(bucket, key, ordered, linesOf(client, ordered, reached), { empty });
  const taken = followers.filter(({ rows }) => rows > 0);
  for (const { piece, rows } of followers) if (rows === 0) left.add(nameOf(piece));
  const flaws = [...forks, ...followers.flatMap((follower) => follower.flaws)];
  const refused = forked && flaws.find(({ kind }) => kind === "fork");
  if (refused) throw new Failure(`the fork is not accepted from place ${forked.seq} on: ${refused.says}`);
  if (!segment) return { manifest: undefined, flaws, complete, asOf };

  for (const { piece, at, createdAt } of taken) {
    ends[piece.chain].set(piece.agent, at);
    if (createdAt !== undefined) reached.set(nameOf(piece), createdAt);
  }
  const anchor = await anchorOf(client, anchored(ends));
  const seen = new Set(taken.map(({ piece }) => nameOf(piece)));
  const isHere = (of: ArchivedChain, end: Place) =>
    seen.has(nameOf(of)) || isSame(trail.heads[of.chain].get(of.agent), end);
  const manifest: Manifest = {
    ...anchor,
    archive: {
      format: 1,
      number,
      previous: newest?.sha256 ?? null,
      environment,
      schema: await newestMigration(client),
      lsn,
      complete,
      segment,
      ...(bucket.lock && { lock: bucket.lock }),
      ofBefore: ofBefore(newest?.manifest, anchor.server, ends, isHere),
      pieces: taken.map(pieceOf),
      ...(forked && { forks: [forked] }),
      forksBefore: newest && forksUpTo(newest.manifest),
      flaws,
      flawsSoFar: (previous?.flawsSoFar ?? 0) + taken.reduce((sum, follower) => sum + follower.flaws.length, 0),
    },
  };
  return { manifest, flaws, complete, asOf };
}

const isSame = (head: Pick<Place, "seq" | "seal"> | undefined, end: Place): boolean =>
  head?.seq === end.seq && head.seal.equals(end.seal);

/** One chain alone. */
function onlyOf({ heads, checkpoints }: Trail, { chain, agent }: ArchivedChain): Trail {
  const head = heads[chain].get(agent);
  const only = ofEachArchived((name) => new Map(name === chain && head ? [[agent, head]] : []));
  return { heads: only, checkpoints };
}
