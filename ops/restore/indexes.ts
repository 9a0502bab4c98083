/** Indexes are built once, over all that was stored: row by row they are most of the work. Keys stay, which each row has to pass. */
import type pg from "pg";
import type { Log } from "../log";

/** @returns the statements that make them again */
export async function dropIndexes(client: pg.Client, tables: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string; sql: string }>(
    `select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as sql
       from pg_index i where i.indrelid = any ($1::regclass[]) and not i.indisunique order by i.indexrelid`,
    [tables],
  );
  for (const { name } of rows) await client.query(`drop index ${name}`);
  // Of a partitioned table: those of its months with it.
  return rows.map(({ sql }) => sql.replace(" ON ONLY ", " ON "));
}

export async function buildIndexes(client: pg.Client, statements: readonly string[], log: Log): Promise<void> {
  for (const [i, sql] of statements.entries()) {
    log.info("building an index", { number: i + 1, of: statements.length, sql });
    await client.query(sql);
  }
}
