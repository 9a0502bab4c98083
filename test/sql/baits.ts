/**
 * Everything a role can make that a function running as its owner might take for something built in, or for something of
 * the schema's: each runs the role's code, which says as whom it runs.
 */

const says = (schema: string) => `
  create function ${schema}.bait() returns boolean language plpgsql as $$
  begin
    if current_user <> session_user then raise warning 'BAIT taken as %', current_user; end if;
    return true;
  end $$;
  create function ${schema}.bait_trigger() returns trigger language plpgsql as $$
  begin
    perform ${schema}.bait(); return coalesce(new, old);
  end $$;`;

/** A domain, whose CHECK runs the code, in the place of each built-in type; or an enum, whose casts do. */
const types = {
  domains: (schema: string) => `
    for item in select typname as name from pg_catalog.pg_type
      where typnamespace = 'pg_catalog'::pg_catalog.regnamespace and typtype in ('b', 'r') and typelem = 0 loop
      begin
        execute pg_catalog.format('create domain ${schema}.%1$I as pg_catalog.%1$I check (${schema}.bait())', item.name);
      exception when others then null;
      end;
    end loop;`,
  enums: (schema: string) => `
    for item in select typname as name from pg_catalog.pg_type
      where typnamespace = 'pg_catalog'::pg_catalog.regnamespace and typtype = 'b' and typelem = 0 loop
      begin
        execute pg_catalog.format($f$
          create type ${schema}.%1$I as enum ('bait');
          create function ${schema}.from_%1$s(${schema}.%1$I) returns pg_catalog.%1$I language plpgsql as
            'begin perform ${schema}.bait(); return null; end';
          create function ${schema}.to_%1$s(pg_catalog.%1$I) returns ${schema}.%1$I language plpgsql as
            'begin perform ${schema}.bait(); return ''bait''; end';
          create cast (${schema}.%1$I as pg_catalog.%1$I) with function ${schema}.from_%1$s(${schema}.%1$I) as implicit;
          create cast (pg_catalog.%1$I as ${schema}.%1$I) with function ${schema}.to_%1$s(pg_catalog.%1$I) as implicit;
        $f$, item.name);
      exception when others then null;
      end;
    end loop;`,
};

export type Bait = keyof typeof types;

/** Statements that a role runs to lay the baits in a schema in which it may create. */
export const layBaits = (schema: "pg_temp" | "public", bait: Bait): string => `${says(schema)}
do $do$
declare
  item record;
begin
  -- Each relation of the schema's, as a view that runs the code when it is read and when it is written to.
  for item in
    select c.relname as name,
           pg_catalog.string_agg(pg_catalog.format('null::%s as %I', pg_catalog.format_type(a.atttypid, a.atttypmod), a.attname), ', '
             order by a.attnum) as columns
      from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace in (select oid from pg_catalog.pg_namespace where nspname in ('audit', 'public')) and c.relkind in ('r', 'p', 'v')
     group by c.relname
  loop
    begin
      execute pg_catalog.format('create view ${schema}.%I as select %s where ${schema}.bait()', item.name, item.columns);
      execute pg_catalog.format('create trigger bait instead of insert or update or delete on ${schema}.%I
                                 for each row execute function ${schema}.bait_trigger()', item.name);
    exception when others then null;
    end;
  end loop;

  -- Each function that the schema's functions name, and each of those, with the same arguments.
  for item in
    select p.proname as name, pg_catalog.pg_get_function_identity_arguments(p.oid) as arguments,
           pg_catalog.pg_get_function_result(p.oid) as result
      from pg_catalog.pg_proc p
     where p.prokind = 'f'
       and (p.pronamespace = 'audit'::pg_catalog.regnamespace
            or p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
               and exists (select from pg_catalog.pg_proc o where o.pronamespace = 'audit'::pg_catalog.regnamespace
                            and o.prosrc ~ ('\\m' || p.proname || '\\M')))
  loop
    begin
      execute pg_catalog.format('create function ${schema}.%I(%s) returns %s language plpgsql as
        ''begin perform ${schema}.bait(); return null; end''', item.name, item.arguments, item.result);
    exception when others then null;
    end;
  end loop;

  -- Each operator, over the same types.
  for item in
    select o.oprname as name, o.oprresult::pg_catalog.regtype as result, o.oid,
           nullif(o.oprleft, 0)::pg_catalog.regtype as left_type, o.oprright::pg_catalog.regtype as right_type
      from pg_catalog.pg_operator o where o.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace
  loop
    begin
      execute pg_catalog.format('create function ${schema}.operator_%s(%s) returns %s language plpgsql as
        ''begin perform ${schema}.bait(); return null; end''',
        item.oid, pg_catalog.concat_ws(', ', item.left_type, item.right_type), item.result);
      execute pg_catalog.format('create operator ${schema}.%s (function = ${schema}.operator_%s, %srightarg = %s)',
        item.name, item.oid, 'leftarg = ' || item.left_type || ', ', item.right_type);
    exception when others then null;
    end;
  end loop;

  -- Last: from here on an unqualified type may be one of these.
  ${types[bait](schema)}
end
$do$`;
