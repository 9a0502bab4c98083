/** The database that is restored into: empty, nobody else's, and marked until it is whole. */
import type pg from "pg";
import { commentOf, setComment } from "../databaseComment";
import { Failure } from "../program";

const mark = "authensor: restore not finished";
const done = "authensor: restored from";

const begunFrom = (bucket: string) => `from the bucket ${bucket}`;

/** Takes an empty database for this restore, or says why not. Until `unmark`, what is in it says that it is unfinished. */
export async function takeEmpty(client: pg.Client, bucket: string, again = false): Promise<void> {
  const { rows } = await client.query<{ name: string; free: boolean }>(
    "select current_database() as name, pg_try_advisory_lock(hashtextextended($1, 0)) as free",
    [mark],
  );
  const [here] = rows;
  const is = await commentOf(client);
  const name = client.escapeIdentifier(here?.name ?? "");
  if (!here?.free) throw new Failure(`another restore is at work in the database ${name}; nothing was changed`);
  const anew = `drop it and make it anew: drop database ${name}; create database ${name} owner ${client.escapeIdentifier(client.user ?? "")}`;
  if (again && is?.startsWith(mark) && is.endsWith(begunFrom(bucket))) await clear(client);
  else if (is?.startsWith(mark))
    throw new Failure(`the database ${name} holds a restore that came to no end (${is}); nothing was changed`, [anew]);
  const there = await relations(client);
  if (there.length > 0)
    throw new Failure(
      `the database ${name} is not empty (${there.slice(0, 5).join(", ")}${there.length > 5 ? " …" : ""}); nothing was changed`,
      ["a restore goes into an empty database only: name another one", `or, if nothing in it is needed, ${anew}`],
    );
  await setComment(client, `${mark}; begun ${new Date().toISOString()} ${begunFrom(bucket)}`);
}

/** It is whole. */
export const unmark = (client: pg.Client, bucket: string): Promise<void> =>
  setComment(client, `${done} the bucket ${bucket}`);

/** Whether a restore that came to its end has made what is there. */
export const isRestored = async (client: pg.Client): Promise<boolean> =>
  (await commentOf(client))?.startsWith(done) ?? false;

/**
 * What a restore has made that was cut off is of no use: nobody has written to it, since its mark is still there. The
 * sequence of an identity goes with its table, and in no other way.
 */
async function clear(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ sql: string }>(
    `select format('drop schema %I cascade', nspname) as sql from pg_namespace n
      where nspname <> 'public' and nspname <> 'information_schema' and nspname !~ '^pg_' and ${noExtensions("n", "pg_namespace")}
     union all
     select format('drop %s if exists %s cascade', case relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end, oid::regclass)
       from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'S') and ${noExtensions("c", "pg_class")}
        and not (relkind = 'S' and exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'i'))
     union all
     select format('drop type if exists %s cascade', oid::regtype)
       from pg_type t where typnamespace = 'public'::regnamespace and typtype in ('d', 'e', 'r') and ${noExtensions("t", "pg_type")}
     union all
     select format('drop routine if exists %s cascade', oid::regprocedure)
       from pg_proc p where pronamespace = 'public'::regnamespace and ${noExtensions("p", "pg_proc")}`,
  );
  for (const { sql } of rows) await client.query(sql);
}

const noExtensions = (of: string, catalog: string) =>
  `not exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${of}.oid and d.deptype = 'e')`;

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
