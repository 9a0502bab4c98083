-- Monthly tables: what there is of them. 003 makes their months, 004 moves rows that came too early, 015 takes months
-- out. All bounds are UTC's, whatever the session's time zone.
--
-- The partitions of a monthly table follow one another over all of time:
--   <table>_past      before its first month          receipts that were dated back
--   <table>_YYYY_MM   one per month
--   <table>_future    from the last month's end on    receipts dated ahead, and every receipt should the job not have
--                                                     run for months
-- so an insert always finds its partition. Two partitions without an end rather than a default one, because with that
-- the planner no longer knows the partitions to be in order: "the latest 50" then reads from each of them
-- (at 84 months 4.2 ms instead of 2.2), and DETACH … CONCURRENTLY is refused.
--
-- ops/partitions calls the functions that are SECURITY DEFINER, as authensor_maintenance, each in a transaction of its
-- own with a short lock_timeout.

create schema if not exists audit;

create function audit.month_of(at timestamptz) returns date
  language sql immutable parallel safe strict
  return date_trunc('month', at at time zone 'UTC')::date;

create function audit.month_start(month date) returns timestamptz
  language sql immutable parallel safe strict
  return month::timestamp at time zone 'UTC';

create function audit.partition_name(parent regclass, suffix text) returns text
  language sql stable parallel safe strict
  return (select relname || '_' || suffix from pg_catalog.pg_class where oid = parent);

-- Every partition of every monthly table, in order of time.
create function audit.list_partitions()
  returns table (parent regclass, partition regclass, kind text, month date, since timestamptz, until timestamptz)
  language sql stable
  set search_path = pg_catalog, pg_temp
  -- Bounds are read from their text, which is written in the session's style and zone.
  set datestyle = 'ISO'
  set timezone = 'UTC'
begin atomic
  with part as (
    select i.inhparent as parent, c.oid as partition, c.relname as name, p.relname as parent_name,
           regexp_match(
             pg_get_expr(c.relpartbound, c.oid),
             $re$^FOR VALUES FROM \((?:'(.+)'|MINVALUE)\) TO \((?:'(.+)'|MAXVALUE)\)$$re$) as bounds
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition and c.relkind = 'r'
      join pg_catalog.pg_class p on p.oid = i.inhparent
      join pg_catalog.pg_partitioned_table t on t.partrelid = p.oid and t.partstrat = 'r' and t.partnatts = 1
     where not i.inhdetachpending
       and exists (select from pg_catalog.pg_inherits f join pg_catalog.pg_class fc on fc.oid = f.inhrelid
                    where f.inhparent = p.oid and fc.relname = p.relname || '_future')
  )
  select parent::regclass, partition::regclass,
         case when bounds[2] is null then 'future' when bounds[1] is null then 'past' else 'month' end,
         audit.month_of(bounds[1]::timestamptz), bounds[1]::timestamptz, bounds[2]::timestamptz
    from part
   order by parent_name, bounds[1]::timestamptz nulls first;
end;

create view audit.partitions as select * from audit.list_partitions();

comment on view audit.partitions is
  'Every partition of every monthly table: its kind (past, month, future), its month and its bounds.';

-- <table>_future of a monthly table, and the column the table is partitioned by. Of a table that the caller (in a
-- SECURITY DEFINER function: its owner) does not own, nothing is known here: its triggers and expressions are others'
-- code.
create function audit.future_partition(
  parent regclass, out partition regclass, out since timestamptz, out key text, out options text[]
)
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  select p.partition, p.since, a.attname, c.reloptions
    into partition, since, key, options
    from audit.list_partitions() p
    join pg_catalog.pg_partitioned_table t on t.partrelid = p.parent
    join pg_catalog.pg_attribute a on a.attrelid = p.parent and a.attnum = t.partattrs[0]
    join pg_catalog.pg_class c on c.oid = p.partition
    join pg_catalog.pg_class m on m.oid = p.parent
   where p.parent = future_partition.parent and p.kind = 'future'
     and pg_has_role(c.relowner, 'usage') and pg_has_role(m.relowner, 'usage');
  if partition is null then
    raise '% is not a monthly table', parent using errcode = 'wrong_object_type',
      hint = 'Call audit.partition_by_month(table) once, in the migration that creates it.';
  end if;
end
$$;

-- Vacuum of a table in hand ends and stays away until this transaction does. Its worker gives way only to those who
-- have waited for a second (deadlock_timeout), which no writer may be kept for; this lock stands in no writer's or
-- reader's way.
create function audit.hold_off_vacuum(relation regclass) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '5s'
as $$
begin
  execute format('lock table %s in share update exclusive mode', relation);
end
$$;

-- A table that can become a partition of parent: its columns, defaults, constraints, indexes, and the storage options
-- given. Where the table has no key of its own, an id is unique in each of its months: a table's key would have to
-- contain the time, and an id could be used again in the same month with another one. Deferrable, because INSERT … ON
-- CONFLICT is refused then: it seals a row, then does not store it, and a gap is left.
create function audit.create_partition(parent regclass, suffix text, options text[]) returns regclass
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  name text := format('%I.%I',
    (select relnamespace::regnamespace from pg_class where oid = parent), audit.partition_name(parent, suffix));
begin
  execute format('create table %s (like %s including all excluding identity excluding comments)%s',
    name, parent, ' with (' || array_to_string(options, ', ') || ')');
  if not exists (select from pg_index where indrelid = parent and indisprimary) then
    execute format('alter table %s add primary key (id) deferrable initially immediate', name);
  end if;
  return name::regclass;
end
$$;

-- Without since from the beginning of time, without until to its end.
create function audit.attach_partition(parent regclass, partition regclass, since timestamptz, until timestamptz)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
begin
  execute format('alter table %s attach partition %s for values from (%s) to (%s)', parent, partition,
    coalesce(quote_literal(since), 'minvalue'), coalesce(quote_literal(until), 'maxvalue'));
end
$$;

create function audit.detach_partition(parent regclass, partition regclass) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter table %s detach partition %s', parent, partition);
end
$$;
