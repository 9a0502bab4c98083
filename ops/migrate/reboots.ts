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

export const waitsForReboot = ({ settles }: Difference): boolean => settles === "by reboot";

/** Names of what a replica needs as much of as its primary, by the direction of the change. */
export function directions(differences: readonly Difference[]): { raised: string[]; lowered: string[] } {
  const ordered = differences.filter(({ what, values }) => replicaNeedsAsMuch.includes(what) && values !== undefined);
  const names = (up: boolean) => [
    ...new Set(
      ordered
        .filter(({ values: [wanted, is] = ["", ""] }) => Number(wanted) > Number(is) === up)
        .map(({ what }) => what),
    ),
  ];
  return { raised: names(true), lowered: names(false) };
}

/** One line of advice, or none where nothing waits for a reboot. */
export function rebootAdvice(differences: readonly Difference[]): string[] {
  const waiting = differences.filter(waitsForReboot);
  if (waiting.length === 0) return [];
  const { raised: up, lowered: down } = directions(waiting);
  const [raised, lowered] = [up.join(", "), down.join(", ")];
  const byItself = "Then deploy again. With rebootForParameters set to true, a deployment does it by itself.";
  const reason = "a replica with less of it than its primary stops replaying";
  const all = waiting.map(({ what }) => what).join(", ");
  if (raised && lowered)
    return [
      `${raised} is raised and ${lowered} is lowered, and ${reason}: deploy the raised values first and reboot the replica, ` +
        "then the primary; then deploy the lowered ones and reboot the primary, then the replica.",
    ];
  if (raised) return [`Reboot the replica first, then the primary: ${raised} is raised, and ${reason}. ${byItself}`];
  if (lowered) return [`Reboot the primary first, the replica last: ${lowered} is lowered, and ${reason}. ${byItself}`];
  return [`Reboot the primary, then the replica: ${all} takes effect when a server starts. ${byItself}`];
}
