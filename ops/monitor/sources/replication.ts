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

export const replication: Source = {
  name: "replication",
  everySeconds: 10,
  timeoutSeconds: 5,
  onFailure: [{ part: "replica", reason: "the replica, or the primary's view of it, cannot be read" }],
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
    const seen = await one<{ at: Date }>(replica, "select at from audit.heartbeat", signal);
    const lag = Math.max(0, (newest.getTime() - seen.at.getTime()) / 1000);
    findings.push({
      part: "lag",
      ...(lag > tolerableLag && { reason: `the replica is ${Math.round(lag)} s behind the primary` }),
    });
    return { samples: { ...ofPrimary, ReplicationLagSeconds: lag }, findings };
  },
};
