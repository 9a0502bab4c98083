/** Whether the tables of the trail are what they must be for their rows to mean anything: asked before any row is read. */
import type pg from "pg";
import list from "../../sql/catalog.json";
import { Failure } from "../program";
import { chainKinds, chainNames } from "./chainKinds";
import type { Finding } from "./findings";

const partitioned = chainNames.map((name) => chainKinds[name].table);
const trailTables = [...partitioned, ...chainNames.map((name) => chainKinds[name].heads), "audit.checkpoints"];

/** Each column's type, by oid: a type may be called as another one is. */
const expected = trailTables.flatMap((table) =>
  Object.entries((list as Record<string, Record<string, string>>)[table] ?? {}).flatMap(([key, fact]) => {
    const type = /^column (.*)$/.exec(key)?.[1];
    const oid = /\((\d+)\)/.exec(fact)?.[1];
    return type === undefined || oid === undefined ? [] : [{ table, column: type, oid: Number(oid) }];
  }),
);

interface Row {
  table: string;
  kind: string;
  column: string;
  oid: number;
}

export async function structureFindings(client: pg.Client): Promise<Finding[]> {
  const { rows } = await client.query<Row>(
    `with recursive part as (
       select c.oid, w.name, c.relkind from unnest($1::text[]) w (name)
         join pg_class c on c.relname = split_part(w.name, '.', 2)
         join pg_namespace n on n.oid = c.relnamespace and n.nspname = split_part(w.name, '.', 1)
       union all
       select c.oid, p.name, c.relkind from part p join pg_inherits i on i.inhparent = p.oid join pg_class c on c.oid = i.inhrelid)
     select p.name as table, p.relkind::text as kind, a.attname::text as column, a.atttypid::int8::int4 as oid
       from part p join pg_attribute a on a.attrelid = p.oid where a.attnum > 0 and not a.attisdropped`,
    [trailTables],
  );
  for (const table of trailTables) {
    const kinds = new Set(rows.filter((row) => row.table === table).map(({ kind }) => kind));
    if (kinds.size === 0) throw new Failure(`the trail cannot be verified: there is no table ${table} here`);
    const allowed = partitioned.includes(table) ? ["p", "r"] : ["r"];
    if ((partitioned.includes(table) && !kinds.has("p")) || [...kinds].some((kind) => !allowed.includes(kind)))
      throw new Failure(
        `the trail cannot be verified: ${table} is not the ${partitioned.includes(table) ? "partitioned " : ""}table it should be`,
      );
  }
  const wrong = new Set<string>();
  for (const { table, column, oid } of expected) {
    const found = rows.filter((row) => row.table === table && row.column === column);
    if (found.length === 0 || found.some((row) => row.oid !== oid)) wrong.add(`${table}.${column}`);
  }
  return [...wrong].map((column) => ({
    kind: "guard-off",
    message: `the column ${column} is missing or of another type than the migrations give it: what its rows say cannot be read`,
  }));
}
