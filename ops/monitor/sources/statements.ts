/** How long statements take, by role, from what pg_stat_statements has counted since the last reading. */
import type { Source } from "../source";
import { roleOf, roles } from "../../roles";

interface Row extends Record<string, unknown> {
  id: string;
  role: string;
  calls: number;
  milliseconds: number;
}

export function statements(): Source {
  let before: Map<string, Row> | undefined;
  return {
    name: "statements",
    everySeconds: 60,
    timeoutSeconds: 8,
    async collect({ primary }, signal) {
      // Without the texts, which would have to be read from a file each time.
      const rows = await primary.query<Row>(
        `select concat_ws('/', s.userid, s.queryid, s.toplevel) as id, r.rolname as role,
                s.calls::float8 as calls, s.total_exec_time as milliseconds
           from pg_stat_statements(false) s
           join pg_roles r on r.oid = s.userid
          where s.dbid = (select oid from pg_database where datname = current_database()) and s.toplevel`,
        signal,
      );
      const now = new Map(rows.map((row) => [row.id, row]));
      const known = before;
      before = now;
      if (known === undefined) return { samples: {} };
      const spent = rows.flatMap((row) => {
        const earlier = known.get(row.id);
        // Fewer calls than before: it was forgotten meanwhile, and counts from nothing.
        const from = earlier !== undefined && earlier.calls <= row.calls ? earlier : { calls: 0, milliseconds: 0 };
        const calls = row.calls - from.calls;
        return calls > 0 ? [{ role: roleOf(row.role), calls, milliseconds: row.milliseconds - from.milliseconds }] : [];
      });
      const ofApp = spent
        .filter(({ role }) => role === roles.app)
        .map(({ calls, milliseconds }) => milliseconds / calls);
      return {
        samples: {
          StatementMilliseconds: meanByRole(spent),
          ...(ofApp.length > 0 && { SlowestStatementMilliseconds: Math.max(...ofApp) }),
        },
      };
    },
  };
}

function meanByRole(spent: readonly { role: string; calls: number; milliseconds: number }[]): Record<string, number> {
  const totals = new Map<string, { calls: number; milliseconds: number }>();
  for (const { role, calls, milliseconds } of spent) {
    const total = totals.get(role) ?? { calls: 0, milliseconds: 0 };
    totals.set(role, { calls: total.calls + calls, milliseconds: total.milliseconds + milliseconds });
  }
  return Object.fromEntries([...totals].map(([role, { calls, milliseconds }]) => [role, milliseconds / calls]));
}
