/** Which servers to reboot, and in which order, so that changed static parameters come into force and replay never stops. */
import type { Difference } from "./difference";

/** PostgreSQL, "Hot Standby", Administrator's Overview: a standby with less than its primary pauses replay, or does not start. */
const replicaNeedsAsMuch: readonly string[] = [
  "max_connections",
  "max_worker_processes",
  "max_wal_senders",
  "max_prepared_transactions",
  "max_locks_per_transaction",
];

/** One line of advice, or none where nothing waits for a reboot. */
export function rebootAdvice(differences: readonly Difference[]): string[] {
  const waiting = differences.filter(({ settles }) => settles === "by reboot");
  if (waiting.length === 0) return [];
  const ordered = waiting.filter(({ what, values }) => replicaNeedsAsMuch.includes(what) && values !== undefined);
  const names = (up: boolean) =>
    ordered.filter(({ values: [wanted, is] = ["", ""] }) => Number(wanted) > Number(is) === up).map(({ what }) => what);
  const [raised, lowered] = [names(true).join(", "), names(false).join(", ")];
  const reason = "a replica with less of it than its primary stops replaying";
  const all = waiting.map(({ what }) => what).join(", ");
  if (raised && lowered)
    return [
      `${raised} is raised and ${lowered} is lowered, and ${reason}: deploy the raised values first and reboot the replica, ` +
        "then the primary; then deploy the lowered ones and reboot the primary, then the replica.",
    ];
  if (raised)
    return [`Reboot the replica first, then the primary: ${raised} is raised, and ${reason}. Then deploy again.`];
  if (lowered)
    return [`Reboot the primary first, the replica last: ${lowered} is lowered, and ${reason}. Then deploy again.`];
  return [`Reboot the primary, then the replica: ${all} takes effect when a server starts. Then deploy again.`];
}
