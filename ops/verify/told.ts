/**
 * What programs and the deployment have told the database, and what alarms believe of it. It is no evidence; but a time that is still to
 * come, a program that nobody awaits and a report by somebody else would keep an alarm silent.
 */
import type pg from "pg";
import list from "../../sql/catalog.json";
import { sqlState } from "../database";
import type { Expectations } from "../expectations";
import { roles } from "../roles";
import { longestUnseen } from "../unseen";
import type { Finding } from "./findings";
import { trailTables } from "./readable";

/** Who reports runs of which program (audit.programs). */
export const reporters: Readonly<Record<string, string>> = {
  compact: roles.archiver,
  hold: roles.archiver,
  partitions: roles.maintenance,
  retire: roles.maintenance,
  "verify-archived": roles.verifier,
  "verify-recent": roles.verifier,
  "verify-whole": roles.verifier,
};

/** Columns of tables that programs and deployments write; those of the trail are compared along its chains. */
const columns = Object.entries(list as Record<string, Record<string, string>>).flatMap(([table, facts]) =>
  /^audit\.\w+$/.test(table) &&
  !trailTables.includes(table) &&
  /^kind r; .*authensor_auditor may SELECT/.test(facts["relation"] ?? "")
    ? Object.entries(facts).flatMap(([key, fact]) =>
        key.startsWith("column ") ? [{ table, column: key.replace("column ", ""), fact }] : [],
      )
    : [],
);
const times = columns.filter(({ fact }) => fact.startsWith("timestamp with time zone"));
const ofOneRow = columns.filter(({ column }) => column === "only_row").map(({ table }) => table);

const off = (message: string): Finding => ({ kind: "guard-off", message });

/** @param expected what this deployment has told the database, where that is known */
export async function toldFindings(client: pg.Client, expected: Expectations | undefined): Promise<Finding[]> {
  try {
    return [
      ...(await future(client)),
      ...(await gone(client)),
      ...(await programs(client, expected)),
      ...(await limits(client, expected)),
    ];
  } catch (error) {
    // A table or column that is gone, or that may not be read: the comparison of the catalog says so.
    if (/^42(P01|703|501)$/.test(sqlState(error) ?? "")) return [];
    throw error;
  }
}

/** For a standby's clock, and another server's after a failover. */
async function future(client: pg.Client): Promise<Finding[]> {
  const latest = times.map(({ table, column }) => `select '${table}.${column}', max(${column}) from ${table}`);
  const { rows } = await client.query<{ place: string; at: string }>(
    `select place, at::text from (${latest.join(" union all ")}) t (place, at)
      where at > clock_timestamp() + make_interval(secs => ${longestUnseen / 1000})`,
  );
  return rows.map(({ place, at }) => off(`${place} says ${at}, which is still to come: no alarm is given until then`));
}

/** Rows that migrations make and programs only change. */
async function gone(client: pg.Client): Promise<Finding[]> {
  const wanted = [
    ...ofOneRow.map((table) => `select '${table}', 1, count(*) from ${table}`),
    "select 'audit.verifications', 3, count(*) from audit.verifications",
  ];
  const { rows } = await client.query<{ place: string; wanted: number; count: string }>(
    `select * from (${wanted.join(" union all ")}) t (place, wanted, count) where count <> wanted`,
  );
  return rows.map(({ place, wanted, count }) =>
    off(`${place} has ${count} rows instead of ${wanted}: alarms wait for what is not there`),
  );
}

async function programs(client: pg.Client, expected: Expectations | undefined): Promise<Finding[]> {
  const { rows } = await client.query<{ program: string; role: string | null; awaited: boolean }>(
    `select program, role, since is not null as awaited from audit.programs
      union all select 'drill', null, since is not null from audit.drill`,
  );
  const told = new Map(rows.map(({ program, role }) => [program, role]));
  const awaited = new Map(rows.map((row) => [row.program, row.awaited]));
  return [
    ...[...new Set([...told.keys(), ...Object.keys(reporters)])].flatMap((program) => {
      const [is, wanted] = [told.get(program) ?? "nobody", reporters[program] ?? "nobody"];
      return is === wanted ? [] : [off(`audit.programs lets ${is} report runs of ${program}, instead of ${wanted}`)];
    }),
    ...(expected?.programs ?? []).flatMap((program) =>
      (program in reporters || program === "drill") && !awaited.get(program)
        ? [off(`no run of ${program} is awaited, which this deployment has: ${meanwhile}`)]
        : [],
    ),
  ];
}

async function limits(client: pg.Client, expected: Expectations | undefined): Promise<Finding[]> {
  const { rows } = await client.query<{ role: string; connections: number }>(
    "select role, connections from audit.connection_limits",
  );
  const told = new Map(rows.map(({ role, connections }) => [role, connections]));
  return Object.entries(expected?.connections ?? {}).flatMap(([role, wanted]) =>
    told.get(role) === wanted
      ? []
      : [
          off(
            `audit.connection_limits has ${told.get(role) ?? "no"} connections of ${role}, instead of ${wanted}: ${meanwhile}`,
          ),
        ],
  );
}

const meanwhile = "unless a deployment changed it at this moment, somebody else did";
