/** Follows one chain from where the bucket ends, row by row: is each the next, with the seal and the hash that it must have? */
import { expectedSeal } from "../verify/chainKinds";
import type { Checkpoint } from "../verify/checkpoints";
import { archivedKinds, ownerOf, type ArchivedChain } from "./chains";
import type { Line } from "./lines";

/** Where a chain stands; `hash` undefined: not known. */
export interface Place {
  seq: number;
  seal: Buffer;
  hash: string | null | undefined;
}

export const genesis: Place = { seq: 0, seal: Buffer.alloc(0), hash: null };

/** What is wrong with a chain at a place. `fork`: it is not the chain that is in the bucket, and nothing more of it is taken. */
export interface Flaw extends ArchivedChain {
  kind: "altered" | "missing" | "twice" | "head" | "late" | "fork";
  seq: number;
  /** The last one, of several that are missing. */
  last?: number;
  says: string;
}

/** Places whose rows had left the database before they were archived: a checkpoint says where they ended. */
export type Elsewhere = Pick<Checkpoint, "first" | "last" | "source" | "seal" | "hash">;

/** Part of a chain to be archived: what comes after a place that the bucket has, up to a place. */
export interface Piece extends ArchivedChain {
  from: Place;
  last: number;
  /** Where `last` is the chain's end: what its head says. */
  head: Place | undefined;
  /** Rows that the chain has beyond `last`. */
  beyond: number;
  checkpoints: readonly Elsewhere[];
  /** Whether the row that the bucket ends with comes once more, to be compared. */
  repeated: boolean;
  /** Before this no row of it was sealed; undefined where that is not known (late.ts). */
  sealedSince?: string | undefined;
}

export class Follower {
  readonly flaws: Flaw[] = [];
  readonly elsewhere: Elsewhere[] = [];
  /** When the last receipt was made that came. */
  createdAt: string | undefined;
  rows = 0;
  at: Place;
  forked = false;
  /** Whether the repeated row has come, or none is to come. */
  private met: boolean;
  private late = false;

  constructor(readonly piece: Piece) {
    this.at = piece.from;
    this.met = !piece.repeated;
  }

  /** Whether the row belongs into the segment. */
  take(line: Line): boolean {
    const { from } = this.piece;
    if (this.forked) return false;
    if (line.seq === from.seq && !this.met) {
      this.met = true;
      if (line.seal.equals(from.seal)) this.at = { ...from, hash: line.hash };
      else
        this.fork(`${this.noun} ${line.seq} has the seal ${hex(line.seal)} here and ${hex(from.seal)} in the bucket`);
      return false;
    }
    this.passElsewhere(line.seq);
    const next = line.seq === this.at.seq + 1;
    if (!this.met) {
      this.met = true;
      if (next && !this.follows(line)) {
        this.fork(
          `${this.noun} ${from.seq} is gone, and ${line.seq} does not follow from what the bucket has, ${hex(from.seal)}`,
        );
        return false;
      }
      this.flaw("missing", from.seq, `${this.noun} ${from.seq} is in the bucket and no longer here`, from.seq);
    }
    this.rows++;
    this.createdAt = line.createdAt;
    this.compareClock(line);
    if (line.seq <= this.at.seq) {
      this.flaw("twice", line.seq, `${this.noun} ${line.seq} is there twice`);
      return true;
    }
    if (!next) this.missing(line.seq - 1);
    else if (!this.follows(line))
      this.flaw("altered", line.seq, `${this.noun} ${line.seq} does not follow from the one before it`);
    else if (!line.hashRight)
      this.flaw("altered", line.seq, `${this.noun} ${line.seq} has another receipt_hash than its columns give`);
    this.at = { seq: line.seq, seal: line.seal, hash: line.hash };
    return true;
  }

  /** All rows were there. */
  finish(): void {
    const { last, head } = this.piece;
    if (this.forked) return;
    this.passElsewhere(last + 1);
    if (this.at.seq < last) this.missing(last);
    else if (head && !(head.seal.equals(this.at.seal) && (this.at.hash === undefined || head.hash === this.at.hash)))
      this.flaw("head", last, `the head is not ${this.noun} ${last}, the last one`);
  }

  private get noun(): string {
    return archivedKinds[this.piece.chain].noun;
  }

  private follows({ seq, content, prevHash, seal }: Line): boolean {
    const kind = archivedKinds[this.piece.chain];
    const linked = kind.headHash === undefined || this.at.hash === undefined || this.at.hash === prevHash;
    if (content === undefined || !linked) return false;
    return expectedSeal(kind, this.at.seal, { seq, content, prevHash }).equals(seal);
  }

  /** Said of the first only: those that follow it are as late. */
  private compareClock({ seq, sealedAt }: Line): void {
    const { sealedSince } = this.piece;
    if (this.late || sealedSince === undefined || sealedAt >= sealedSince) return;
    this.late = true;
    this.flaw(
      "late",
      seq,
      `${this.noun} ${seq} says that it was stored at ${sealedAt}; the manifest before, which shows all that was stored by ${sealedSince}, does not know it`,
    );
  }

  /** Steps over what checkpoints stand for, up to before a place. */
  private passElsewhere(before: number): void {
    for (;;) {
      const next = this.at.seq + 1;
      const found = this.piece.checkpoints.find(({ first, last }) => first <= next && next <= last);
      if (!found || next >= before) return;
      this.elsewhere.push({ ...found, first: next });
      this.at = { seq: found.last, seal: found.seal, hash: found.hash };
    }
  }

  private missing(last: number): void {
    const first = this.at.seq + 1;
    const which = first === last ? `${this.noun} ${first} is` : `${this.noun}s ${first} to ${last} are`;
    this.flaw("missing", first, `${which} missing`, last);
  }

  private fork(what: string): void {
    this.forked = true;
    this.flaw("fork", this.piece.from.seq, what);
  }

  private flaw(kind: Flaw["kind"], seq: number, what: string, last?: number): void {
    const { chain, agent } = this.piece;
    this.flaws.push({
      kind,
      chain,
      agent,
      seq,
      ...(last !== undefined && { last }),
      says: `${what} (${ownerOf(this.piece)})`,
    });
  }
}

const hex = (seal: Buffer): string => seal.toString("hex");
