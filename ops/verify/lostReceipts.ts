/**
 * Names the receipts behind what was cut off or has forked: an anchor knows of places alone, and the bucket's segments
 * have the rows.
 */
import type pg from "pg";
import type { Bucket } from "../archive/bucket";
import { isUnreadable } from "../archive/unreadable";
import { sortByIds } from "../reconcile/compareIds";
import { branchesInBucket } from "../reconcile/fromBucket";
import { lostOf, sayReceipt } from "../reconcile/lost";
import type { FindingKind } from "./findings";
import type { Report } from "./report";

const kinds: readonly FindingKind[] = ["cut-off-tail", "forked"];

/** Whether there may be such receipts. */
export const leftBehind = ({ findings, acknowledged, archive }: Report): boolean =>
  [...findings, ...acknowledged].some(({ kind }) => kinds.includes(kind)) || (archive?.forks.length ?? 0) > 0;

/** Those that are in no chain of the database. What cannot be read is told in their place. */
export async function lostReceipts(client: pg.Client, bucket: Bucket): Promise<string[]> {
  try {
    // As in a session of the verification: a name means what PostgreSQL made.
    await client.query("set search_path = pg_catalog, pg_temp");
    const { branches, doubts } = await branchesInBucket(client, bucket);
    const { receipts, problems } = lostOf(branches);
    const { missing, conflicts } = await sortByIds(client, receipts);
    return [...missing.map(sayReceipt), ...conflicts, ...problems, ...doubts];
  } catch (error) {
    bucket.signal.throwIfAborted();
    if (!isUnreadable(error)) throw error;
    return [`they cannot be named: ${(error as Error).message}`];
  }
}
