/** Where chains end in the bucket, from and into the form that anchors have. */
import { archivedNames, ofEachArchived } from "./chains";
import { genesis, type Follower, type Place } from "./follow";
import type { Manifest } from "./manifest";
import type { Ends } from "./plan";

/** What a manifest says; nothing where there is none yet. */
export function endsOf(manifest: Pick<Manifest, "chains" | "imports"> | undefined): Ends {
  const ends: Ends = ofEachArchived(() => new Map<string, Place>());
  const place = (seq: number, seal: string): Place => ({ seq, seal: Buffer.from(seal, "hex"), hash: undefined });
  for (const { agent, seq, seal, history_seq, history_seal } of manifest?.chains ?? []) {
    if (seq > 0) ends.receipts.set(agent, place(seq, seal));
    if (history_seq > 0) ends.history.set(agent, place(history_seq, history_seal));
  }
  if (manifest && manifest.imports.seq > 0) ends.imports.set("", place(manifest.imports.seq, manifest.imports.seal));
  return ends;
}

/** Where they stood before a manifest's segment. */
export function endsBefore(manifest: Manifest): Ends {
  const ends = endsOf(manifest);
  const { pieces, forks = [] } = manifest.archive;
  for (const { chain, agent, first, from } of pieces)
    ends[chain].set(agent, { seq: first - 1, seal: Buffer.from(from, "hex"), hash: undefined });
  for (const { chain, agent, left } of forks)
    ends[chain].set(agent, { seq: left.last, seal: Buffer.from(left.seal, "hex"), hash: undefined });
  for (const chain of archivedNames)
    for (const [agent, { seq }] of ends[chain]) if (seq === 0) ends[chain].delete(agent);
  return ends;
}

/** As an anchor has them. */
export function anchored({ receipts, history, imports }: Ends): Pick<Manifest, "chains" | "imports"> {
  const chains = [...new Set([...receipts.keys(), ...history.keys()])].map((agent) => {
    const [end, ofHistory] = [receipts.get(agent) ?? genesis, history.get(agent) ?? genesis];
    return {
      agent,
      seq: end.seq,
      seal: end.seal.toString("hex"),
      history_seq: ofHistory.seq,
      history_seal: ofHistory.seal.toString("hex"),
    };
  });
  const { seq, seal } = imports.get("") ?? genesis;
  return { chains, imports: { seq, seal: seal.toString("hex") } };
}

/** A piece as a manifest names it, once its rows were seen. */
export function pieceOf({ piece, at, rows, elsewhere }: Follower): Manifest["archive"]["pieces"][number] {
  const { chain, agent, from } = piece;
  return {
    chain,
    agent,
    first: from.seq + 1,
    last: at.seq,
    rows,
    from: from.seal.toString("hex"),
    to: at.seal.toString("hex"),
    ...(elsewhere.length > 0 && {
      elsewhere: elsewhere.map(({ first, last, source, seal, hash }) => ({
        first,
        last,
        source,
        seal: seal.toString("hex"),
        hash,
      })),
    }),
  };
}
