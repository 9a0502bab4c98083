/** How far a verification got, and what it has seen of the chains by then: pure bookkeeping, kept in the resume file. */
import type { Anchor } from "../anchorFormat";
import { AfterAnchors, type Late } from "./afterAnchors";
import { named, type Finding } from "./findings";
import { chainNames, ofEachChain, type ChainName } from "./chainKinds";
import { Chain, genesis, toStretches, type End, type Stretch, type StretchRow, type Suspect } from "./chain";
import type { StateMismatch } from "./stateMismatch";

/** Beyond so many, further ones are counted only. */
export const mostSuspects = 1000;

export interface Saved {
  doneUntil: string;
  counted: Record<ChainName, number>;
  uncounted: number;
  suspects: Suspect[];
  unsent: Suspect[];
  mismatches: StateMismatch[];
  findings: Finding[];
  late: Late[];
  chains: Record<ChainName, [string, Stretch[]][]>;
}

export interface Disagreement {
  chain: ChainName;
  agent: string;
  seq: number;
  anchor: Anchor;
  /** What is there. */
  seal: string;
}

export class Progress {
  readonly chains: Record<ChainName, Map<string, Chain>> = ofEachChain(() => new Map());
  readonly suspects: Suspect[] = [];
  /** Links that the server is to be asked about, all of them. */
  readonly unsent: Suspect[] = [];
  readonly mismatches: StateMismatch[] = [];
  readonly findings: Finding[] = [];
  readonly afterAnchors = new AfterAnchors();
  /** Rows that were read. */
  readonly counted = ofEachChain(() => 0);
  /** What could not be verified, and is no finding: months that have left, and that nothing else vouches for. */
  readonly unverified = new Set<string>();
  /** Such months that are not for this run to verify: the bucket was not asked for, or has them no more by their age. */
  readonly left = new Set<string>();
  /** What an anchor names and the chain of recovered receipts has. */
  readonly recovered = new Set<string>();
  /** Places at which an anchor names another seal, and the highest of each chain at which one names the same. */
  readonly disagreements: Disagreement[] = [];
  readonly agreed: Record<ChainName, Map<string, number>> = ofEachChain(() => new Map());
  /** Broken places beyond those kept. */
  uncounted = 0;
  doneUntil: string | undefined;
  /** Where each chain stood at the anchor that is started from. */
  readonly anchored: Record<ChainName, Map<string, number>> = ofEachChain(() => new Map());
  /** Seals that anchors name, until they have been compared. */
  readonly anchorPlaces: Record<ChainName, Map<string, Map<number, { seal: string; anchor: Anchor }>>> = ofEachChain(
    () => new Map(),
  );

  /**
   * @param whole every chain is expected from its beginning
   * @param base an anchor to start from instead
   */
  constructor(
    private readonly whole: boolean,
    readonly base?: Anchor,
  ) {
    for (const { agent, seq, seal, history_seq, history_seal } of base?.chains ?? []) {
      this.startAfter("receipts", agent, seq, seal);
      this.startAfter("history", agent, history_seq, history_seal);
    }
  }

  private startAfter(name: ChainName, agent: string, seq: number, seal: string): void {
    if (seq === 0) return;
    this.anchored[name].set(agent, seq);
    const end: End = { seal: Buffer.from(seal, "hex"), hash: undefined };
    this.chain(name, agent, { first: 0, last: seq, end, endAt: this.base?.as_of ?? "" });
  }

  /** An agent's chain, begun where it has to be if it is new. */
  chain(name: ChainName, agent: string, begin?: Stretch): Chain {
    let chain = this.chains[name].get(agent);
    if (!chain) {
      chain = new Chain(name, agent, (suspect) => this.suspect(suspect));
      if (begin ?? this.whole) chain.add(begin ?? { first: 0, last: 0, end: genesis, endAt: "-infinity" });
      this.chains[name].set(agent, chain);
    }
    return chain;
  }

  suspect(suspect: Suspect): void {
    if (suspect.from) this.unsent.push(suspect);
    else if (this.suspects.length < mostSuspects) this.suspects.push(suspect);
    else this.uncounted++;
  }

  addMismatches(rows: readonly StateMismatch[]): void {
    const room = mostSuspects - this.mismatches.length;
    this.mismatches.push(...rows.slice(0, room));
    this.uncounted += Math.max(0, rows.length - room);
  }

  /** Takes in a query's rows; returns how many rows of the chain they stand for. */
  take(name: ChainName, rows: readonly StretchRow[]): number {
    let seen = 0;
    for (const row of rows) {
      const place = { chain: name, agent: row.agent, seq: Number(row.seq), at: row.at };
      if (row.suspect) this.suspect(place);
      if (row.disordered) this.suspect({ ...place, disordered: true });
      this.compare(name, row.agent, Number(row.seq), row.seal);
      this.afterAnchors.look(name, row);
    }
    for (const { agent, stretch } of toStretches(rows)) {
      seen += stretch.last - stretch.first + 1;
      const chain = this.chain(name, agent);
      const anchored = this.anchored[name].get(agent) ?? 0;
      // What the anchor vouches for is not gone through again; the row it names has just been compared with it.
      if (stretch.first > anchored) chain.add(stretch);
      else if (stretch.last > anchored) chain.add({ ...stretch, first: anchored + 1, start: undefined });
    }
    return seen;
  }

  addAnchor(anchor: Anchor): void {
    this.afterAnchors.add(anchor);
    const add = (name: ChainName, agent: string, seq: number, seal: string) => {
      if (seq === 0) return;
      const ofAgent = this.anchorPlaces[name].get(agent) ?? new Map<number, { seal: string; anchor: Anchor }>();
      this.anchorPlaces[name].set(agent, ofAgent);
      const other = ofAgent.get(seq);
      if (other && other.seal !== seal)
        this.findings.push({
          kind: "rewritten",
          message: `two anchors (${other.anchor.source}, ${anchor.source}) disagree on place ${seq} of ${named(agent)}`,
          agent,
          seq,
        });
      else ofAgent.set(seq, { seal, anchor });
    };
    for (const { agent, seq, seal, history_seq, history_seal } of anchor.chains) {
      add("receipts", agent, seq, seal);
      add("history", agent, history_seq, history_seal);
    }
  }

  /** Compares a row's seal with the anchor that names it, if one does. */
  compare(name: ChainName, agent: string, seq: number, seal: Buffer): void {
    const point = this.anchorPlaces[name].get(agent)?.get(seq);
    if (!point) return;
    this.anchorPlaces[name].get(agent)?.delete(seq);
    const found = seal.toString("hex");
    if (found === point.seal) this.agreed[name].set(agent, Math.max(seq, this.agreed[name].get(agent) ?? 0));
    else this.disagreements.push({ chain: name, agent, seq, anchor: point.anchor, seal: found });
  }

  save(doneUntil: string): Saved {
    return {
      doneUntil,
      counted: this.counted,
      uncounted: this.uncounted,
      suspects: this.suspects,
      unsent: this.unsent,
      mismatches: this.mismatches,
      findings: this.findings,
      late: this.afterAnchors.late,
      chains: ofEachChain((name) => [...this.chains[name]].map(([agent, { stretches }]) => [agent, stretches])),
    };
  }

  restore(saved: Saved): void {
    this.doneUntil = saved.doneUntil;
    Object.assign(this.counted, saved.counted);
    this.uncounted = saved.uncounted;
    this.suspects.push(...saved.suspects);
    this.unsent.push(...saved.unsent);
    this.mismatches.push(...saved.mismatches);
    this.afterAnchors.late.push(...saved.late);
    // What the anchors themselves show was found again by now.
    const known = new Set(this.findings.map(({ message }) => message));
    this.findings.push(...saved.findings.filter(({ message }) => !known.has(message)));
    for (const name of chainNames) {
      for (const [agent, stretches] of saved.chains[name]) {
        const chain = this.chain(name, agent);
        chain.stretches.splice(0, chain.stretches.length, ...stretches);
      }
    }
  }
}
