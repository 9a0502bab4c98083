/** Whether the backups are proven: how the last drill ended, and how long ago one succeeded. */
import { one } from "../server";
import type { Source } from "../source";

interface Drill extends Record<string, unknown> {
  /** Days since one succeeded, or since one is awaited. */
  age: number;
  /** Null before the first, and while one goes on; 1 where the last one was killed. */
  problems: number | null;
  /** Minutes; null where none was measured yet. */
  rto: number | null;
  rpo: number | null;
}

export const drill: Source = {
  name: "drill",
  everySeconds: 60,
  timeoutSeconds: 5,
  async collect({ primary }, signal) {
    const { age, problems, rto, rpo } = await one<Drill>(
      primary,
      `select (extract(epoch from now() - coalesce(succeeded_at, since)) / 86400)::float8 as age,
              (case when began_at > coalesce(finished_at, '-infinity')
                     and not exists (select from pg_stat_activity a
                                      where a.pid = d.pid and coalesce(a.backend_start = d.connected_at, true))
                     -- Sessions of before a failover are gone, whoever goes on; its Job may take 12 hours.
                     and (pg_postmaster_start_time() < connected_at or began_at < now() - interval '13 hours')
                    then 1 else problems end)::float8 as problems,
              rto_seconds / 60.0::float8 as rto, rpo_seconds / 60.0::float8 as rpo
         from audit.drill d`,
      signal,
    );
    return {
      samples: {
        DrillAgeDays: age,
        ...(problems !== null && { DrillProblems: problems }),
        ...(rto !== null && { DrillRtoMinutes: rto }),
        ...(rpo !== null && { DrillRpoMinutes: rpo }),
      },
    };
  },
};
