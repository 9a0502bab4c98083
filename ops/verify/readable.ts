/** Whether the tables of the trail are what they must be for their rows to mean anything: asked before any row is read. */
import type pg from "pg";
import list from "../../sql/catalog.json";
import { chainKinds, chainNames } from "./chainKinds";
import type { Finding } from "./findings";

const partitioned = chainNames.map((name) => chainKinds[name].table);
export const trailTables = [
  ...partitioned,
  ...chainNames.map((name) => chainKinds[name].heads),
  "audit.chains",
  "audit.checkpoints",
  "audit.imports",
];

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

/** A moved or renamed table is not looked for: what answers by another name is no trail. */
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
  const off = (message: string): Finding => ({ kind: "guard-off", message });
  const unfit = trailTables.flatMap((table) => {
    const kinds = new Set(rows.filter((row) => row.table === table).map(({ kind }) => kind));
    if (kinds.size === 0) return [off(`there is no table ${table} here: none of its rows can be read`)];
    const allowed = partitioned.includes(table) ? ["p", "r"] : ["r"];
    if ((!partitioned.includes(table) || kinds.has("p")) && [...kinds].every((kind) => allowed.includes(kind)))
      return [];
    const wanted = partitioned.includes(table) ? "partitioned table" : "table";
    return [off(`${table} is not the ${wanted} it should be: what its rows say cannot be read`)];
  });
  const wrong = new Set<string>();
  for (const { table, column, oid } of expected) {
    const found = rows.filter((row) => row.table === table && row.column === column);
    if (unfit.length === 0 && (found.length === 0 || found.some((row) => row.oid !== oid)))
      wrong.add(`${table}.${column}`);
  }
  return [
    ...unfit,
    ...[...wrong].map((column) =>
      off(
        `the column ${column} is missing or of another type than the migrations give it: what its rows say cannot be read`,
      ),
    ),
  ];
}
