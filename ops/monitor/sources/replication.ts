/** Replication as the primary sees it: asked apart from the replica, since it is most wanted when that does not answer. */
import type { Source } from "../source";
import { one } from "../server";

/** Readers of WAL that are standbys, and not a backup or an archiver under way. */
const query = `
  select (select count(*)::int from pg_stat_replication where state = 'streaming') as connected,
         (select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::float8
            from pg_stat_replication) as "lagBytes",
         (select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::float8
            from pg_replication_slots) as "retainedBytes"`;

export const replication: Source = {
  name: "replication",
  everySeconds: 10,
  timeoutSeconds: 5,
  onFailure: [{ part: "replica", reason: "the primary's view of the replica cannot be read" }],
  async collect({ primary, replica }, signal) {
    const { connected, lagBytes, retainedBytes } = await one<{
      connected: number;
      lagBytes: number;
      retainedBytes: number;
    }>(primary, query, signal);
    const samples = { SlotRetainedBytes: retainedBytes };
    if (replica === undefined) return { samples };
    return {
      samples: { ...samples, ReplicaConnected: connected > 0 ? 1 : 0, ReplicationLagBytes: lagBytes },
      findings: [{ part: "replica", ...(connected === 0 && { reason: "no replica receives WAL from the primary" }) }],
    };
  },
};
