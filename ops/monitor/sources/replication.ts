/** How far the replica is behind, asked on both sides: a replica that is gone cannot say so, and a primary knows nothing of replay. */
import type { Finding, Source } from "../source";
import { one } from "../server";

/** Seconds behind from which `/health/ready` speaks of it; the alarm's threshold is a setting. */
const tolerableLag = 10;

/** Readers of WAL that are standbys, and not a backup or an archiver under way. */
const primaryQuery = `
  select (select count(*)::int from pg_stat_replication where state = 'streaming') as connected,
         (select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::float8
            from pg_stat_replication) as "lagBytes",
         (select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::float8
            from pg_replication_slots) as "retainedBytes"`;

export function replication(): Source {
  /** The newest heartbeat that is known to be on the replica; before the first answer, the first one that was written. */
  let seen: Date | undefined;
  const lag = (newest: Date) => Math.max(0, (newest.getTime() - (seen ??= newest).getTime()) / 1000);
  return {
    name: "replication",
    everySeconds: 10,
    timeoutSeconds: 5,
    onFailure: [{ part: "replica", reason: "the replica, or the primary's view of it, cannot be read" }],
    // A lag that nobody can measure is no lag of nought, nor none: what is not known to be there is behind.
    unanswered({ replica, heartbeat }) {
      const newest = heartbeat();
      return replica === undefined || newest === undefined ? {} : { ReplicationLagSeconds: lag(newest) };
    },
    async collect({ primary, replica, heartbeat }, signal) {
      const row = await one<{ connected: number; lagBytes: number; retainedBytes: number }>(
        primary,
        primaryQuery,
        signal,
      );
      const samples = { SlotRetainedBytes: row.retainedBytes };
      if (replica === undefined) return { samples };
      const connected = row.connected > 0 ? 1 : 0;
      const findings: Finding[] = [
        { part: "replica", ...(connected ? {} : { reason: "no replica receives WAL from the primary" }) },
      ];
      const ofPrimary = { ...samples, ReplicaConnected: connected, ReplicationLagBytes: row.lagBytes };
      const newest = heartbeat();
      if (newest === undefined) return { samples: ofPrimary, findings };
      seen = (await one<{ at: Date }>(replica, "select at from audit.heartbeat", signal)).at;
      const behind = lag(newest);
      findings.push({
        part: "lag",
        ...(behind > tolerableLag && { reason: `the replica is ${Math.round(behind)} s behind the primary` }),
      });
      return { samples: { ...ofPrimary, ReplicationLagSeconds: behind }, findings };
    },
  };
}
