/** Parameter groups: what RDS accepts in them, and what becomes of it in a postgresql.conf. */
import { AwsError } from "../account";
import { evaluateFormula } from "./formulas";
import {
  foreignModules,
  gone,
  moduleParameters,
  newer,
  rdsParameters,
  reserved,
  type Definition,
} from "./parameterTables";

export interface Parameter {
  name: string;
  value: string;
  applyMethod: "immediate" | "pending-reboot";
}

export type Catalog = ReadonlyMap<string, Definition>;

/** Reads the tab-separated output of `postgres --describe-config`. */
export function parseCatalog(described: string): Catalog {
  const number = (text: string | undefined) => (text ? Number(text) : undefined);
  const rows = described.split("\n").map((line) => line.split("\t"));
  return new Map(
    rows.flatMap(([name, context, , type, , min, max]) =>
      name && context && type
        ? [[name, { context, type: type.toLowerCase(), min: number(min), max: number(max) }] as const]
        : [],
    ),
  );
}

export interface Checked {
  /** Parameters the local server is too old for, or whose module it lacks. */
  leftOut: string[];
  notes: string[];
}

/**
 * Checks parameters as ModifyDBParameterGroup does and throws its error for the first that is wrong.
 * `major` is the version of the family, `exists` answers for what `--describe-config` does not list.
 */
export function checkParameters(
  parameters: readonly Parameter[],
  catalog: Catalog,
  major: number,
  exists: (name: string) => boolean,
): Checked {
  const [leftOut, notes]: [string[], string[]] = [[], []];
  for (const parameter of parameters) {
    const { name, value, applyMethod } = parameter;
    const definition = catalog.get(name) ?? rdsParameters[name] ?? moduleParameters[name];
    if (isGone(name, major)) throw unknown(name);
    if (definition === undefined) {
      if (isNewer(name, major) || foreignModules.includes(name.split(".")[0] ?? "")) leftOut.push(name);
      else if (!exists(name)) throw unknown(name);
      continue;
    }
    if (reserved.has(name)) throw new AwsError("InvalidParameterValue", `The parameter ${name} cannot be modified.`);
    if (isStatic(definition) && applyMethod !== "pending-reboot") {
      const message = `cannot use immediate apply method for static parameter (${name}: set applyMethod to pending-reboot)`;
      throw new AwsError("InvalidParameterCombination", message);
    }
    checkValue(parameter, definition);
    if (definition.type === "boolean" && !/^[01]$/.test(value)) {
      notes.push(`${name} = ${value}: RDS stores 0 or 1, so that every further update shows a difference; write it so`);
    }
  }
  return { leftOut, notes };
}

const unknown = (name: string) => new AwsError("InvalidParameterValue", `Could not find parameter with name: ${name}`);

const isStatic = (definition: Definition) => definition.context === "postmaster";

const isNewer = (name: string, major: number) =>
  Object.entries(newer).some(([since, names]) => Number(since) <= major && names.includes(name));

const isGone = (name: string, major: number) =>
  Object.entries(gone).some(([since, names]) => Number(since) <= major && names.includes(name));

function checkValue({ name, value }: Parameter, definition: Definition): void {
  const refuse = (allowed: string) =>
    new AwsError(
      "InvalidParameterValue",
      `Invalid parameter value: ${value} for: ${name} allowed values are: ${allowed}`,
    );
  if (definition.type === "boolean" && !/^(0|1|on|off|true|false|yes|no)$/i.test(value)) throw refuse("0,1");
  if (definition.type !== "integer" && definition.type !== "real") return;
  if (value.includes("{")) {
    if (evaluateFormula(value, 1024 ** 3) === undefined) throw refuse("a number or a formula of DBInstanceClassMemory");
    return;
  }
  const [min, max] = [definition.min ?? 0, definition.max ?? Number.MAX_SAFE_INTEGER];
  // No units: a parameter group counts in the server's base unit of each parameter.
  const shape = definition.type === "integer" ? /^-?\d+$/ : /^-?\d+(\.\d+)?$/;
  if (!shape.test(value) || Number(value) < min || Number(value) > max) throw refuse(`${min}-${max}`);
}

export interface Settings {
  /** Lines of postgresql.conf, in a fixed order. */
  values: Record<string, string>;
  forceSsl: boolean;
}

export interface Machine {
  major: number;
  /** Bytes of memory of the instance class. */
  memory: number;
  /** Names of modules the local server can load. */
  modules: ReadonlySet<string>;
}

/** What the parameters of a group come to on a server: RDS' defaults below them, formulas worked out. */
export function settingsOf(
  parameters: readonly Parameter[],
  leftOut: readonly string[],
  { major, memory, modules }: Machine,
): Settings {
  const given = Object.fromEntries(parameters.map(({ name, value }) => [name, value]));
  const values: Record<string, string> = {
    max_connections: "LEAST({DBInstanceClassMemory/9531392},5000)",
    shared_preload_libraries: "pg_stat_statements",
    max_wal_senders: "10",
    max_replication_slots: "10",
    timezone: "UTC",
    log_timezone: "UTC",
  };
  for (const [name, value] of Object.entries(given)) {
    if (!name.startsWith("rds.") && !leftOut.includes(name)) values[name] = value;
  }
  for (const [name, value] of Object.entries(values)) {
    if (value.includes("{")) values[name] = String(evaluateFormula(value, memory) ?? value);
  }
  const libraries = (values.shared_preload_libraries ?? "").split(",").map((library) => library.trim());
  // RDS loads its own beside what is asked for, pg_stat_statements unless it is left out on purpose.
  values.shared_preload_libraries = libraries.filter((library) => modules.has(library)).join(",");
  values.wal_level = isOn(given["rds.logical_replication"]) ? "logical" : "replica";
  if (major >= 16) values.reserved_connections = given["rds.rds_superuser_reserved_connections"] ?? "2";
  // On from PostgreSQL 15 unless the group says otherwise.
  return { values, forceSsl: isOn(given["rds.force_ssl"] ?? "1") };
}

const isOn = (value: string | undefined) => /^(1|on|true|yes)$/i.test(value ?? "");

/** What a standby must have at least as much of as its primary, or it cannot answer queries; with PostgreSQL's defaults. */
const notBelowPrimary = {
  max_connections: 100,
  max_worker_processes: 8,
  max_wal_senders: 10,
  max_prepared_transactions: 0,
  max_locks_per_transaction: 64,
};

/** Which of a replica's settings are lower than its source's: "max_connections = 100, source has 200". */
export function belowSource(replica: Settings, source: Settings): string[] {
  return Object.entries(notBelowPrimary).flatMap(([name, byDefault]) => {
    const its = Number(replica.values[name] ?? byDefault);
    const sources = Number(source.values[name] ?? byDefault);
    return its < sources ? [`${name} = ${its}, its source ${sources}`] : [];
  });
}

/** Whether a standby that runs with `before` becomes smaller with `after`: then it has to wait for its source to be so. */
export const shrinks = (before: Readonly<Record<string, string>>, after: Settings): boolean =>
  Object.entries(notBelowPrimary).some(
    ([name, byDefault]) => Number(after.values[name] ?? byDefault) < Number(before[name] ?? byDefault),
  );

/** Whether a server takes this parameter only at its start. */
export function needsRestart(name: string, catalog: Catalog): boolean {
  const definition = catalog.get(name) ?? moduleParameters[name];
  return definition !== undefined && isStatic(definition);
}
