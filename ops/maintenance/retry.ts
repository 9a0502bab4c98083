/** What locks a table for a moment is tried again while others use the table. */
import pg from "pg";
import { jitter } from "../database";
import { Failure } from "../program";

/** lock_not_available, deadlock_detected: rolled back, nothing has happened. */
const busy = new Set(["55P03", "40P01"]);

export interface Patience {
  /** How long to go on trying, seconds. */
  patienceSeconds: number;
  signal?: AbortSignal;
  /** An attempt was given up because a table was in use. */
  onBusy?: (attempt: number, failure: Failure) => void;
}

/** Runs `work` until it is not in anyone's way. Its errors reach the caller as `describe` words them. */
export async function retryWhileBusy<T>(
  work: () => Promise<T>,
  describe: (error: unknown) => Failure,
  { patienceSeconds, signal, onBusy }: Patience,
): Promise<T> {
  const until = Date.now() + 1000 * patienceSeconds;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      const failure = describe(error);
      if (!(error instanceof pg.DatabaseError && busy.has(error.code ?? ""))) throw failure;
      if (Date.now() > until) {
        throw new Failure(
          `${failure.message}; a table was in use at each of ${attempt} attempts within ${patienceSeconds} s`,
          [
            ...failure.details,
            "A long transaction holds it: look for the oldest xact_start in pg_stat_activity. Run this again when it has ended.",
          ],
        );
      }
      onBusy?.(attempt, failure);
      // Long enough for those who queued behind the attempt to be done.
      await jitter(Math.min(250 * attempt, 2000), signal);
    }
  }
}
