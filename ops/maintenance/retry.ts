/** What locks a table for a moment is tried again while others use the table. */
import pg from "pg";
import { jitter } from "../database";
import { Failure } from "../program";

/** lock_not_available, deadlock_detected: rolled back, nothing has happened. */
const busy = new Set(["55P03", "40P01"]);

/** Given up because others used the table all the time: what needs other tables may still be done. */
export class Busy extends Failure {}

export interface Patience {
  /** How long to go on trying, seconds. */
  patienceSeconds: number;
  signal?: AbortSignal;
  /** An attempt was given up because a table was in use. */
  onBusy?: (attempt: number, failure: Failure) => void;
  /** Who is in the way now, one line each. */
  blockers?: () => Promise<string[]>;
}

/** Runs `work` until it is not in anyone's way. Its errors reach the caller as `describe` words them. */
export async function retryWhileBusy<T>(
  work: () => Promise<T>,
  describe: (error: unknown) => Failure,
  { patienceSeconds, signal, onBusy, blockers }: Patience,
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
        const who = (await blockers?.()) ?? [];
        throw new Busy(
          `${failure.message}; a table was in use at each of ${attempt} attempts within ${Math.round(patienceSeconds)} s`,
          [
            ...failure.details,
            ...who,
            who.length > 0
              ? "Run this again when that transaction has ended, or end it: select pg_terminate_backend(<server process>)."
              : "A long transaction holds it: look for the oldest xact_start in pg_stat_activity. Run this again when it has ended.",
          ],
        );
      }
      onBusy?.(attempt, failure);
      // Long enough for those who queued behind the attempt to be done.
      await jitter(Math.min(250 * attempt, 2000), signal);
    }
  }
}

interface LockHolder {
  pid: number;
  role: string;
  application: string | null;
  client: string | null;
  since: Date | null;
}

/** Who holds locks on the table or its partitions, or on any table: by `audit.lock_holders`, as far as the database has it. */
export async function lockHolders(client: pg.Client, table?: string): Promise<string[]> {
  try {
    const { rows } = await client.query<LockHolder>("select * from audit.lock_holders($1::text::regclass)", [table]);
    return rows.map(
      ({ pid, role, application, client: from, since }) =>
        `in use by ${application ?? "a program"} of ${role} (server process ${pid}, from ${from ?? "a local socket"}` +
        `${since ? `, in a transaction since ${since.toISOString()}` : ""})`,
    );
  } catch {
    return [];
  }
}
