/** Ends who fills the server's lock table (sql/021_lock_table.sql): a full one stops every receipt, and lets nobody log in. */
import type { Log } from "../log";
import { one, type Server } from "./server";

/** Longer than PostgreSQL needs for a full table of any size here. */
const patienceMs = 30_000;

/**
 * How full it was, in percent. At once again where somebody was ended: they may have come in before they were locked out, and this
 * session's caches must be warm again before the table is full.
 */
export async function relieveLockTable(primary: Server, log: Log, signal: AbortSignal): Promise<number> {
  let fullest = 0;
  for (;;) {
    const { used, ended } = await one<{ used: number; ended: string[] }>(
      primary,
      "select used_percent as used, ended from audit.relieve_lock_table()",
      AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
    );
    fullest = Math.max(fullest, used);
    if (ended.length === 0) return fullest;
    log.warn("the lock table was nearly full; sessions were ended", { usedPercent: Math.round(used), ended });
  }
}
