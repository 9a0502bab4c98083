/** What the login roles and the database may be, compared and repaired by the SQL of 019: what differed is said. */
import type { ClientBase } from "pg";
import type { Log } from "../log";

export interface RoleDifference {
  what: string;
  expected: string;
  actual: string;
}

/** Repairs what differs, says so, and returns it. Nothing in a database whose migrations have not come so far. */
export async function repairRoles(client: ClientBase, log: Log): Promise<RoleDifference[]> {
  if (!(await known(client))) return [];
  const { rows } = await client.query<RoleDifference>("select * from audit.repair_roles()");
  for (const difference of rows) log.warn("repaired", { ...difference });
  return rows;
}

/** What differs now. */
export async function unrepairedRoles(client: ClientBase): Promise<RoleDifference[]> {
  if (!(await known(client))) return [];
  return (await client.query<RoleDifference>("select what, expected, actual from audit.role_differences()")).rows;
}

async function known(client: ClientBase): Promise<boolean> {
  const sql = "select to_regprocedure('audit.repair_roles()') is not null as known";
  return (await client.query<{ known: boolean }>(sql)).rows[0]?.known === true;
}

/** How many connections each role may have from now on; the next repair brings it into force. */
export async function setConnectionLimits(client: ClientBase, limits: Readonly<Record<string, number>>): Promise<void> {
  await client.query(
    `insert into audit.connection_limits select key, value::int from jsonb_each_text($1)
       on conflict (role) do update set connections = excluded.connections`,
    [JSON.stringify(limits)],
  );
}
