/**
 * Shows the monitor how far a verification is, by the name of its sessions: it may write nothing while it reads, and the replica takes
 * no writes at all. The name ends with the session, however that ends.
 */
import type pg from "pg";
import { isRanged, type Request } from "./request";
import { sessionName } from "./session";

/** The number of all receipts is a guess, and what comes after them takes time too. */
const most = 99;

/** Undefined where a part of the trail is asked for, or nobody can tell how much there is. */
export function percentOf(receipts: number, estimate: number, request: Request): number | undefined {
  const whole = request.from === undefined && request.agent === undefined && !isRanged(request);
  return whole && estimate > 0 ? Math.min(most, Math.floor((100 * receipts) / estimate)) : undefined;
}

export async function showProgress(client: pg.Client, percent: number): Promise<void> {
  await client.query("select pg_catalog.set_config('application_name', $1, false)", [`${sessionName} ${percent} %`]);
}
