/** Parts of a dump: a table, or a month of one. What each is, whether it has changed, and its rows. */
import type { Readable } from "node:stream";
import pg from "pg";
import { to } from "pg-copy-streams";
import { rowsIn, type Block } from "../archive/stored";
import type { Part } from "./manifest";
import { isLeftOut, type Month, type Table } from "./tables";

export interface Source {
  table: Table;
  month: Month | undefined;
}

/** Of the tables that are dumped. */
export const sourcesOf = (tables: readonly Table[]): Source[] =>
  tables
    .filter((table) => !isLeftOut(table))
    .flatMap((table): Source[] => (table.months ?? [undefined]).map((month) => ({ table, month })));

/** One part among all. */
export const nameOf = ({ schema, table, month }: Pick<Part, "schema" | "table" | "month">): string =>
  [`${schema}.${table}`, ...(month === undefined ? [] : [month])].join(" ");

/** Where the part's rows are: read through the table, since nobody may read its partitions. */
function from({ table: { sql, key = "" }, month }: Source): string {
  const column = pg.escapeIdentifier(key);
  const bounds = [
    ...(month?.since ? [`${column} >= ${pg.escapeLiteral(month.since)}`] : []),
    ...(month?.until ? [`${column} < ${pg.escapeLiteral(month.until)}`] : []),
  ];
  return bounds.length === 0 ? sql : `${sql} where ${bounds.join(" and ")}`;
}

/**
 * How many rows there are, and which versions: PostgreSQL writes a row that changes to another place, by another transaction. The rows'
 * contents, large documents among them, are not read for that.
 */
export async function describe(client: pg.Client, source: Source, now: string): Promise<Omit<Part, "object">> {
  const { rows } = await client.query<{ rows: string; versions: string }>(
    `select count(*) as rows, coalesce(bit_xor(hash_record_extended(row(tableoid, ctid, xmin), 0)), 0)::text as versions from ${from(source)}`,
  );
  const { schema, name, columns } = source.table;
  return {
    schema,
    table: name,
    ...(source.month && { month: source.month.name }),
    columns,
    rows: Number(rows[0]?.rows),
    versions: rows[0]?.versions ?? "",
    written: now,
  };
}

/** What its rows hold, whichever database they are in: their number, and a sum over what each says. */
export async function contentsOf(client: pg.Client, source: Source): Promise<{ rows: number; digest: string }> {
  const columns = source.table.columns.map(({ name }) => pg.escapeIdentifier(name)).join(", ");
  const { rows } = await client.query<{ rows: string; digest: string }>(
    `select count(*) as rows, coalesce(sum(hashtextextended(row(${columns})::text, 0)), 0) as digest from ${from(source)}`,
  );
  return { rows: Number(rows[0]?.rows), digest: rows[0]?.digest ?? "" };
}

/** Whether the part is in the bucket as it is here. */
export const isSame = (here: Omit<Part, "object">, there: Part | undefined): boolean =>
  there !== undefined &&
  here.rows === there.rows &&
  here.versions === there.versions &&
  JSON.stringify(here.columns) === JSON.stringify(there.columns);

/** Its rows in the text form of COPY: what any PostgreSQL reads, and any person. */
export async function* rowsOf(client: pg.Client, source: Source): AsyncGenerator<Block, undefined> {
  const columns = source.table.columns.map(({ name }) => pg.escapeIdentifier(name)).join(", ");
  const stream: Readable = client.query(to(`copy (select ${columns} from ${from(source)}) to stdout`));
  for await (const bytes of stream as AsyncIterable<Buffer>) yield { bytes, rows: rowsIn(bytes, bytes.length) };
  return undefined;
}
