/**
 * The locked bucket as a witness of checkpoints. A checkpoint says that rows of a month have left the database; whoever removes rows could
 * make one up. Here each is compared with the rows themselves: are all of its places rows of that month, and does the last have its seal?
 */
import type { AcceptedFork } from "../archive/acceptFork";
import type { ArchivedName } from "../archive/chains";
import { endsOf } from "../archive/ends";
import type { Line } from "../archive/lines";
import { chainKinds, ofEachChain, type ChainName } from "./chainKinds";
import type { Checkpoint } from "./checkpoints";
import { named, type Finding } from "./findings";

interface Seen {
  point: Checkpoint;
  /** The last place that was seen, of those that came one after another from the first. */
  upTo: number;
  wrong: string | undefined;
}

export class Witness {
  /** By agent, in order of their places. */
  readonly #seen: Record<ChainName, Map<string, Seen[]>> = ofEachChain(() => new Map());
  readonly #of = new Map<string, Seen>();
  /** Up to where each chain has left the bucket by its age, once all of it was read. */
  gone = endsOf(undefined);

  constructor(checkpoints: readonly Checkpoint[]) {
    for (const point of checkpoints.toSorted((a, b) => a.first - b.first)) {
      const of = this.#seen[point.chain];
      const seen = { point, upTo: point.first - 1, wrong: undefined };
      of.set(point.agent, [...(of.get(point.agent) ?? []), seen]);
      this.#of.set(nameOf(point), seen);
    }
  }

  /** Rows as the bucket has them, each chain in its order. */
  take(chain: ArchivedName, { agent, seq, month, seal }: Line): void {
    // No import leaves the database.
    if (chain === "imports") return;
    const seen = this.#seen[chain].get(agent)?.find(({ point }) => point.first <= seq && seq <= point.last);
    if (!seen) return;
    const { point } = seen;
    if (seen.upTo === seq - 1) seen.upTo = seq;
    if (tableOf(chain, month) !== point.source) seen.wrong ??= `${chainKinds[chain].noun} ${seq} is of ${month}`;
    if (seq === point.last && !seal.equals(point.seal))
      seen.wrong ??= `${chainKinds[chain].noun} ${seq} has another seal`;
  }

  /** The chain goes on in another branch: what the bucket has of the old one counts no more. */
  fork({ chain, agent, seq }: Pick<AcceptedFork, "chain" | "agent" | "seq">): void {
    if (chain === "imports") return;
    for (const seen of this.#seen[chain].get(agent) ?? []) {
      if (seen.point.last <= seq) continue;
      seen.upTo = Math.min(seen.upTo, Math.max(seq, seen.point.first - 1));
      seen.wrong = undefined;
    }
  }

  /** Whether the bucket has the rows that a checkpoint stands for; undefined where it has not all of them, any more or yet. */
  vouches(point: Checkpoint): boolean | undefined {
    const seen = this.#of.get(nameOf(point));
    if (!seen || (seen.wrong === undefined && seen.upTo < point.last)) return undefined;
    return seen.wrong === undefined;
  }

  /** Whether the bucket has its rows no more, by their age. */
  hasLost({ chain, agent, first }: Checkpoint): boolean {
    return first <= (this.gone[chain].get(agent)?.seq ?? 0);
  }

  /** Checkpoints that do not stand for what is in the bucket, whether or not a row is missing there. */
  findings(): Finding[] {
    return [...this.#of.values()].flatMap(({ point, wrong }): Finding[] => {
      if (wrong === undefined) return [];
      const { chain, agent, first, last, source, place } = point;
      const message = `checkpoint ${place} says that ${chainKinds[chain].noun}s ${first} to ${last} of ${named(agent)} left with ${source}; in the bucket ${wrong}`;
      return [{ kind: "altered-checkpoint", message, agent }];
    });
  }
}

const nameOf = ({ chain, agent, first, last, source }: Checkpoint) =>
  JSON.stringify([chain, agent, first, last, source]);

/** The partition that a row of a month is in. */
const tableOf = (chain: ChainName, month: string) =>
  `${chainKinds[chain].table.replace(/^\w+\./, "")}_${month.replace("-", "_")}`;
