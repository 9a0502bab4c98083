/** What a manifest does to where chains stand. */
import { nameOf } from "./chains";
import { anchored } from "./ends";
import type { Follower } from "./follow";
import type { Manifest } from "./manifest";
import type { Ends } from "./plan";

/** Chains that go on in another branch are set back first. */
export function passForks(ends: Ends | undefined, { archive: { forks = [] } }: Manifest): void {
  for (const { chain, agent, seq, seal } of forks)
    ends?.[chain].set(agent, { seq, seal: Buffer.from(seal, "hex"), hash: seq === 0 ? null : undefined });
}

/** Chains end where the rows do. @returns where the manifest says something else */
export function passRows(ends: Ends, { archive }: Manifest, followers: readonly Follower[] = []): string[] {
  const problems: string[] = [];
  for (const { chain, agent, last: seq, to } of archive.pieces)
    ends[chain].set(agent, { seq, seal: Buffer.from(to, "hex"), hash: undefined });
  for (const { piece, at } of followers) {
    const end = ends[piece.chain].get(piece.agent);
    if (end?.seq !== at.seq || !end.seal.equals(at.seal))
      problems.push(`${archive.segment.key}: ${nameOf(piece)} ends elsewhere than its manifest says`);
    ends[piece.chain].set(piece.agent, at);
  }
  return problems;
}

/** Where chains stand, as an anchor says it. */
export type Standing = Pick<Manifest, "chains" | "imports">;

/** In the order of anchors, by the bytes of the agents' names. */
export function standing(ends: Ends): Standing {
  const stands = anchored(ends);
  stands.chains.sort((a, b) => Buffer.compare(Buffer.from(a.agent), Buffer.from(b.agent)));
  return stands;
}

export const standsAs = ({ chains, imports }: Standing, ends: Ends): boolean =>
  JSON.stringify(standing(ends)) === JSON.stringify({ chains, imports });
