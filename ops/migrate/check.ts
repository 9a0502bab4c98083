/** Is the server what was deployed? Every difference, with what was expected and what is. */
import { readFileSync } from "node:fs";
import type { ClientBase } from "pg";
import * as z from "zod/mini";
import { Failure } from "../program";
import { checkRoles } from "./checkRoles";

const expectationsSchema = z.strictObject({
  /** As given to the RDS parameter group: numbers in the parameter's base unit. */
  parameters: z._default(z.record(z.string(), z.string()), {}),
  /** Months ahead that must have a partition. */
  monthsAhead: z._default(z.int().check(z.minimum(0), z.maximum(120)), 3),
  /** Whether the server must speak TLS, and this connection use it. */
  ssl: z._default(z.boolean(), true),
});

export type Expectations = z.infer<typeof expectationsSchema>;

export interface Difference {
  what: string;
  expected: string;
  actual: string;
}

/** What the file named by EXPECTATIONS_FILE asks for, or the defaults where there is none. */
export function readExpectations(file: string | undefined): Expectations {
  if (!file) return expectationsSchema.parse({});
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Failure(
      `EXPECTATIONS_FILE: cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`,
      [],
      2,
    );
  }
  const parsed = expectationsSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new Failure(`EXPECTATIONS_FILE: ${file} is not as expected`, z.prettifyError(parsed.error).split("\n"), 2);
}

/** All differences between the expectations and the server; none means it is what was deployed. */
export async function findDifferences(client: ClientBase, expected: Expectations): Promise<Difference[]> {
  return [
    ...(await checkParameters(client, { ...expected.parameters, ...(expected.ssl ? { ssl: "on" } : {}) })),
    ...(await checkWalLevel(client)),
    ...(expected.ssl ? await checkConnection(client) : []),
    ...(await checkRoles(client)),
    ...(await checkPartitions(client, expected.monthsAhead)),
  ];
}

interface Setting {
  name: string;
  setting: string;
  vartype: string;
  unit: string | null;
  pending_restart: boolean;
}

async function checkParameters(client: ClientBase, parameters: Record<string, string>): Promise<Difference[]> {
  const { rows } = await client.query<Setting>(
    // reset_val: what a new session gets, whatever this one has set for itself. Parameters that an extension or RDS adds under
    // a name of their own need not be listed in pg_settings.
    `select wanted as name, coalesce(reset_val, setting, current_setting(wanted, true)) as setting, coalesce(vartype, 'string') as vartype,
            unit, coalesce(pending_restart, false) as pending_restart
       from unnest($1::text[]) as wanted left join pg_settings s on s.name = wanted
      where s.name is not null or current_setting(wanted, true) is not null`,
    [Object.keys(parameters)],
  );
  const settings = new Map(rows.map((row) => [row.name, row]));
  const differences: Difference[] = [];
  for (const [name, value] of Object.entries(parameters)) {
    // A formula over the instance's memory: only RDS knows what it comes to.
    if (/[{(]/.test(value)) continue;
    const setting = settings.get(name);
    const unit = setting?.unit ? ` (in units of ${setting.unit})` : "";
    if (!setting) differences.push({ what: name, expected: value, actual: "not known to this server" });
    else if (!sameValue(value, setting))
      differences.push({ what: name, expected: value + unit, actual: setting.setting || "nothing" });
    else if (setting.pending_restart)
      differences.push({ what: name, expected: "in force", actual: "changed since, waiting for a restart" });
  }
  return differences;
}

/** Compares as the server would read it: `1` is `on`, `0.90` is `0.9`; of a list, all expected members must be there. */
export function sameValue(expected: string, setting: Pick<Setting, "name" | "setting" | "vartype">): boolean {
  const actual = setting.setting;
  if (setting.name === "shared_preload_libraries") {
    const loaded = new Set(actual.split(",").map((library) => library.trim()));
    return expected.split(",").every((library) => loaded.has(library.trim()));
  }
  if (setting.vartype === "bool" || /^(on|off)$/i.test(actual)) {
    const truth = (text: string) =>
      /^(on|true|yes|1)$/i.test(text) ? "on" : /^(off|false|no|0)$/i.test(text) ? "off" : text;
    return truth(expected) === truth(actual);
  }
  if (setting.vartype === "integer" || setting.vartype === "real") return Number(expected) === Number(actual);
  return expected.toLowerCase() === actual.toLowerCase();
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
