/** What has been seen of the chains so far: pure bookkeeping, saved and restored between interruptions. */
import type { Anchor } from "./anchors";
import { named, type Finding } from "./findings";
import { Chain, genesis, toRuns, type ChainName, type End, type Run, type RunRow, type Suspect } from "./runs";
import type { Unexplained } from "./state";

/** Beyond so many, further ones are counted only. */
export const mostSuspects = 1000;

export interface Saved {
  doneUntil: string;
  receipts: number;
  changes: number;
  uncounted: number;
  suspects: Suspect[];
  unexplained: Unexplained[];
  findings: Finding[];
  chains: Record<ChainName, [string, Run[]][]>;
}

export const names: readonly ChainName[] = ["receipts", "history"];

export class Trail {
  readonly chains: Record<ChainName, Map<string, Chain>> = { receipts: new Map(), history: new Map() };
  readonly suspects: Suspect[] = [];
  readonly unexplained: Unexplained[] = [];
  readonly findings: Finding[] = [];
  receipts = 0;
  changes = 0;
  /** Broken places beyond those kept. */
  uncounted = 0;
  doneUntil: string | undefined;
  /** Where each chain stood at the anchor that is started from. */
  readonly anchored: Record<ChainName, Map<string, number>> = { receipts: new Map(), history: new Map() };
  /** Seals that anchors name, until they have been compared. */
  readonly points: Record<ChainName, Map<string, Map<number, { seal: string; anchor: Anchor }>>> = {
    receipts: new Map(),
    history: new Map(),
  };

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
  chain(name: ChainName, agent: string, begin?: Run): Chain {
    let chain = this.chains[name].get(agent);
    if (!chain) {
      chain = new Chain(name, agent, (suspect) => this.suspect(suspect));
      if (begin ?? this.whole) chain.add(begin ?? { first: 0, last: 0, end: genesis, endAt: "-infinity" });
      this.chains[name].set(agent, chain);
    }
    return chain;
  }

  suspect(suspect: Suspect): void {
    if (this.suspects.length < mostSuspects) this.suspects.push(suspect);
    else this.uncounted++;
  }

  addUnexplained(rows: readonly Unexplained[]): void {
    const room = mostSuspects - this.unexplained.length;
    this.unexplained.push(...rows.slice(0, room));
    this.uncounted += Math.max(0, rows.length - room);
  }

  /** Takes in a query's rows; returns how many rows of the chain they stand for. */
  take(name: ChainName, rows: readonly RunRow[]): number {
    let seen = 0;
    for (const row of rows) {
      if (row.suspect) this.suspect({ chain: name, agent: row.agent, seq: Number(row.seq), at: row.at });
      this.compare(name, row.agent, Number(row.seq), row.seal);
    }
    for (const { agent, run } of toRuns(rows)) {
      seen += run.last - run.first + 1;
      const chain = this.chain(name, agent);
      const anchored = this.anchored[name].get(agent) ?? 0;
      // What the anchor vouches for is not gone through again; the row it names has just been compared with it.
      if (run.first > anchored) chain.add(run);
      else if (run.last > anchored) chain.add({ ...run, first: anchored + 1, start: undefined });
    }
    return seen;
  }

  addAnchor(anchor: Anchor): void {
    const add = (name: ChainName, agent: string, seq: number, seal: string) => {
      if (seq === 0) return;
      const ofAgent = this.points[name].get(agent) ?? new Map<number, { seal: string; anchor: Anchor }>();
      this.points[name].set(agent, ofAgent);
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
    const point = this.points[name].get(agent)?.get(seq);
    if (!point) return;
    this.points[name].get(agent)?.delete(seq);
    if (seal.toString("hex") === point.seal) return;
    const what = name === "receipts" ? "receipt" : "change";
    this.findings.push({
      kind: "rewritten",
      message: `${what} ${seq} of ${named(agent)} is not the one that was anchored at ${point.anchor.as_of} (${point.anchor.source})`,
      agent,
      seq,
    });
  }

  save(doneUntil: string): Saved {
    const chains = (name: ChainName) =>
      [...this.chains[name]].map(([agent, { runs }]): [string, Run[]] => [agent, runs]);
    return {
      doneUntil,
      receipts: this.receipts,
      changes: this.changes,
      uncounted: this.uncounted,
      suspects: this.suspects,
      unexplained: this.unexplained,
      findings: this.findings,
      chains: { receipts: chains("receipts"), history: chains("history") },
    };
  }

  restore(saved: Saved): void {
    this.doneUntil = saved.doneUntil;
    this.receipts = saved.receipts;
    this.changes = saved.changes;
    this.uncounted = saved.uncounted;
    this.suspects.push(...saved.suspects);
    this.unexplained.push(...saved.unexplained);
    // What the anchors themselves show was found again by now.
    const known = new Set(this.findings.map(({ message }) => message));
    this.findings.push(...saved.findings.filter(({ message }) => !known.has(message)));
    for (const name of names) {
      for (const [agent, runs] of saved.chains[name]) {
        const chain = this.chain(name, agent);
        chain.runs.splice(0, chain.runs.length, ...runs);
      }
    }
  }
}
