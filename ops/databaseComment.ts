/** What a database says of itself for good: where it came from. */
import type pg from "pg";

export async function commentOf(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ comment: string | null }>(
    "select shobj_description(oid, 'pg_database') as comment from pg_database where datname = current_database()",
  );
  return rows[0]?.comment ?? undefined;
}

export async function setComment(client: pg.Client, text: string): Promise<void> {
  const { rows } = await client.query<{ sql: string }>(
    "select format('comment on database %I is %L', current_database(), $1::text) as sql",
    [text],
  );
  await client.query(rows[0]!.sql);
}
