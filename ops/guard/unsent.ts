/** What the control plane (commit 55f328e) asks of the database on every decision, and need not. Another text, as another version may have, is sent as ever. */
import type { Done, Driver, Pool } from "./driver";
import { noteKeyUse } from "./limits";

/**
 * Sent with a new receipt as its predecessor's hash. Here the database gives a receipt its predecessor, in its agent's chain, and its hash,
 * whatever it is sent (audit.seal_receipt), and stores none without: so nobody uses the answer, and it is the one statement of a decision that
 * opens every month of the trail.
 */
export const newestHash =
  "SELECT receipt_hash FROM receipts WHERE receipt_hash IS NOT NULL ORDER BY created_at DESC LIMIT 1";

/**
 * When a key was used last, which the list of keys tells. Nobody waits for it, but the requests of one key all wait for its row, each as
 * long as a commit takes, and hold a connection meanwhile.
 */
export const keyUse = "UPDATE api_keys SET last_used_at = now() WHERE id = $1";

/**
 * The newest hash is answered as by an empty trail. A key's use is noted once in so many seconds, at once again where that failed; else the
 * answer is that it was.
 */
export function answerUnsent({ Pool: { prototype } }: Driver): void {
  const { query } = prototype;
  if (typeof query !== "function") return;
  const noted = new Map<unknown, number>();
  const notedLately = (key: unknown) => {
    const now = performance.now();
    if (now - (noted.get(key) ?? -Infinity) < noteKeyUse * 1000) return true;
    noted.set(key, now);
    return false;
  };
  prototype.query = function (this: Pool, text, values, done) {
    const callback = typeof values === "function" ? values : done;
    const answer = () => {
      if (this.ending) return undefined;
      if (text === newestHash) return { command: "SELECT", rowCount: 0, oid: null, rows: [], fields: [] };
      if (text === keyUse && Array.isArray(values) && notedLately(values[0]))
        return { command: "UPDATE", rowCount: 1, oid: null, rows: [], fields: [] };
      return undefined;
    };
    const answered = answer();
    if (answered === undefined) {
      const sent = query.call(this, text, values, done);
      if (text === keyUse && Array.isArray(values) && sent instanceof Promise)
        sent.catch(() => noted.delete(values[0]));
      return sent;
    }
    if (typeof callback !== "function") return Promise.resolve(answered);
    setImmediate(() => (callback as Done)(undefined, answered));
    return undefined;
  };
}
