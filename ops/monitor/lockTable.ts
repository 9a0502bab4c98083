/** Ends who fills the server's lock table (sql/021_lock_table.sql): a full one stops every receipt, and lets nobody log in. */
import type { Log } from "../log";
import { one, type Server } from "./server";

/** Longer than PostgreSQL needs for a full table of any size here. */
const patienceMs = 30_000;

/**
 * Commits, and holds PostgreSQL's tables of roles until the next time: at every moment but this. Reading them takes room in the lock
 * table, and any role can make all sessions forget what they have read of them, by thousands of changes of its default privileges in
 * one transaction. Whoever did that, and then filled the table, would not be ended.
 */
export async function commitAndHoldRoles(primary: Server, signal: AbortSignal): Promise<void> {
  const hold = "commit; begin; select from pg_roles, pg_database, pg_auth_members limit 0";
  await primary.query(hold, signal).catch(() => primary.query("rollback", signal));
}

/** How often at most: who cannot be ended keeps no heartbeat waiting for longer. */
const mostTimes = 5;

/**
 * How full it was, in percent. At once again where somebody was ended: they may have come in before they were locked out, and this
 * session's caches must be warm again before the table is full.
 */
export async function relieveLockTable(primary: Server, log: Log, signal: AbortSignal): Promise<number> {
  let fullest = 0;
  for (let time = 1; ; time++) {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
    const { used, ended } = await one<{ used: number; ended: string[] }>(
      primary,
      "select used_percent as used, ended from audit.relieve_lock_table()",
      patience,
    ).finally(() => commitAndHoldRoles(primary, patience));
    fullest = Math.max(fullest, used);
    if (ended.length === 0 || time === mostTimes) return fullest;
    log.warn("the lock table was nearly full; sessions were ended", { usedPercent: Math.round(used), ended });
  }
}
