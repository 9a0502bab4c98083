/** Dead rows that vacuum has not got to. */
import { one } from "../server";
import type { Source } from "../source";

/** A table of fewer rows is vacuumed in no time, and its share says nothing. */
const leastRows = 10_000;

export const tables: Source = {
  name: "tables",
  everySeconds: 60,
  timeoutSeconds: 5,
  async collect({ primary }, signal) {
    const { share } = await one<{ share: number }>(
      primary,
      `select coalesce(max(100.0 * n_dead_tup / (n_live_tup + n_dead_tup)), 0)::float8 as share
         from pg_stat_user_tables where n_live_tup + n_dead_tup >= $1`,
      signal,
      [leastRows],
    );
    return { samples: { DeadTuplesPercent: share } };
  },
};
