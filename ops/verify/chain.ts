/**
 * Chains put together from stretches of consecutive rows, in whatever order these are found: memory grows with stretches, not
 * with rows.
 */
import { chainKinds, expectedSeal, type ChainName } from "./chainKinds";

/** A row as queries.ts returns it. */
export interface Row {
  agent: string;
  seq: string;
  seal: Buffer;
  id: string;
  at: string;
  hash: string | null;
  prev_hash: string | null;
  /** NULL where it is too large to be sent. */
  content: Buffer | null;
  /** Microseconds since 1970. */
  clock: string | null;
}

export interface StretchRow extends Row {
  starts: boolean;
  ends: boolean;
  suspect: boolean;
  /** Its clock is before its predecessor's, or ahead of now. */
  disordered: boolean;
}

/** What a row follows from: the end of what precedes it. `hash` undefined: not known. */
export interface End {
  seal: Buffer;
  hash: string | null | undefined;
  clock?: number | undefined;
}

/** What a row is known by once the end before it is known: enough to check its link. */
export interface Start {
  id: string;
  at: string;
  seal: Buffer;
  content: Buffer | null;
  prevHash: string | null;
  clock?: number | undefined;
}

export interface Stretch {
  first: number;
  last: number;
  /** Missing where nothing has to be followed from: what comes before is known from elsewhere. */
  start?: Start | undefined;
  end: End;
  endAt: string;
}

export interface Suspect {
  chain: ChainName;
  agent: string;
  seq: number;
  at: string;
  /** Only its clock is wrong. */
  disordered?: boolean;
  /** Only to be asked of the server, since the content is large: whether row `id` follows from this seal. */
  from?: { id: string; seal: Buffer };
}

/** Microseconds by which a clock may be set back, as queries.ts has it. */
const clockMayStep = 1_000_000;

export const genesis: End = { seal: Buffer.alloc(0), hash: null };

/** Whether a row follows from an end. */
export function follows(name: ChainName, end: End, seq: number, { content, prevHash, seal }: Start): boolean {
  if (content === null) throw new TypeError("a link is checked here only where the content is");
  const linked = chainKinds[name].headHash === undefined || end.hash === undefined || end.hash === prevHash;
  return linked && expectedSeal(chainKinds[name], end.seal, { seq, content, prevHash }).equals(seal);
}

/** The stretches of one agent's chain. */
export class Chain {
  /** Ascending, apart from each other: what is between two stretches was not found yet. */
  readonly stretches: Stretch[] = [];

  constructor(
    private readonly name: ChainName,
    private readonly agent: string,
    private readonly suspects: (suspect: Suspect) => void,
  ) {}

  /** Adds a stretch, joining it with its neighbours; a link that does not hold, or a seq that was there already, is a suspect. */
  add(stretch: Stretch): void {
    let place = this.stretches.length;
    while (place > 0 && this.at(place - 1).first > stretch.first) place--;
    this.stretches.splice(place, 0, stretch);
    if (place + 1 < this.stretches.length) this.join(place);
    if (place > 0) this.join(place - 1);
  }

  private at(place: number): Stretch {
    const stretch = this.stretches[place];
    if (!stretch) throw new RangeError(`no stretch ${place}`);
    return stretch;
  }

  /** Joins stretches with the ones after it for as long as they touch. */
  private join(place: number): void {
    for (;;) {
      const left = this.at(place);
      const right = this.stretches[place + 1];
      if (!right || right.first > left.last + 1) return;
      if (right.first <= left.last) {
        this.suspect(right.first, right.start?.at ?? right.endAt);
      } else if (right.start?.content === null) {
        const { id, at } = right.start;
        this.suspects({ chain: this.name, agent: this.agent, seq: right.first, at, from: { id, seal: left.end.seal } });
      } else if (right.start && !follows(this.name, left.end, right.first, right.start)) {
        this.suspect(right.first, right.start.at);
      } else if (right.start && (left.end.clock ?? 0) > (right.start.clock ?? Infinity) + clockMayStep) {
        this.suspects({ chain: this.name, agent: this.agent, seq: right.first, at: right.start.at, disordered: true });
      }
      if (right.last > left.last) Object.assign(left, { last: right.last, end: right.end, endAt: right.endAt });
      this.stretches.splice(place + 1, 1);
    }
  }

  suspect(seq: number, at: string): void {
    this.suspects({ chain: this.name, agent: this.agent, seq, at });
  }
}

const clockOf = ({ clock }: Row): number | undefined => (clock === null ? undefined : Number(clock));

/** Turns rows, ascending by agent and seq, into stretches. */
export function* toStretches(rows: readonly StretchRow[]): Generator<{ agent: string; stretch: Stretch }> {
  let open: StretchRow | undefined;
  for (const row of rows) {
    if (row.starts) open = row;
    if (!row.ends || !open) continue;
    const { id, at, seal, content, prev_hash: prevHash } = open;
    yield {
      agent: row.agent,
      stretch: {
        first: Number(open.seq),
        last: Number(row.seq),
        start: { id, at, seal, content, prevHash, clock: clockOf(open) },
        end: { seal: row.seal, hash: row.hash, clock: clockOf(row) },
        endAt: row.at,
      },
    };
    open = undefined;
  }
}
