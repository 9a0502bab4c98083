/** Rows that say they were stored before an anchor that does not know them: made up for the past, with whatever right seals. */
import type { Anchor } from "../anchorFormat";
import { longestUnseen } from "../unseen";
import type { StretchRow } from "./chain";
import { chainKinds, ofEachChain, type ChainName } from "./chainKinds";
import { named, type Finding } from "./findings";

interface Known {
  anchor: Anchor;
  /** In microseconds since 1970: what it does not know was stored later. */
  since: number;
  ends: Record<ChainName, Map<string, number>>;
}

export interface Late {
  chain: ChainName;
  agent: string;
  message: string;
  seq: number;
  at: string;
  seal: string;
}

export class AfterAnchors {
  readonly #anchors: Known[] = [];
  /** The first of each chain: those that follow it are as late. */
  readonly late: Late[] = [];

  add(anchor: Anchor): void {
    // A manifest whose segment had not room for all rows does not show what else there was.
    if (anchor.archive?.complete === false) return;
    const ends: Known["ends"] = ofEachChain(() => new Map());
    for (const { agent, seq, history_seq } of anchor.chains) {
      ends.receipts.set(agent, seq);
      ends.history.set(agent, history_seq);
    }
    this.#anchors.push({ anchor, since: (Date.parse(anchor.as_of) - longestUnseen) * 1000, ends });
  }

  /** Places that are to be looked at; of agents that no anchor names it is the first, which is read anyhow. */
  places(name: ChainName): [agent: string, seq: number][] {
    return this.#anchors.flatMap(({ ends }) =>
      [...ends[name]].map(([agent, seq]): [string, number] => [agent, seq + 1]),
    );
  }

  look(chain: ChainName, { agent, seq, clock, at, seal }: StretchRow): void {
    const place = Number(seq);
    if (clock === null || this.late.some((other) => other.chain === chain && other.agent === agent)) return;
    const known = this.#anchors.find(
      ({ ends, since }) => (ends[chain].get(agent) ?? 0) + 1 === place && Number(clock) < since,
    );
    if (!known) return;
    const { as_of, source } = known.anchor;
    const stored = new Date(Number(clock) / 1000).toISOString();
    const message = `${chainKinds[chain].noun} ${place} of ${named(agent)} says that it was stored at ${stored}; the anchor of ${as_of} does not know it (${source})`;
    this.late.push({ chain, agent, message, seq: place, at, seal: seal.toString("hex") });
  }

  /** @param disagreeing chains that are not those of an anchor, which is told as what it is */
  findings(disagreeing: readonly { chain: ChainName; agent: string }[]): Finding[] {
    return this.late.flatMap(({ chain, agent, message, seq, at, seal }): Finding[] =>
      disagreeing.some((other) => other.chain === chain && other.agent === agent)
        ? []
        : [{ kind: "disordered", message, agent, seq, at, found: seal }],
    );
  }
}
