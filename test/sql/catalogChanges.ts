/** Kinds of changes of a migrated database's catalog, each with random names and subjects; verifyCatalog.test.ts tries them. */
import fc from "fast-check";
import pg from "pg";
import { roles } from "../../ops/roles";

/** What there is to change. */
export interface Subjects {
  tables: readonly string[];
  columns: readonly { table: string; column: string }[];
  functions: readonly string[];
  triggers: readonly { table: string; trigger: string }[];
  indexes: readonly string[];
  sequences: readonly string[];
  constraints: readonly { table: string; constraint: string }[];
  /** Partitions, with the tables that they are of. */
  partitions: readonly { table: string; parent: string }[];
}

export async function readSubjects(client: pg.Client): Promise<Subjects> {
  const all = async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows;
  const one = async (text: string) => (await all<{ name: string }>(text)).map(({ name }) => name);
  const ours = "oid >= 16384 and relnamespace in ('public'::regnamespace, 'audit'::regnamespace)";
  const tables = `select oid from pg_class where ${ours} and relkind in ('r', 'p')`;
  const quoted = (of: string) => `format('%I.%I', ${of}.relnamespace::regnamespace, ${of}.relname)`;
  return {
    tables: await one(`select ${quoted("c")} as name from pg_class c where oid in (${tables}) order by 1`),
    columns: await all(
      `select ${quoted("c")} as table, quote_ident(attname) as column from pg_class c join pg_attribute on attrelid = c.oid
        where c.oid in (${tables}) and not relispartition and attnum > 0 and not attisdropped order by 1, 2`,
    ),
    functions: await one(
      "select oid::regprocedure::text as name from pg_proc where pronamespace = 'audit'::regnamespace order by 1",
    ),
    triggers: await all(
      `select ${quoted("c")} as table, quote_ident(tgname) as trigger from pg_trigger join pg_class c on c.oid = tgrelid where not tgisinternal order by 1, 2`,
    ),
    indexes: await one(
      `select ${quoted("c")} as name from pg_class c where ${ours} and relkind in ('i', 'I') and not relispartition order by 1`,
    ),
    sequences: await one(`select ${quoted("c")} as name from pg_class c where ${ours} and relkind = 'S' order by 1`),
    constraints: await all(
      `select ${quoted("c")} as table, quote_ident(conname) as constraint from pg_constraint join pg_class c on c.oid = conrelid
        where c.oid in (${tables}) and not relispartition and contype <> 'n' order by 1, 2`, // 18 names each NOT NULL
    ),
    partitions: await all(
      `select ${quoted("c")} as table, ${quoted("p")} as parent from pg_inherits join pg_class c on c.oid = inhrelid
         join pg_class p on p.oid = inhparent where c.relkind = 'r' order by 1`,
    ),
  };
}

const others = Object.values(roles).filter((role) => role !== roles.owner);
const powers = ["superuser", "createrole", "createdb", "replication", "bypassrls", "noinherit"];
const predefined = ["pg_read_all_data", "pg_write_all_data", "pg_execute_server_program", "pg_checkpoint"];
/** Names that look like others, or that have to be quoted. */
const looksLike = [
  "receipts",
  "receipts_2031_05_old",
  "chain_heads",
  "pg_stat_statements_x",
  "seal",
  "Größe; drop",
  "a.b",
];

export type Change = (pick: <T>(of: readonly T[]) => T, name: () => string, subjects: Subjects) => string;

const schema = (pick: Parameters<Change>[0]) => pick(["public", "audit", "pg_catalog"]);
const system = "set local allow_system_table_mods = on;";
const settled = "; set local allow_system_table_mods = off";
const onTable =
  (what: string): Change =>
  (pick, name, { tables }) =>
    `alter table ${pick(tables)} ${what.replace("NAME", name())}`;
const onColumn =
  (what: string): Change =>
  (pick, _name, { columns }) => {
    const { table, column } = pick(columns);
    return `alter table ${table} alter column ${column} ${what}`;
  };
const onFunction =
  (what: string): Change =>
  (pick, _name, { functions }) =>
    `alter function ${pick(functions)} ${what}`;
const made =
  (what: string): Change =>
  (pick, name) =>
    what.replaceAll("NAME", `${schema(pick)}.${name()}`);
const unqualified =
  (what: string): Change =>
  (_pick, name) =>
    what.replaceAll("NAME", name());
const helper = "create function public.helper() returns trigger language plpgsql as 'begin return null; end';";
const marked =
  (column: string): Change =>
  (pick, _name, { tables }) =>
    `update pg_class set ${column} where oid = '${pick(tables)}'::regclass`;

export const changes: Readonly<Record<string, Change>> = {
  "a function given away": (pick, _name, { functions }) => `alter function ${pick(functions)} owner to ${pick(others)}`,
  "a function that others run": (pick, _name, { functions }) =>
    `grant execute on function ${pick(functions)} to ${pick(others)} with grant option`,
  "a function's body": (pick, _name, { functions }) =>
    `update pg_proc set prosrc = prosrc || ' ', prosqlbody = null where oid = '${pick(functions)}'::regprocedure`,
  "a function's settings": onFunction("set work_mem = '4711kB'"),
  "a function's cost": onFunction("cost 4711"),
  "a function that leaks": onFunction("leakproof"),
  "a function renamed": (pick, name, { functions }) => `alter function ${pick(functions)} rename to ${name()}`,
  "a function moved": onFunction("set schema public"),
  "a function dropped": (pick, _name, { functions }) => `drop function ${pick(functions)} cascade`,
  "a function made": made("create function NAME() returns int language sql as 'select 1'"),
  "an overload made": (pick, _name, { functions }) =>
    `create function ${pick(functions).replace(/\(.*/, "")}(public.receipts_past, int) returns int language sql as 'select 1'`,
  "a procedure made": made("create procedure NAME() language sql as 'select 1'"),
  "an aggregate made": made("create aggregate NAME(int) (sfunc = int4pl, stype = int)"),

  "a table given away": (pick, _name, { tables }) => `alter table ${pick(tables)} owner to ${pick(others)}`,
  "a right on a table": (pick, _name, { tables }) =>
    `grant ${pick(["insert", "select", "update", "delete", "truncate", "references", "trigger"])} on ${pick(tables)} to ${pick(others)} with grant option`,
  "a right for everyone": (pick, _name, { tables }) =>
    `grant ${pick(["insert", "select", "update"])} on ${pick(tables)} to public`,
  "a right on a column": (pick, _name, { columns }) => {
    const { table, column } = pick(columns);
    // The program may update some columns already: only the option to pass it on is then a change.
    return `grant ${pick(["insert", "select", "update", "references"])} (${column}) on ${table} to ${pick(others)} with grant option`;
  },
  "a table's option": onTable("set (autovacuum_enabled = off)"),
  "a table's replica identity": onTable("replica identity full"),
  "row security": onTable("enable row level security"),
  "row security, forced": onTable("force row level security"),
  "a table renamed": onTable("rename to NAME"),
  "a table moved": (pick, _name, { tables }) => {
    const table = pick(tables);
    return `alter table ${table} set schema ${table.startsWith("audit.") ? "public" : "audit"}`;
  },
  // Of a partitioned table PostgreSQL 15 accepts it, and does nothing.
  "a partition without log": (pick, _name, { partitions }) => `alter table ${pick(partitions).table} set unlogged`,
  "a table dropped": (pick, _name, { tables }) => `drop table ${pick(tables)} cascade`,
  "a child of a table": (pick, name, { tables }) =>
    `create table ${schema(pick)}.${pick([name(), "receipts_2031_05", "receipts_changes"])} () inherits (${pick(tables)})`,
  "a partition detached": (pick, _name, { partitions }) => {
    const { table, parent } = pick(partitions.filter((one) => /_(past|future)$/.test(one.table)));
    return `alter table ${parent} detach partition ${table}`;
  },
  "triggers that the server does not look for": (pick, _name, { triggers }) =>
    `update pg_class set relhastriggers = false where oid = '${pick(triggers).table}'::regclass`,
  "indexes that the server does not look for": marked("relhasindex = false"),
  "checks that the server does not count": marked("relchecks = relchecks + 1"),

  "a column's default": (pick, _name, { columns }) => {
    const { table, column } = pick(columns.filter((one) => one.column.endsWith("_at")));
    return `alter table ${table} alter column ${column} set default '2000-01-01'`;
  },
  "a column's statistics": onColumn("set statistics 17"),
  "a column's options": onColumn("set (n_distinct = 17)"),
  "a column's compression": onColumn("set compression pglz"),
  "a column's storage": (pick, _name, { columns }) => {
    const { table, column } = pick(columns);
    return `alter table ${table} alter column ${column} set storage external`;
  },
  "a column's type": onColumn("type varchar(4711)"),
  "a column made": onTable("add column NAME int"),
  "a column renamed": (pick, name, { columns }) => {
    const { table, column } = pick(columns);
    return `alter table ${table} rename column ${column} to ${name()}`;
  },
  "a column dropped": (pick, _name, { columns }) => {
    const { table, column } = pick(columns);
    return `alter table ${table} drop column ${column} cascade`;
  },

  "a constraint made": onTable("add constraint NAME check (true) not valid"),
  "a constraint dropped": (pick, _name, { constraints }) => {
    const { table, constraint } = pick(constraints);
    return `alter table ${table} drop constraint ${constraint} cascade`;
  },
  "a constraint renamed": (pick, name, { constraints }) => {
    const { table, constraint } = pick(constraints);
    return `alter table ${table} rename constraint ${constraint} to ${name()}`;
  },
  "an index made": (pick, name, { columns }) => {
    const { table, column } = pick(columns);
    return `create index ${name()} on ${table} using ${pick(["btree", "hash", "brin"])} (${column})`;
  },
  "an index dropped": (pick, _name, { indexes }) =>
    `drop index ${pick(indexes.filter((index) => !/_(pkey|key)$/.test(index)))}`,
  "an index' option": (pick, _name, { indexes }) => `alter index ${pick(indexes)} set (fillfactor = 47)`,
  "an index' flags": (pick, _name, { indexes }) => {
    const flag = pick([
      "indisvalid",
      "indisready",
      "indislive",
      "indimmediate",
      "indisunique",
      "indisprimary",
      "indisclustered",
    ]);
    return `update pg_index set ${flag} = not ${flag} where indexrelid = '${pick(indexes)}'::regclass`;
  },
  "a sequence' steps": (pick, _name, { sequences }) =>
    `alter sequence ${pick(sequences)} ${pick(["increment 7", "cycle", "cache 9"])}`,
  "statistics made": (pick, name, { tables }) => `create statistics ${name()} on (1), (2) from ${pick(tables)}`,

  "a trigger switched": (pick, _name, { triggers }) => {
    const { table, trigger } = pick(triggers);
    return `alter table ${table} ${pick(["disable", "enable replica", "enable always"])} trigger ${trigger}`;
  },
  "a trigger dropped": (pick, _name, { triggers }) => {
    const { table, trigger } = pick(triggers);
    return `drop trigger ${trigger} on ${table}`;
  },
  "a trigger renamed": (pick, name, { triggers }) => {
    const { table, trigger } = pick(triggers);
    return `alter trigger ${trigger} on ${table} rename to ${name()}`;
  },
  "a trigger made": (pick, name, { tables }) =>
    `${helper} create trigger ${name()} ${pick(["before", "after"])} ${pick(["insert", "update", "delete"])} on ${pick(tables)} for each ${pick(["row", "statement"])} execute function public.helper()`,
  "a trigger of one of PostgreSQL's functions": (pick, name, { tables }) =>
    `create trigger ${name()} before update on ${pick(tables)} for each row execute function suppress_redundant_updates_trigger()`,
  "a rule made": (pick, name, { tables }) =>
    `create rule ${name()} as on ${pick(["insert", "update", "delete"])} to ${pick(tables)} do instead nothing`,
  "a policy made": (pick, name, { tables }) => `create policy ${name()} on ${pick(tables)} using (false)`,

  "a schema made": unqualified("create schema NAME"),
  "a schema called like a temporary one": (_pick, name) =>
    `${system} create schema pg_temp_1x; create table public.kept (); update pg_class set relname = ${pg.escapeLiteral(name())}, relnamespace = 'pg_temp_1x'::regnamespace where relname = 'kept'${settled}`,
  "a right in a schema": (pick) => `grant create on schema ${schema(pick)} to ${pick(others)}`,
  "a schema given away": (pick) => `alter schema ${schema(pick)} owner to ${pick(others)}`,
  "a table made": made("create table NAME (id int)"),
  "a view made": made("create view NAME as select 1 as one"),
  "a materialized view made": made("create materialized view NAME as select 1 as one"),
  "a sequence made": made("create sequence NAME"),
  "an enum made": made("create type NAME as enum ('a')"),
  "a domain made": made("create domain NAME as text check (true)"),
  "a composite type made": made("create type NAME as (a int)"),
  "a shell type made": made("create type NAME"),
  "a range made": made("create type NAME as range (subtype = int)"),
  "a cast made": () => "create type public.t as enum ('a'); create cast (public.t as int) with inout as implicit",
  "a cast between PostgreSQL's types": () => "create cast (text as uuid) with inout as implicit",
  "an operator made": (pick) =>
    `create operator ${schema(pick)}.${pick(["=", "||", "->", "@@@"])} (leftarg = jsonb, rightarg = bytea, function = helper_op)`.replace(
      /^/,
      "create function public.helper_op(jsonb, bytea) returns bool language sql as 'select true'; set local search_path = public; ",
    ),
  "an operator class made": made(
    "create operator class NAME for type int using btree as operator 1 <, operator 3 =, function 1 btint4cmp(int, int)",
  ),
  "an operator family made": made("create operator family NAME using btree"),
  "a collation made": made('create collation NAME from "C"'),
  "a conversion made": made("create conversion NAME for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8"),
  "a text search configuration made": made("create text search configuration NAME (copy = simple)"),
  "a text search dictionary made": made("create text search dictionary NAME (template = simple)"),
  "a language made": unqualified("create language NAME handler plpgsql_call_handler"),
  "an access method made": unqualified("create access method NAME type table handler heap_tableam_handler"),
  "an extension made": (pick) =>
    `create extension ${pick(["pg_trgm", "citext", "hstore", "dblink", "pageinspect", "file_fdw"])}`,
  "a function taken into an extension": (pick, _name, { functions }) =>
    `alter extension plpgsql add function ${pick(functions)}`,
  "a large object": () => "select lo_create(0)",
  "a publication made": unqualified("create publication NAME for all tables"),
  "a foreign server made": unqualified(
    "create foreign data wrapper NAME; create server NAME foreign data wrapper NAME",
  ),
  "an event trigger made": (pick, name) =>
    `create function public.e() returns event_trigger language plpgsql as 'begin end'; create event trigger ${name()} on ${pick(["ddl_command_end", "sql_drop", "table_rewrite"])} execute function public.e()`,

  "a role made": (pick, name) => `create role ${name()} ${pick(powers)}`,
  "a role's power": (pick) => `alter role ${pick(others)} ${pick(powers)}`,
  "a power of one of PostgreSQL's roles": (pick) =>
    `update pg_authid set ${pick(["rolcanlogin", "rolsuper"])} = true where rolname = '${pick(predefined)}'`,
  "a role that may not log in": (pick) => `alter role ${pick(others)} nologin`,
  "a role's end": (pick) => `alter role ${pick(others)} valid until '2030-01-01'`,
  "a role renamed": (pick, name) =>
    `alter role ${pick(others.filter((role) => role !== roles.auditor))} rename to ${name()}`,
  "a membership": (pick) => `grant ${pick(others)} to ${pick([...predefined, "pg_monitor"])}`,
  "a membership in PostgreSQL's roles": (pick) =>
    `grant ${pick(predefined)} to ${pick([...others, "pg_monitor", roles.owner])}`,
  "a membership passed on": (pick) => `grant ${pick(predefined)} to ${pick(others)} with admin option`,
  "a role's setting": (pick) =>
    `alter role ${pick([...others, roles.owner, "all"])} set ${pick(["work_mem = '4711kB'", "session_replication_role = replica", "row_security = off"])}`,
  "a role's setting here": (pick, _name) =>
    `do $$ begin execute format('alter role ${pick(others)} in database %I set work_mem = ''4711kB''', current_database()); end $$`,
  "a role's settings taken back": (pick) =>
    `do $$ begin execute format('alter role ${pick([roles.app, roles.auditor])} in database %I reset all', current_database()); end $$; alter role all reset all; alter role ${pick([roles.app, roles.auditor])} reset all`,
  "a right on a parameter": (pick) =>
    `grant ${pick(["set", "alter system"])} on parameter ${pick(["session_replication_role", "work_mem"])} to ${pick(others)}`,
  "rights by default": (pick) =>
    `alter default privileges for role ${pick([roles.owner, roles.app])} ${pick(["", "in schema audit", "in schema public"])} grant ${pick(["select on tables", "usage on sequences", "usage on types"])} to ${pick(others.filter((role) => role !== roles.app))}`,
  "the database given away": (pick) =>
    `do $$ begin execute format('alter database %I owner to ${pick(others)}', current_database()); end $$`,
  "a right on the database": (pick) =>
    `do $$ begin execute format('grant ${pick(["temp", "create"])} on database %I to ${pick([...others, "public"])}', current_database()); end $$`,
  "the database's connections": () =>
    "do $$ begin execute format('alter database %I connection limit 47', current_database()); end $$",
  "the database's setting": (pick) =>
    `do $$ begin execute format('alter database %I set ${pick(["work_mem = ''4711kB''", "search_path = public, pg_catalog", "synchronous_commit = off"])}', current_database()); end $$`,
  "one of PostgreSQL's functions given away": (pick) =>
    `alter function ${pick(["sha256(bytea)", "textsend(text)", "now()", "jsonb_object_keys(jsonb)"])} owner to ${pick(others)}`,
  "one of PostgreSQL's functions, altered": (pick) =>
    `alter function ${pick(["sha256(bytea)", "textsend(text)", "now()"])} ${pick(["security definer", "set work_mem = '4711kB'"])}`,
  "one of PostgreSQL's functions in another language": () =>
    "create or replace function sha256(bytea) returns bytea language plpgsql immutable strict parallel safe as 'begin return $1; end'",
  "a right on one of PostgreSQL's functions": (pick) =>
    `grant execute on function ${pick(["pg_read_file(text)", "lo_import(text)", "pg_ls_dir(text)"])} to ${pick(others)}`,
  "a right on one of PostgreSQL's tables": (pick) =>
    pick([
      `grant select on pg_authid to ${pick(others)}`,
      `grant select (rolpassword) on pg_authid to ${pick(others)}`,
      `grant update on pg_largeobject to ${pick(others)}`,
    ]),
  "a row of PostgreSQL's catalog": (pick) => {
    const [catalog, change] = pick([
      ["pg_proc", "prosrc = prosrc || 'x'"],
      ["pg_proc", "proisstrict = not proisstrict"],
      ["pg_proc", "prosupport = 1"],
      ["pg_operator", "oprname = oprname || '#'"],
      ["pg_operator", "oprcode = 'int4pl'"],
      ["pg_cast", "castcontext = translate(castcontext, 'aie', 'iai')"],
      ["pg_type", "typsend = 'textsend'"],
      ["pg_type", "typispreferred = not typispreferred"],
      ["pg_opclass", "opcdefault = not opcdefault"],
      ["pg_amop", "amopstrategy = amopstrategy + 1"],
      ["pg_amproc", "amproc = 'int4pl'"],
      ["pg_conversion", "condefault = not condefault"],
      ["pg_collation", "collisdeterministic = not collisdeterministic"],
    ] as const);
    const row = pick(Array.from({ length: 2000 }, (_, i) => i));
    return `update ${catalog} set ${change} where oid = (select oid from ${catalog} where oid < 10000 order by oid
              offset ${row} % (select count(*) from ${catalog} where oid < 10000) limit 1)`;
  },
  "a column of PostgreSQL's catalog": (pick) =>
    `update pg_attribute set attnotnull = not attnotnull where attrelid = '${pick(["pg_proc", "pg_trigger", "pg_authid"])}'::regclass and attnum = 2`,
  "an index of PostgreSQL's catalog": () =>
    "update pg_index set indisready = false where indexrelid = 'pg_event_trigger_oid_index'::regclass",
  "a language trusted": () => "update pg_language set lanpltrusted = true where lanname in ('c', 'internal')",
};

/** The statements of a random change of one kind. */
export const statements = (kind: string, subjects: Subjects, gen: fc.GeneratorValue): string => {
  const pick = <T>(of: readonly T[]): T => gen((...values: T[]) => fc.constantFrom(...values), ...of);
  const text = fc.oneof(
    fc.constantFrom(...looksLike),
    fc.string({ minLength: 1, maxLength: 20 }).filter((s) => !s.includes("\0")),
  );
  const name = () => pg.escapeIdentifier(gen(() => text));
  return changes[kind]?.(pick, name, subjects) ?? "";
};
