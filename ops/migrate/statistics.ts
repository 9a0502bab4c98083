/** What a major upgrade of the server leaves to be done: the planner knows nothing of any table until it has been analysed. */
import { escapeIdentifier, type ClientBase } from "pg";
import type { Log } from "../log";

/**
 * Analyses each table that holds rows and of which the planner knows nothing, the largest first: writers are at work again meanwhile.
 * pg_upgrade carries no statistics over before PostgreSQL 18.
 */
export async function analyseWhatNobodyHas(client: ClientBase, log: Log, signal?: AbortSignal): Promise<void> {
  const { rows: tables } = await client.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name
       from pg_class c
       join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm') and c.relpersistence = 'p' and c.reltuples < 0 and pg_relation_size(c.oid) > 0
        and n.nspname not in ('pg_catalog', 'information_schema') and pg_has_role(c.relowner, 'usage')
      order by pg_relation_size(c.oid) desc`,
  );
  const started = Date.now();
  for (const { schema, name } of tables) {
    signal?.throwIfAborted();
    await client.query(`analyze ${escapeIdentifier(schema)}.${escapeIdentifier(name)}`);
  }
  if (tables.length > 0) log.info("tables analysed", { tables: tables.length, durationMs: Date.now() - started });
}
