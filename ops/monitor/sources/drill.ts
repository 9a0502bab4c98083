/** Whether the backups are proven: how the last drill ended, and how long ago one succeeded. */
import { one } from "../server";
import type { Source } from "../source";

interface Drill extends Record<string, unknown> {
  /** Days since one succeeded, or since one is awaited where that is later; null where there are none. */
  age: number | null;
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
      `select case when since is not null then (extract(epoch from now() - greatest(succeeded_at, since)) / 86400)::float8 end as age,
              (case when began_at > coalesce(finished_at, '-infinity') and seen_at < now() - interval '10 minutes'
                    then 1 else problems end)::float8 as problems,
              rto_seconds / 60.0::float8 as rto, rpo_seconds / 60.0::float8 as rpo
         from audit.drill`,
      signal,
    );
    return {
      samples: {
        ...(age !== null && { DrillAgeDays: age }),
        ...(problems !== null && { DrillProblems: problems }),
        ...(rto !== null && { DrillRtoMinutes: rto }),
        ...(rpo !== null && { DrillRpoMinutes: rpo }),
      },
    };
  },
};
