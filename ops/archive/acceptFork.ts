/** A fork that somebody has looked into: the chain goes on in the bucket from the last place that both branches have. */
import type pg from "pg";
import { Failure } from "../program";
import { actorOf, laneOf } from "../verify/chainName";
import type { Bucket } from "./bucket";
import { archivedKinds, ofChain, ownerOf, type ArchivedChain } from "./chains";
import type { Flaw, Place } from "./follow";
import { manifestKey } from "./keys";
import { readLine } from "./lines";
import type { Manifest } from "./manifest";
import { allManifests, readManifest } from "./newest";
import type { Ends } from "./plan";
import { readSegment } from "./segment";

export interface Acceptance extends ArchivedChain {
  /** The last place that both branches have; 0 where they have none. */
  seq: number;
  by: string;
  reason: string;
}

/** As the manifest records it. */
export type AcceptedFork = NonNullable<Manifest["archive"]["forks"]>[number];

/**
 * Checks that the chain forked right after that place, or ends there, and sets where it stands in the bucket back to it.
 * @param head where the chain ends in the database
 */
export async function acceptFork(
  client: pg.Client,
  bucket: Bucket,
  ends: Ends,
  newest: number,
  head: Pick<Place, "seq" | "seal"> | undefined,
  { chain, agent, seq, by, reason }: Acceptance,
): Promise<AcceptedFork> {
  const owner = ownerOf({ chain, agent });
  const { noun, table, seq: place, seal: sealColumn } = archivedKinds[chain];
  const end = ends[chain].get(agent);
  if (!end || seq >= end.seq)
    throw new Failure(
      `the bucket has the chain of ${noun}s of ${owner} up to ${end?.seq ?? 0}: a fork is accepted from an earlier place on, not from ${seq}`,
    );
  const inBucket = async (of: number) => (of === 0 ? "" : await sealInBucket(bucket, newest, { chain, agent }, of));
  const [common, next] = [await inBucket(seq), await inBucket(seq + 1)];
  if (common === undefined)
    throw new Failure(`${noun} ${seq} of ${owner} is in no segment of the bucket ${bucket.name}`);
  const { rows } = await client.query<{ seal: string }>(
    `select encode(${sealColumn}, 'hex') as seal from ${table} where ${place} = $2${ofChain(chain, agent, 1)}`,
    [agent, seq + 1],
  );
  const endsHere = (head?.seq ?? 0) === seq && (head?.seal.toString("hex") ?? "") === common;
  if (rows.length === 0 && !endsHere)
    throw new Failure(
      `the chain of ${owner} has no ${noun} ${seq + 1} here, and does not end with the one before it: it ends at ${head?.seq ?? 0}`,
    );
  if (rows.some(({ seal }) => seal === next))
    throw new Failure(
      `${noun} ${seq + 1} of ${owner} is the same here and in the bucket: name the last place that both have`,
    );
  setBack(ends, { chain, agent, seq, seal: common });
  const left = { last: end.seq, seal: end.seal.toString("hex") };
  return { chain, agent, seq, seal: common, left, by, at: new Date().toISOString(), reason };
}

/** Where a chain stands once the branch was left that the bucket had. */
export function setBack(
  ends: Ends,
  { chain, agent, seq, seal }: Pick<AcceptedFork, "chain" | "agent" | "seq" | "seal">,
) {
  if (seq === 0) ends[chain].delete(agent);
  else ends[chain].set(agent, { seq, seal: Buffer.from(seal, "hex"), hash: undefined });
}

/** For people: the command that goes on without what was left, once it is known what that was. */
export function sayHowToAccept({ chain, agent, seq, last }: Flaw): string {
  const lane = laneOf(agent);
  const which = { receipts: "", history: " --changes", imports: " --imports" }[chain];
  // Of a chain that is shorter here the last place is the one before what it lacks, unless it forked before that.
  const at = last === undefined ? "<the last place that both have>" : String(seq - 1);
  return `once it is known what ${ownerOf({ chain, agent })} has in the bucket alone: archive --accept-fork ${shellWord(actorOf(agent))}${lane === "0" ? "" : ` --lane ${shellWord(lane)}`}${which} --at ${at} --by <name> --reason <text>`;
}

/**
 * A word of a command, as bash and zsh read it: an agent has the name that whoever asks for decisions gave it, and who pastes
 * the command must run nothing of that.
 */
function shellWord(text: string): string {
  if (/^\d+$/.test(text)) return text;
  if (/^[\w .:@/+-]*$/.test(text)) return `"${text}"`;
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'");
  return `$'${escaped.replaceAll("!", "\\x21")}'`;
}

/** The seal at a place of a chain, in the newest segment up to a manifest's that has it. */
async function sealInBucket(
  bucket: Bucket,
  upTo: number,
  { chain, agent }: ArchivedChain,
  seq: number,
): Promise<string | undefined> {
  const found = [];
  for await (const one of allManifests(bucket)) if (one.number <= upTo) found.push(one);
  for (const one of found.toReversed()) {
    const { archive } = (await readManifest(bucket, one)).manifest;
    const has = archive.pieces.some((p) => p.chain === chain && p.agent === agent && p.first <= seq && seq <= p.last);
    if (!has) continue;
    let seal: string | undefined;
    for await (const lines of readSegment(bucket, archive.segment))
      for (const bytes of lines) {
        const read = readLine(bytes);
        if (read.chain === chain && read.line.agent === agent && read.line.seq === seq)
          seal = read.line.seal.toString("hex");
      }
    return seal;
  }
  return undefined;
}

export const sayFork = ({ chain, agent, seq, left, by, at }: AcceptedFork): string =>
  `${ownerOf({ chain, agent })} after ${archivedKinds[chain].noun} ${seq} (left: ${seq + 1} to ${left.last}), by ${by} at ${at}`;

/** For people: in a bucket that somebody else wrote to, an accepted fork may be theirs. */
export function sayForks(forks: readonly AcceptedFork[]): string {
  const each = forks.map(sayFork);
  const more = each.length > 5 ? ` and ${each.length - 5} more` : "";
  return `${each.length} accepted ${each.length === 1 ? "fork" : "forks"}: ${each.slice(0, 5).join("; ")}${more}`;
}

/** What is wrong with forks that a manifest says were accepted, by the segments before it. */
export async function wrongForks(bucket: Bucket, { archive: { number, forks = [] } }: Manifest): Promise<string[]> {
  const wrong: string[] = [];
  for (const { chain, agent, seq, seal } of forks)
    if (seq === 0 ? seal !== "" : (await sealInBucket(bucket, number - 1, { chain, agent }, seq)) !== seal)
      wrong.push(
        `${manifestKey(number)} accepts a fork of ${ownerOf({ chain, agent })} from a place that no segment has so`,
      );
  return wrong;
}
