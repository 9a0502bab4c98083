/** What the next segment takes: for each chain that has grown what it gained, those that gained least first. */
import type { Head } from "../verify/chainHeads";
import { archivedKinds, archivedNames, nameOf, ownerOf, type ArchivedChain, type ArchivedName } from "./chains";
import { genesis, type Elsewhere, type Flaw, type Piece, type Place } from "./follow";

/** Where each chain stands in the bucket, by agent. */
export type Ends = Record<ArchivedName, Map<string, Place>>;

/** What the database shows of the chains: where each ends, and the checkpoints that stand for rows which are gone. */
export interface Trail {
  heads: Record<ArchivedName, ReadonlyMap<string, Pick<Head, "seq" | "seal" | "hash">>>;
  checkpoints: Record<ArchivedName, ReadonlyMap<string, readonly Elsewhere[]>>;
}

export interface Plan {
  pieces: Piece[];
  /** Chains that are behind what the bucket has, or not the same. */
  forks: Flaw[];
  /** Whether the pieces reach every head. */
  complete: boolean;
}

/** @param left chains that are left alone, since nothing can be taken of them: see `nameOf` */
export function planSegment(
  { heads, checkpoints }: Trail,
  ends: Ends,
  left: ReadonlySet<string>,
  mostRows: number,
): Plan {
  const forks: Flaw[] = [];
  const grown: Piece[] = [];
  for (const chain of archivedNames) {
    for (const [agent, end] of ends[chain]) {
      const fork = forkOf({ chain, agent }, end, heads[chain].get(agent));
      if (fork) forks.push(fork);
    }
    for (const [agent, { seq, seal, hash }] of heads[chain]) {
      const from = ends[chain].get(agent) ?? genesis;
      const of = checkpoints[chain].get(agent) ?? [];
      if (seq > from.seq && !left.has(nameOf({ chain, agent })))
        grown.push({
          chain,
          agent,
          from,
          last: seq,
          head: { seq, seal, hash },
          beyond: 0,
          checkpoints: of,
          repeated: isHere(from.seq, of),
        });
    }
  }
  // One agent's flood, or an old database's millions, keep no other chain waiting.
  grown.sort((a, b) => gain(a) - gain(b));
  const pieces: Piece[] = [];
  let room = mostRows;
  for (const piece of grown) {
    if (room === 0) break;
    const taken = Math.min(room, gain(piece));
    const beyond = gain(piece) - taken;
    pieces.push(beyond === 0 ? piece : { ...piece, last: piece.last - beyond, head: undefined, beyond });
    room -= taken;
  }
  return { pieces, forks, complete: pieces.length === grown.length && pieces.every(({ head }) => head) };
}

/** Whether there is a row of a place that a chain has reached: it has not left the database with its month. */
const isHere = (seq: number, checkpoints: readonly Elsewhere[]): boolean =>
  seq > 0 && !checkpoints.some(({ first, last }) => first <= seq && seq <= last);

const gain = ({ from, last }: Piece): number => last - from.seq;

/** A chain never goes back, and its head's place never gets another seal: unless the server lost rows in a failover, or was restored. */
function forkOf(of: ArchivedChain, end: Place, head: Pick<Head, "seq" | "seal"> | undefined): Flaw | undefined {
  const { noun } = archivedKinds[of.chain];
  const where = { ...of, kind: "fork" } as const;
  if (!head || head.seq < end.seq) {
    const says = `the chain ends at ${noun} ${head?.seq ?? 0}; the bucket has it up to ${end.seq}, seal ${end.seal.toString("hex")} (${ownerOf(of)})`;
    return { ...where, seq: (head?.seq ?? 0) + 1, last: end.seq, says };
  }
  if (head.seq > end.seq || head.seal.equals(end.seal)) return undefined;
  const says = `${noun} ${end.seq} has the seal ${head.seal.toString("hex")} here and ${end.seal.toString("hex")} in the bucket (${ownerOf(of)})`;
  return { ...where, seq: end.seq, says };
}
