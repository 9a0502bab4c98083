/** The database that is restored into: empty, nobody else's, and marked until it is whole. */
import type pg from "pg";
import { Failure } from "../program";

const mark = "authensor: restore not finished";

/** Takes an empty database for this restore, or says why not. Until `unmark`, what is in it says that it is unfinished. */
export async function takeEmpty(client: pg.Client, bucket: string): Promise<void> {
  const { rows } = await client.query<{ name: string; comment: string | null; free: boolean }>(
    `select current_database() as name, pg_try_advisory_lock(hashtextextended($1, 0)) as free,
            (select shobj_description(oid, 'pg_database') from pg_database where datname = current_database()) as comment`,
    [mark],
  );
  const [here] = rows;
  const name = client.escapeIdentifier(here?.name ?? "");
  if (!here?.free) throw new Failure(`another restore is at work in the database ${name}; nothing was changed`);
  const anew = `drop it and make it anew: drop database ${name}; create database ${name} owner ${client.escapeIdentifier(client.user ?? "")}`;
  if (here.comment?.startsWith(mark))
    throw new Failure(
      `the database ${name} holds a restore that came to no end (${here.comment}); nothing was changed`,
      [anew],
    );
  const there = await relations(client);
  if (there.length > 0)
    throw new Failure(
      `the database ${name} is not empty (${there.slice(0, 5).join(", ")}${there.length > 5 ? " …" : ""}); nothing was changed`,
      ["a restore goes into an empty database only: name another one", `or, if nothing in it is needed, ${anew}`],
    );
  await comment(client, `${mark}; begun ${new Date().toISOString()} from the bucket ${bucket}`);
}

export const unmark = (client: pg.Client): Promise<void> => comment(client, null);

/** Relations, functions and schemas that somebody made; an extension's are nobody's. */
async function relations(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%s.%s', n.nspname, o.name) as name
       from (select oid, relname as name, relnamespace as namespace, 'pg_class'::regclass as class from pg_class
             union all select oid, proname, pronamespace, 'pg_proc' from pg_proc
             union all select oid, '(schema)', oid, 'pg_namespace' from pg_namespace where nspname <> 'public') o
       join pg_namespace n on n.oid = o.namespace
      where n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
        and not exists (select from pg_depend d where d.classid = o.class and d.objid = o.oid and d.deptype = 'e')
      order by 1`,
  );
  return rows.map(({ name }) => name);
}

async function comment(client: pg.Client, text: string | null): Promise<void> {
  const { rows } = await client.query<{ sql: string }>(
    "select format('comment on database %I is %L', current_database(), $1::text) as sql",
    [text],
  );
  await client.query(rows[0]?.sql ?? "");
}
