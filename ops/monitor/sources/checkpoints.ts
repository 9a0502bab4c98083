/** Whether checkpoints come by the clock, or because WAL ran out of room. */
import { one } from "../server";
import { counters, type Source } from "../source";

type Counter = "CheckpointsTimed" | "CheckpointsRequested";

export function checkpoints(): Source {
  const since = counters<Counter>();
  return {
    name: "checkpoints",
    everySeconds: 60,
    timeoutSeconds: 5,
    async collect({ primary }, signal) {
      // PostgreSQL 17 gave them a view of their own.
      const { version } = await one<{ version: number }>(
        primary,
        "select current_setting('server_version_num')::int as version",
        signal,
      );
      const readings = await one<Record<Counter, number>>(
        primary,
        version >= 170_000
          ? `select num_timed::float8 as "CheckpointsTimed", num_requested::float8 as "CheckpointsRequested"
               from pg_stat_checkpointer`
          : `select checkpoints_timed::float8 as "CheckpointsTimed", checkpoints_req::float8 as "CheckpointsRequested"
               from pg_stat_bgwriter`,
        signal,
      );
      return { samples: since(readings) };
    },
  };
}
