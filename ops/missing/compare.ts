/**
 * Whether a replica has what the bucket has, before it is promoted: each chain up to where the bucket has it, and the
 * same one.
 */
import { createHash } from "node:crypto";
import type pg from "pg";
import { archivedKinds, archivedNames, ofChain, ownerOf, type ArchivedChain } from "../archive/chains";
import type { Bucket } from "../archive/bucket";
import { endsOf } from "../archive/ends";
import { genesis, type Place } from "../archive/follow";
import type { Manifest } from "../archive/manifest";
import { assertReaches, newestManifest, readableFrom, segmentManifests } from "../archive/newest";
import { toldManifest } from "../archive/report";
import { isUnreadable } from "../archive/unreadable";
import type { Log } from "../log";
import { isFenced } from "../migrate/fence";
import { takeAnchor } from "../takeAnchor";
import { readServer } from "../verify/server";
import { inSnapshot } from "../verify/session";
import { nameReceipts, type MissingReceipt } from "./receipts";
import { standbyProblems } from "./standby";

export interface Compared {
  /** The manifest that was compared, and when it was written; undefined where there is none. */
  upTo: { number: number; at: string } | undefined;
  /**
   * When the monitor wrote last into what the database has: what was acknowledged before that is here. Undefined:
   * never.
   */
  heartbeat: Date | undefined;
  /** How many rows of each kind only the bucket has. */
  lacking: { receipts: number; changes: number; imports: number };
  /** Those receipts, as far as their segments can be read. */
  receipts: MissingReceipt[];
  /** Chains that are not those of the bucket, and why more can be missing than is told: a sentence each. */
  problems: string[];
  /** Of all that is wrong, and of nothing else: who accepts it accepts no more than that. */
  digest: string;
  /** Whether this server was promoted before, and has archived since: what it lacks was decided then. */
  decided: boolean;
}

/** What of a chain only the bucket has. */
interface Gap extends ArchivedChain {
  from: number;
  to: number;
}

/** @param lagSeconds that the last heartbeat may be older than the newest manifest */
export async function compare(client: pg.Client, bucket: Bucket, lagSeconds: number, log: Log): Promise<Compared> {
  const problems = await standbyProblems(client, { log, signal: bucket.signal });
  const told = await toldManifest(client);
  const heartbeat = await lastHeartbeat(client);
  const here = endsOf(await takeAnchor(client));
  const server = await readServer(client);
  const attempt = <T>(work: () => T | Promise<T>) => unlessUnreadable(bucket, problems, work);

  const before = problems.length;
  const manifest = await newestReadable(bucket, attempt);
  const unread = problems.length > before;
  if (!manifest && !unread)
    problems.push(`nothing was archived into the bucket ${bucket.name}: what the database lacks cannot be told`);
  await attempt(() => assertReaches(bucket, "manifest", manifest?.archive.number ?? 0, told));

  const inBucket = endsOf(manifest);
  const gaps: Gap[] = [];
  await inSnapshot(client, async () => {
    for (const chain of archivedNames)
      for (const [agent, end] of inBucket[chain]) {
        const head = here[chain].get(agent) ?? genesis;
        if (end.seq > head.seq) gaps.push({ chain, agent, from: head.seq + 1, to: end.seq });
        else if (!(await isSame(client, { chain, agent }, end, head)))
          problems.push(
            `${archivedKinds[chain].noun} ${end.seq} of ${ownerOf({ chain, agent })} is another one than the bucket's: the chain has forked`,
          );
      }
  });
  // Who shows the fence has all that was accepted before it; the archiver goes on behind it, and heartbeats do not.
  if (manifest && !(gaps.length === 0 && (await isFenced(client))))
    problems.push(...lagging(heartbeat, manifest.as_of, lagSeconds));
  const receipts: MissingReceipt[] = [];
  const ofReceipts = new Map(gaps.filter(({ chain }) => chain === "receipts").map((gap) => [gap.agent, gap]));
  if (manifest) await attempt(() => nameReceipts(bucket, manifest, ofReceipts, receipts));
  const rows = (of: Gap["chain"]) =>
    gaps.filter(({ chain }) => chain === of).reduce((sum, { from, to }) => sum + to - from + 1, 0);
  return {
    upTo: manifest && { number: manifest.archive.number, at: manifest.as_of },
    heartbeat,
    lacking: { receipts: rows("receipts"), changes: rows("history"), imports: rows("imports") },
    receipts,
    problems,
    digest: digestOf({ gaps, problems }),
    decided:
      server.timeline > firstTimeline &&
      manifest?.server.timeline === server.timeline &&
      manifest.server.system === server.system &&
      !(await inRecovery(client)),
  };
}

/** That of a server that was never promoted. */
const firstTimeline = 1;

const digestOf = (wrong: { gaps: Gap[]; problems: string[] }): string =>
  `missing-${createHash("sha256").update(JSON.stringify(wrong)).digest("hex").slice(0, 12)}`;

/** What the bucket cannot tell: by how much the replica lagged when the archiver was last there. */
function lagging(heartbeat: Date | undefined, archivedAt: string, most: number): string[] {
  if (!heartbeat) return ["the replica has no heartbeat of the monitor: how far it lagged cannot be told"];
  const seconds = Math.floor((Date.parse(archivedAt) - heartbeat.getTime()) / 1000);
  if (seconds <= most) return [];
  return [
    `the replica's last heartbeat is ${seconds} s older than the newest manifest, and failoverLagSeconds is ${most}`,
  ];
}

/** Whether it is a standby. */
export const inRecovery = async (client: pg.Client): Promise<boolean> =>
  (await client.query<{ standby: boolean }>("select pg_is_in_recovery() as standby")).rows[0]!.standby;

type Attempt = <T>(work: () => T | Promise<T>) => Promise<T | undefined>;

/** Where the newest cannot be read, the one before it still tells most of what is missing. */
async function newestReadable(bucket: Bucket, attempt: Attempt): Promise<Manifest | undefined> {
  const read = await attempt(async () => ({ newest: await newestManifest(bucket) }));
  if (read) return read.newest?.manifest;
  for await (const manifest of readableFrom(bucket, segmentManifests)) return manifest;
  return undefined;
}

/** What cannot be read is told, and keeps nothing else from being compared; S3 that does not answer is a failure as ever. */
async function unlessUnreadable<T>(
  bucket: Bucket,
  problems: string[],
  work: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    bucket.signal.throwIfAborted();
    if (!isUnreadable(error)) throw error;
    problems.push((error as Error).message);
    return undefined;
  }
}

async function lastHeartbeat(client: pg.Client): Promise<Date | undefined> {
  return (await client.query<{ at: Date }>("select at from audit.heartbeat")).rows[0]?.at;
}

/** Whether the row at the bucket's end of a chain is the database's too. One that has left with its month was compared when it left. */
async function isSame(client: pg.Client, { chain, agent }: ArchivedChain, end: Place, head: Place): Promise<boolean> {
  if (end.seq === head.seq) return end.seal.equals(head.seal);
  const { table, seq, seal } = archivedKinds[chain];
  // It is among the newest, and places have no index.
  const order = chain === "receipts" ? " order by created_at desc" : "";
  const { rows } = await client.query<{ seal: Buffer }>(
    `select ${seal} as seal from ${table} where ${seq} = $2${ofChain(chain, agent, 1)}${order} limit 1`,
    [agent, end.seq],
  );
  return rows[0] === undefined || end.seal.equals(rows[0].seal);
}
