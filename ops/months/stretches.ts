/** What the archives have of a month of the database: stretches of consecutive places of each chain, as checkpoints name them. */
import type { AcceptedFork } from "../archive/acceptFork";
import type { ArchivedName } from "../archive/chains";
import type { Line } from "../archive/lines";
import { chainNames, ofEachChain, type ChainName } from "../verify/chainKinds";

export interface Stretch {
  chain: ChainName;
  agent: string;
  first: number;
  last: number;
  /** Of the last, hex. */
  seal: string;
}

export class Stretches {
  readonly #of: Record<ChainName, Map<string, Stretch[]>> = ofEachChain(() => new Map());

  constructor(readonly month: string) {}

  /** Rows of any month, each chain in its order. */
  take(chain: ArchivedName, { agent, seq, seal, month }: Line): void {
    // No import leaves the database.
    if (chain === "imports" || month !== this.month) return;
    const stretches = this.#of[chain].get(agent) ?? [];
    this.#of[chain].set(agent, stretches);
    const open = stretches.at(-1);
    if (open?.last === seq - 1) Object.assign(open, { last: seq, seal: seal.toString("hex") });
    else stretches.push({ chain, agent, first: seq, last: seq, seal: seal.toString("hex") });
  }

  /** The chain goes on in another branch from a place on: what was beyond it left no row in the database. */
  fork({ chain, agent, seq, seal }: Pick<AcceptedFork, "chain" | "agent" | "seq" | "seal">): void {
    if (chain === "imports") return;
    const kept = (this.#of[chain].get(agent) ?? []).filter(({ first }) => first <= seq);
    const open = kept.at(-1);
    if (open && open.last > seq) Object.assign(open, { last: seq, seal });
    this.#of[chain].set(agent, kept);
  }

  all(): Stretch[] {
    return chainNames.flatMap((chain) => [...this.#of[chain].values()].flat());
  }
}
