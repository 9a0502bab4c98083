/** What the programs on schedule say of their last runs. */
import { overdueHours } from "../overdue";
import type { Source } from "../source";

interface Run extends Record<string, unknown> {
  program: string;
  failed: boolean;
  /** Hours since it last succeeded, or since that is awaited where that is later. */
  age: number;
}

export const programs: Source = {
  name: "programs",
  everySeconds: 60,
  timeoutSeconds: 5,
  async collect({ primary }, signal) {
    const runs = await primary.query<Run>(
      `select program, succeeded_at is distinct from finished_at as failed,
              (extract(epoch from now() - greatest(succeeded_at, since)) / 3600)::float8 as age
         from audit.programs left join audit.program_runs using (program)
        where since is not null`,
      signal,
    );
    const ages = runs.filter(({ program }) => program in overdueHours).map(({ program, age }) => [program, age]);
    return {
      samples: {
        ProgramsFailed: runs.filter(({ failed }) => failed).length,
        ProgramAgeHours: Object.fromEntries(ages) as Record<string, number>,
      },
    };
  },
};
