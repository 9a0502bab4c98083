/** Chains put together from runs of consecutive rows, in whatever order the runs are found; memory grows with runs, not rows. */
import { createHash } from "node:crypto";

/** A row as queries.ts returns it. */
export interface Row {
  agent: string;
  seq: string;
  seal: Buffer;
  id: string;
  at: string;
  hash: string | null;
  prev_hash: string | null;
  content: Buffer;
}

export interface RunRow extends Row {
  starts: boolean;
  ends: boolean;
  suspect: boolean;
}

/** What a row follows from: the end of what precedes it. `hash` undefined: not known. */
export interface End {
  seal: Buffer;
  hash: string | null | undefined;
}

/** What a row is known by once its run's end is known: enough to check its link. */
export interface Start {
  id: string;
  at: string;
  seal: Buffer;
  content: Buffer;
  prevHash: string | null;
}

export interface Run {
  first: number;
  last: number;
  /** Missing where nothing has to be followed from: what lies before is known from elsewhere. */
  start?: Start | undefined;
  end: End;
  endAt: string;
}

export type ChainName = "receipts" | "history";

export interface Suspect {
  chain: ChainName;
  agent: string;
  seq: number;
  at: string;
}

export const genesis: End = { seal: Buffer.alloc(0), hash: null };

const int8 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};

const int4 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/** The seal a row should have, were it the given one after that end (docs/chain.md). */
export function expectedSeal(
  chain: ChainName,
  end: End,
  seq: number,
  content: Buffer,
  prevHash: string | null,
): Buffer {
  const hash = createHash("sha256");
  if (chain === "receipts")
    return hash
      .update(end.seal)
      .update(int8(seq))
      .update(content)
      .update(prevHash ?? "")
      .digest();
  // The record's number of fields, then the first field's type (bytea), length and bytes; the content holds the rest.
  return hash.update(int4(10)).update(int4(17)).update(int4(end.seal.length)).update(end.seal).update(content).digest();
}

/** Whether a row follows from an end. */
export function follows(chain: ChainName, end: End, seq: number, start: Start): boolean {
  const linked = chain === "history" || end.hash === undefined || end.hash === start.prevHash;
  return linked && expectedSeal(chain, end, seq, start.content, start.prevHash).equals(start.seal);
}

/** The runs of one agent's chain. */
export class Chain {
  /** Ascending, apart from each other: what lies between two runs was not found yet. */
  readonly runs: Run[] = [];

  constructor(
    private readonly name: ChainName,
    private readonly agent: string,
    private readonly suspects: (suspect: Suspect) => void,
  ) {}

  /** Adds a run, joining it with its neighbours; a link that does not hold, or a seq that was there already, is a suspect. */
  add(run: Run): void {
    let place = this.runs.length;
    while (place > 0 && this.at(place - 1).first > run.first) place--;
    this.runs.splice(place, 0, run);
    if (place + 1 < this.runs.length) this.join(place);
    if (place > 0) this.join(place - 1);
  }

  private at(place: number): Run {
    const run = this.runs[place];
    if (!run) throw new RangeError(`no run ${place}`);
    return run;
  }

  /** Joins runs with the ones after it for as long as they touch. */
  private join(place: number): void {
    for (;;) {
      const left = this.at(place);
      const right = this.runs[place + 1];
      if (!right || right.first > left.last + 1) return;
      if (right.first <= left.last) {
        this.suspect(right.first, right.start?.at ?? right.endAt);
      } else if (right.start && !follows(this.name, left.end, right.first, right.start)) {
        this.suspect(right.first, right.start.at);
      }
      if (right.last > left.last) Object.assign(left, { last: right.last, end: right.end, endAt: right.endAt });
      this.runs.splice(place + 1, 1);
    }
  }

  suspect(seq: number, at: string): void {
    this.suspects({ chain: this.name, agent: this.agent, seq, at });
  }
}

/** Turns rows, ascending by agent and seq, into runs. */
export function* toRuns(rows: readonly RunRow[]): Generator<{ agent: string; run: Run }> {
  let open: RunRow | undefined;
  for (const row of rows) {
    if (row.starts) open = row;
    if (!row.ends || !open) continue;
    const { id, at, seal, content, prev_hash: prevHash } = open;
    yield {
      agent: row.agent,
      run: {
        first: Number(open.seq),
        last: Number(row.seq),
        start: { id, at, seal, content, prevHash },
        end: { seal: row.seal, hash: row.hash },
        endAt: row.at,
      },
    };
    open = undefined;
  }
}
