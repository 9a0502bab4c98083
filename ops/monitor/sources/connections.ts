/** Who is connected, and what they do. */
import { roleOf } from "../../roles";
import { one } from "../server";
import type { Source } from "../source";

export const connections: Source = {
  name: "connections",
  everySeconds: 10,
  timeoutSeconds: 5,
  onFailure: [{ part: "primary", reason: "the primary does not answer the monitor directly" }],
  async collect({ primary }, signal) {
    const row = await one<{
      used: number;
      most: number;
      active: number;
      idle: number;
      oldest: number;
      logins: Record<string, number>;
    }>(
      primary,
      `with client as (
         select usename, state, xact_start, application_name from pg_stat_activity where backend_type = 'client backend'
       )
       select count(*)::int as used,
              current_setting('max_connections')::int as most,
              (count(*) filter (where state = 'active'))::int as active,
              (count(*) filter (where state like 'idle in transaction%' and application_name <> 'authensor-heartbeat'))::int as idle,
              coalesce(extract(epoch from clock_timestamp() - min(xact_start)), 0)::float8 as oldest,
              (select coalesce(jsonb_object_agg(usename, n), '{}')
                 from (select coalesce(usename, 'none') as usename, count(*) as n from client group by 1) r) as logins
         from client`,
      signal,
    );
    return {
      samples: {
        ConnectionsUsedPercent: (100 * row.used) / row.most,
        Connections: byRole(row.logins),
        ConnectionsActive: row.active,
        ConnectionsIdleInTransaction: row.idle,
        OldestTransactionSeconds: Math.max(0, row.oldest),
      },
      findings: [{ part: "primary" }],
    };
  },
};

function byRole(logins: Record<string, number>): Record<string, number> {
  const roles: Record<string, number> = {};
  for (const [login, count] of Object.entries(logins)) roles[roleOf(login)] = (roles[roleOf(login)] ?? 0) + count;
  return roles;
}
