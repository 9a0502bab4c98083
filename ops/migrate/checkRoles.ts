/** Are the login roles what sql/001_roles.sql makes of them? */
import type { ClientBase } from "pg";
import { createdRoles, maintenanceConnections, roles } from "../roles";
import type { Difference } from "./check";

/** What 001 sets for each role in this database; a setting beside these, here or for all databases, is a difference. */
const settings: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [roles.app]: {
    synchronous_commit: "on",
    idle_in_transaction_session_timeout: "30s",
    statement_timeout: "30s",
    lock_timeout: "10s",
  },
  [roles.telemetry]: {
    synchronous_commit: "off",
    idle_in_transaction_session_timeout: "30s",
    statement_timeout: "10s",
  },
  [roles.monitor]: { statement_timeout: "10s", idle_in_transaction_session_timeout: "30s" },
  [roles.auditor]: {
    default_transaction_read_only: "on",
    statement_timeout: "15min",
    idle_in_transaction_session_timeout: "5min",
  },
  [roles.maintenance]: {
    statement_timeout: "15min",
    lock_timeout: "1s",
    idle_in_transaction_session_timeout: "30s",
  },
};

interface RoleRow {
  role: string;
  exists: boolean;
  powers: string | null;
  memberships: string | null;
  /** -1: none. */
  connection_limit: number;
  /** `name=value`, as pg_db_role_setting has them. */
  here: string[];
  everywhere: string[];
}

/** Each role's powers, memberships and settings that are not those of 001. */
export async function checkRoles(client: ClientBase): Promise<Difference[]> {
  const { rows } = await client.query<RoleRow>(
    `select wanted.role, r.oid is not null as exists,
            nullif(concat_ws(', ', case when rolsuper then 'superuser' end, case when rolcreaterole then 'createrole' end,
                             case when rolcreatedb then 'createdb' end, case when rolbypassrls then 'bypassrls' end,
                             case when rolreplication then 'replication' end, case when not rolcanlogin then 'no login' end), '') as powers,
            r.rolconnlimit as connection_limit,
            (select string_agg(m.roleid::regrole::text, ', ' order by m.roleid::regrole::text)
               from pg_auth_members m where m.member = r.oid) as memberships,
            array(select c from pg_db_role_setting s, unnest(s.setconfig) c where s.setrole = r.oid and s.setdatabase = d.oid) as here,
            array(select c from pg_db_role_setting s, unnest(s.setconfig) c where s.setrole = r.oid and s.setdatabase = 0) as everywhere
       from unnest($1::text[]) as wanted (role)
       join pg_database d on d.datname = current_database()
       left join pg_roles r on r.rolname = wanted.role`,
    [[...createdRoles]],
  );
  return rows.flatMap((row): Difference[] => {
    const what = `role ${row.role}`;
    if (!row.exists) return [{ what, expected: "exists", actual: "missing" }];
    const differences: Difference[] = [];
    if (row.powers) differences.push({ what, expected: "login and no other power", actual: row.powers });
    const membership = row.role === roles.monitor ? "pg_monitor" : "nothing";
    if ((row.memberships ?? "nothing") !== membership)
      differences.push({ what: `${what} is a member`, expected: membership, actual: row.memberships ?? "nothing" });
    const limit = row.role === roles.maintenance ? maintenanceConnections : -1;
    if (row.connection_limit !== limit)
      differences.push({
        what: `connection limit of ${row.role}`,
        expected: limitText(limit),
        actual: limitText(row.connection_limit),
      });
    return [...differences, ...checkSettings(row)];
  });
}

function checkSettings({ role, here, everywhere }: RoleRow): Difference[] {
  const expected = new Map(Object.entries(settings[role] ?? {}));
  const actual = new Map(here.map(split));
  const differences: Difference[] = [];
  for (const name of new Set([...expected.keys(), ...actual.keys()])) {
    const [wanted, is] = [expected.get(name) ?? "not set", actual.get(name) ?? "not set"];
    if (wanted !== is) differences.push({ what: `${name} of ${role}`, expected: wanted, actual: is });
  }
  for (const [name, is] of everywhere.map(split))
    differences.push({ what: `${name} of ${role} in every database`, expected: "not set", actual: is });
  return differences;
}

const limitText = (limit: number) => (limit === -1 ? "none" : String(limit));

function split(setting: string): [name: string, value: string] {
  const at = setting.indexOf("=");
  return [setting.slice(0, at), setting.slice(at + 1)];
}
