/** How far the replica is behind, by the newest heartbeat that it shows: the primary knows nothing of replay. */
import type { Source } from "../source";
import { one } from "../server";

/** Seconds behind from which `/health/ready` speaks of it; the alarm's threshold is a setting. */
const tolerableLag = 10;

export function replicationLag(): Source {
  /** The newest heartbeat that is known to be on the replica; before the first answer, the first one that was written. */
  let seen: Date | undefined;
  const lag = (newest: Date) => Math.max(0, (newest.getTime() - (seen ??= newest).getTime()) / 1000);
  return {
    name: "replication-lag",
    everySeconds: 10,
    timeoutSeconds: 5,
    onFailure: [{ part: "lag", reason: "the replica cannot be read" }],
    // A lag that nobody can measure is no lag of nought, nor none: what is not known to be there is behind.
    unanswered({ replica, heartbeat }) {
      const newest = heartbeat();
      return replica === undefined || newest === undefined ? {} : { ReplicationLagSeconds: lag(newest) };
    },
    async collect({ replica, heartbeat }, signal) {
      const newest = heartbeat();
      if (replica === undefined || newest === undefined) return { samples: {} };
      seen = (await one<{ at: Date }>(replica, "select at from audit.heartbeat", signal)).at;
      const behind = lag(newest);
      const reason = `the replica is ${Math.round(behind)} s behind the primary`;
      return {
        samples: { ReplicationLagSeconds: behind },
        findings: [{ part: "lag", ...(behind > tolerableLag && { reason }) }],
      };
    },
  };
}
