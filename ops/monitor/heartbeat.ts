/** One row on the primary, written every second: what a replica's lag is measured by. */
import { setTimeout as sleep } from "node:timers/promises";
import { commitAndHoldRoles } from "./lockTable";
import { one, type Server } from "./server";

export class Heartbeat {
  private at: Date | undefined;

  /** By the primary's clock, so that no other clock is compared with it. */
  get newest(): Date | undefined {
    return this.at;
  }

  /** Until the signal comes. Before each beat comes what must be done as often, by a session that is always there. */
  async run(
    primary: Server,
    signal: AbortSignal,
    { before, onWritten }: { before: () => Promise<void>; onWritten: () => void },
  ): Promise<void> {
    while (!signal.aborted) {
      const began = performance.now();
      await before().catch(() => undefined);
      try {
        const question = AbortSignal.any([signal, AbortSignal.timeout(5000)]);
        const { at } = await one<{ at: Date }>(
          primary,
          "update audit.heartbeat set at = clock_timestamp() returning at",
          question,
        ).finally(() => commitAndHoldRoles(primary, question));
        this.at = at;
        onWritten();
      } catch {
        // The metric says so: heartbeats are counted.
      }
      await sleep(Math.max(100, 1000 - (performance.now() - began)), undefined, { signal }).catch(() => undefined);
    }
  }
}
