/** What a manifest does to where chains stand. */
import { setBack } from "./acceptFork";
import { archivedKinds, nameOf, ownerOf } from "./chains";
import { anchored } from "./ends";
import { genesis, type Follower } from "./follow";
import { manifestKey } from "./keys";
import type { Manifest } from "./manifest";
import type { Ends } from "./plan";

/** Chains that go on in another branch are set back first. @returns where they did not end as the manifest says of the branch that was left */
export function passForks(ends: Ends | undefined, { archive: { number, forks = [] } }: Manifest): string[] {
  return forks.flatMap((fork) => {
    const { chain, agent, left } = fork;
    const end = ends?.[chain].get(agent) ?? genesis;
    if (ends) setBack(ends, fork);
    if (!ends || (left.last === end.seq && left.seal === end.seal.toString("hex"))) return [];
    return [
      `${manifestKey(number)} says that the branch of ${ownerOf(fork)} which was left ended at ${archivedKinds[chain].noun} ${left.last}; in the segments it ends at ${end.seq}, or with another seal`,
    ];
  });
}

/** Whether a manifest counts the flaws of all segments as they are named, so that none is taken for one that is known. */
export function wrongCount({ archive }: Manifest, before: Manifest | undefined): string[] {
  if (!before && archive.previous !== null) return [];
  const taken = new Set(archive.pieces.map(nameOf));
  const named = archive.flaws.filter((flaw) => flaw.kind !== "fork" && taken.has(nameOf(flaw))).length;
  const expected = (before?.archive.flawsSoFar ?? 0) + named;
  if (archive.flawsSoFar === expected) return [];
  return [
    `${manifestKey(archive.number)} says that rows have ${archive.flawsSoFar} flaws so far; ${expected} are named up to it`,
  ];
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
