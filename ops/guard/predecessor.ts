/** The one question that the control plane need not ask. */
import type { Done, Driver, Pool } from "./driver";

/**
 * For each decision the control plane (commit 55f328e, services/receipt-service.ts) asks for the hash of the newest receipt, and sends it
 * with the new one as its predecessor's. Here the database gives a receipt its predecessor, in its agent's chain, and its hash, whatever it is
 * sent (audit.seal_receipt), and stores none without. So nobody uses the answer, and it is the one statement of a
 * decision that opens every month of the trail. Another text, as another version may have, is asked as before.
 */
export const question =
  "SELECT receipt_hash FROM receipts WHERE receipt_hash IS NOT NULL ORDER BY created_at DESC LIMIT 1";

/** Answers it with no row, as an empty trail does. Neither a connection nor the pooler's queue is waited for. */
export function answerPredecessor({ Pool: { prototype } }: Driver): void {
  const { query } = prototype;
  if (typeof query !== "function") return;
  prototype.query = function (this: Pool, text, values, done) {
    const callback = typeof values === "function" ? values : done;
    if (text !== question || this.ending) return query.call(this, text, values, done);
    const none = { command: "SELECT", rowCount: 0, oid: null, rows: [], fields: [] };
    if (typeof callback !== "function") return Promise.resolve(none);
    setImmediate(() => (callback as Done)(undefined, none));
    return undefined;
  };
}
