/** Whether the months to come are there, and whether rows are where no month is. */
import { one } from "../server";
import type { Source } from "../source";

export const partitions: Source = {
  name: "partitions",
  everySeconds: 60,
  timeoutSeconds: 8,
  onFailure: [{ part: "partitions", reason: "the partitions cannot be read" }],
  async collect({ primary }, signal) {
    const { ahead, outside } = await one<{ ahead: number; outside: number }>(
      primary,
      `select (select min(months)::int
                 from (select count(*) filter (where p.kind = 'month' and p.month > audit.month_of(now())) as months
                         from audit.partitions p group by p.parent) t) as ahead,
              (select coalesce(sum(f.outside), 0)::float8 from audit.rows_outside_months() f) as outside`,
      signal,
    );
    const reasons = [
      ...(ahead < 1 ? ["next month has no partition"] : []),
      ...(outside > 0 ? ["rows are stored outside of any month"] : []),
    ];
    return {
      samples: { MonthsAhead: ahead, RowsOutsideMonths: outside },
      findings: [{ part: "partitions", ...(reasons.length > 0 && { reason: reasons.join("; ") }) }],
    };
  },
};
