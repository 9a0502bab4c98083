/** What a dump is made of, from the catalog: every table there is, but for those named here with the reason. */
import type pg from "pg";
import { Failure } from "../program";

/** Tables that no dump holds. What is not on this list is dumped, whoever made it. */
export const leftOut: Readonly<Record<string, string>> = {
  "public.receipts": "its rows are in the segments",
  "audit.receipt_history": "its rows are in the segments",
  "audit.chains": "follows from the heads",
  "audit.migrations": "written by the migrations",
  "audit.connection_limits": "written by each deployment",
  "audit.maintenance_run": "whose run holds the lock of migrations",
  "audit.heartbeat": "written each second",
  "audit.archive": "written by each run of the archive",
  "audit.dumps": "written by each run of the archive",
  "audit.months": "written by each run of the compaction",
  "audit.archived_chains": "written by each run of the compaction",
  "audit.drain_targets": "empty but while months are moved",
  "audit.search_chunks": "follows from the receipts",
  "audit.search_index": "follows from the receipts",
  "audit.open_imports": "empty but within an import's transaction",
};

/** Months that left their table, and what is filled while months are moved (sql/004, 015): not part of any table. */
const inTransit = String.raw`_(\d{4}_\d{2}|future_next|drained|changes)$`;

export interface Table {
  schema: string;
  name: string;
  /** Its name as SQL. */
  sql: string;
  columns: Column[];
  /** Of a monthly table: the column that it is partitioned by, and its partitions in order of time. */
  key?: string;
  months?: Month[];
}

interface Column {
  name: string;
  type: string;
}

export interface Month {
  /** `2026-11`, or `past`, `future`: what is before the first month, and after the last one. */
  name: string;
  since: string | null;
  until: string | null;
}

export interface Sequence {
  schema: string;
  name: string;
  /** The last number that was given out; null before the first. */
  last: string | null;
}

/** `public.policies`: as messages and the list above have it. */
export const fullName = ({ schema, name }: Pick<Table, "schema" | "name">): string => `${schema}.${name}`;

const ours = (relation: string) => `
  ${relation}.relpersistence = 'p'
  and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = ${relation}.oid and d.deptype = 'e')`;

/** Every table, its name's order. @throws where one may not be read: a dump without it would be no dump. */
export async function readTables(client: pg.Client): Promise<Table[]> {
  const { rows } = await client.query<Table & { readable: boolean }>(
    `select n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as sql,
            has_table_privilege(c.oid, 'select') as readable,
            coalesce((select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
               from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''), '[]') as columns,
            (select json_agg(json_build_object('name', case p.kind when 'month' then to_char(p.month, 'YYYY-MM') else p.kind end,
                                               'since', p.since, 'until', p.until) order by p.since nulls first)
               from audit.list_partitions() p where p.parent = c.oid) as months,
            (select a.attname from pg_partitioned_table t
               join pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0] where t.partrelid = c.oid) as key
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and not c.relispartition and ${ours("c")}
        and not exists (select from pg_class m join pg_namespace o on o.oid = m.relnamespace
                         where m.relkind = 'p' and o.nspname in (n.nspname, 'public')
                           and starts_with(c.relname, m.relname) and substr(c.relname, length(m.relname) + 1) ~ $1)
      order by n.nspname collate "C", c.relname collate "C"`,
    [`^${inTransit}`],
  );
  const closed = rows.filter((table) => !table.readable && !isLeftOut(table));
  if (closed.length > 0)
    throw new Failure(
      `this login may not read ${closed.map(fullName).join(", ")}: nothing is dumped, since it would not be all`,
      ["a migration that adds a table grants select on it to the role that dumps (sql/024_dump.sql)"],
    );
  return rows.map(({ schema, name, sql, columns, key, months }) => ({
    ...{ schema, name, sql, columns },
    ...(months && key !== undefined && { key, months }),
  }));
}

export const isLeftOut = (table: Pick<Table, "schema" | "name">): boolean => fullName(table) in leftOut;

/** Goes with audit.search_index: its number changes all the time, and would have a dump written each hour. */
const searchLine = "audit.search_line";

/** Where sequences stand, of identity columns and others. */
export async function readSequences(client: pg.Client): Promise<Sequence[]> {
  const { rows } = await client.query<Sequence & { readable: boolean }>(
    `select n.nspname as schema, c.relname as name, has_sequence_privilege(c.oid, 'select') as readable,
            pg_sequence_last_value(c.oid)::text as last
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'S' and ${ours("c")} order by n.nspname collate "C", c.relname collate "C"`,
  );
  const closed = rows.filter(({ readable }) => !readable);
  if (closed.length > 0)
    throw new Failure(`this login may not read the sequences ${closed.map(fullName).join(", ")}: nothing is dumped`);
  return rows
    .filter((sequence) => fullName(sequence) !== searchLine)
    .map(({ schema, name, last }) => ({ schema, name, last }));
}
