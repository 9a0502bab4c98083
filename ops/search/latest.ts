import type { Found } from "./find";

/** Adds a receipt to the latest of those that were seen, which come latest first, and at most `limit`. */
export function keepLatest(latest: Found[], receipt: Found, limit: number): void {
  if (latest.length >= limit && receipt.created_at < latest.at(-1)!.created_at) return;
  const at = latest.findIndex(({ created_at }) => created_at <= receipt.created_at);
  latest.splice(at < 0 ? latest.length : at, 0, receipt);
  if (latest.length > limit) latest.pop();
}
