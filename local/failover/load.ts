/** Agents that ask for decisions all the time, and remember which receipts they were told of. */
import { setTimeout as sleep } from "node:timers/promises";
import { evaluate } from "../firstReceipt";
import { readOutputs } from "../outputs";

export interface Acknowledged {
  receiptId: string;
  /** Milliseconds since the epoch at which the answer was there. */
  at: number;
}

const agents = 8;
const thinkingMs = 20;

export class Load {
  readonly acknowledged: Acknowledged[] = [];
  private readonly end = new AbortController();
  private readonly ended: Promise<unknown>;

  /** @param outputsFile read anew after a failure: as a name in DNS does, it says where the control plane is now */
  constructor(private readonly outputsFile: string) {
    this.ended = Promise.all(Array.from({ length: agents }, (_, number) => this.agent(`agent-${number}`)));
  }

  /** Returns once so many receipts were acknowledged after that moment. */
  async since(moment: number, count: number, patienceMs: number): Promise<void> {
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(50))
      if (this.acknowledged.filter(({ at }) => at > moment).length >= count) return;
    throw new Error(`no ${count} receipts were acknowledged within ${patienceMs / 1000} s`);
  }

  async stop(): Promise<void> {
    this.end.abort();
    await this.ended;
  }

  private async agent(id: string): Promise<void> {
    const { signal } = this.end;
    let to = readOutputs(this.outputsFile);
    while (!signal.aborted) {
      try {
        const { receiptId } = await evaluate(to, signal, { type: "agent", id });
        this.acknowledged.push({ receiptId, at: Date.now() });
      } catch {
        to = readOutputs(this.outputsFile);
      }
      await sleep(thinkingMs);
    }
  }
}

/** The longest time between two acknowledged receipts. */
export function longestPause(acknowledged: readonly Acknowledged[]): { from: number; to: number } {
  const times = acknowledged.map(({ at }) => at).sort((a, b) => a - b);
  const pauses = times.slice(1).map((to, index) => ({ from: times[index]!, to }));
  return pauses.reduce((longest, one) => (one.to - one.from > longest.to - longest.from ? one : longest));
}
