/** Does the server agree with the deployed configuration? Every difference, with what was expected and what is. */
import type { ClientBase } from "pg";
import type { Expectations } from "../expectations";
import { unrepairedRoles } from "../maintenance/roles";
import type { Difference } from "./difference";
import { checkParameters } from "./parameters";

/** All differences between the expectations and the server; none means that they agree. */
export async function findDifferences(client: ClientBase, expected: Expectations): Promise<Difference[]> {
  return [
    ...(await checkParameters(client, { ...expected.parameters, ...(expected.ssl ? { ssl: "on" } : {}) })),
    ...(await checkWalLevel(client)),
    ...(expected.ssl ? await checkConnection(client) : []),
    ...(await unrepairedRoles(client)),
    ...(await checkPartitions(client, expected.monthsAhead)),
  ];
}

async function checkWalLevel(client: ClientBase): Promise<Difference[]> {
  const { rows } = await client.query<{ wal_level: string }>("show wal_level");
  const actual = rows[0]?.wal_level ?? "unknown";
  return ["replica", "logical"].includes(actual) ? [] : [{ what: "wal_level", expected: "replica or logical", actual }];
}

async function checkConnection(client: ClientBase): Promise<Difference[]> {
  const { rows } = await client.query<{ ssl: boolean; socket: boolean }>(
    "select ssl, inet_client_addr() is null as socket from pg_stat_ssl where pid = pg_backend_pid()",
  );
  // Nothing to encrypt where no network is crossed.
  if (rows[0]?.ssl || rows[0]?.socket) return [];
  return [{ what: "this connection", expected: "encrypted", actual: "plain text" }];
}

async function checkPartitions(client: ClientBase, monthsAhead: number): Promise<Difference[]> {
  const { rows } = await client.query<{ parent: string; month: string }>(
    `select p.parent::text, to_char(m, 'YYYY-MM') as month
       from (select distinct parent from audit.partitions) p
      cross join generate_series(audit.month_of(now())::timestamp, audit.month_of(now())::timestamp + make_interval(months => $1), '1 month') m
      where not exists (select from audit.partitions x where x.parent = p.parent and x.kind = 'month' and x.month = m::date)
      order by 1, 2`,
    [monthsAhead],
  );
  return rows.map(({ parent, month }) => ({
    what: `partition of ${parent} for ${month}`,
    expected: "exists",
    actual: "missing",
  }));
}
