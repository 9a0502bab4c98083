-- Monthly partitions, in UTC whatever the session's time zone.
--
-- A monthly table is one tile after another over all of time:
--   <table>_past      before its first month          receipts that were dated back
--   <table>_YYYY_MM   one per month
--   <table>_future    from the last month's end on    receipts dated ahead, and every receipt should the job not have run for months
-- so an insert always finds its partition. Two open ends rather than a default partition, because with one
-- the planner no longer knows the partitions to be in order: "the latest 50" then reads from each of them
-- (at 84 months 4.2 ms instead of 2.2), and DETACH … CONCURRENTLY is refused.
--
-- ops/partitions calls these functions, each in a transaction of its own with a short lock_timeout.

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
  set search_path = ''
  -- Bounds are read from their text, which is written in the session's style and zone.
  set datestyle = 'ISO'
  set timezone = 'UTC'
begin atomic
  with tile as (
    select i.inhparent as parent, c.oid as partition, c.relname as name, p.relname as parent_name,
           regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$^FOR VALUES FROM \((?:'(.+)'|MINVALUE)\) TO \((?:'(.+)'|MAXVALUE)\)$$re$) as bounds
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
    from tile
   order by parent_name, bounds[1]::timestamptz nulls first;
end;

create view audit.partitions as select * from audit.list_partitions();

comment on view audit.partitions is 'Every partition of every monthly table: its kind (past, month, future), its month and its bounds.';

-- The open end of a monthly table, and the column the table is partitioned by.
create function audit.open_end(parent regclass, out partition regclass, out since timestamptz, out key text, out options text[])
  language plpgsql stable
  set search_path = ''
as $$
begin
  select p.partition, p.since, a.attname, c.reloptions
    into partition, since, key, options
    from audit.list_partitions() p
    join pg_catalog.pg_partitioned_table t on t.partrelid = p.parent
    join pg_catalog.pg_attribute a on a.attrelid = p.parent and a.attnum = t.partattrs[0]
    join pg_catalog.pg_class c on c.oid = p.partition
   where p.parent = open_end.parent and p.kind = 'future';
  if partition is null then
    raise '% is not a monthly table', parent using errcode = 'wrong_object_type',
      hint = 'Call audit.partition_by_month(table) once, in the migration that creates it.';
  end if;
end
$$;

-- Vacuum of a table in hand ends and stays away until this transaction does. Its worker gives way only to those who have waited
-- for a second (deadlock_timeout), which no writer may be kept for; this lock stands in no writer's or reader's way.
create function audit.hold_off_vacuum(tile regclass) returns void
  language plpgsql
  set search_path = ''
  set lock_timeout = '5s'
as $$
begin
  execute format('lock table %s in share update exclusive mode', tile);
end
$$;

-- A table that can become a partition of parent: its columns, defaults, constraints, indexes, and the storage options given.
create function audit.create_tile(parent regclass, suffix text, options text[]) returns text
  language plpgsql
  set search_path = ''
as $$
declare
  tile text := format('%I.%I', (select relnamespace::regnamespace from pg_catalog.pg_class where oid = parent), audit.partition_name(parent, suffix));
begin
  execute format('create table %s (like %s including all excluding identity excluding comments)%s',
    tile, parent, ' with (' || array_to_string(options, ', ') || ')');
  return tile;
end
$$;

-- Makes a freshly created table, partitioned by range over one timestamptz column, a monthly one. For migrations.
-- Options are storage parameters of each partition, present and future ones (a partitioned table has none itself).
create function audit.partition_by_month(
  parent      regclass,
  first_month date default audit.month_of(now()),
  -- Insert-heavy: vacuum after 5 % new rows instead of 20 %, so that pages become all-visible and frozen in small
  -- portions while the month runs; analyse after 2 %, so that plans know today's rows.
  options     text[] default array['autovacuum_vacuum_insert_scale_factor=0.05', 'autovacuum_analyze_scale_factor=0.02']
) returns void
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
declare
  since timestamptz := audit.month_start(audit.month_of(audit.month_start(first_month)));
  past  text := audit.create_tile(parent, 'past', options);
begin
  execute format('alter table %s attach partition %s for values from (minvalue) to (%L)', parent, past, since);
  execute format('alter table %s attach partition %s for values from (%L) to (maxvalue)', parent, audit.create_tile(parent, 'future', options), since);
  perform audit.bound_past(past, (audit.open_end(parent)).key, since);
  perform audit.make_month(parent, audit.month_of(since));
end
$$;

-- The months that are missing up to the given number of months ahead, and whether rows already lie where they belong.
create function audit.missing_months(months_ahead int)
  returns table (parent regclass, month date, occupied boolean)
  language plpgsql stable
  set search_path = ''
as $$
declare
  future record;
  stray  bigint;
begin
  for future in select * from audit.list_partitions() p where p.kind = 'future' loop
    for month in
      select m::date from generate_series(future.month::timestamp, audit.month_of(now())::timestamp + make_interval(months => months_ahead), '1 month') m
    loop
      parent := future.parent;
      execute format('select exists (select from %s where %I < %L)', future.partition,
        (audit.open_end(future.parent)).key, audit.month_start((month + interval '1 month')::date)) into occupied;
      if not occupied then
        -- Attaching the open end again reads it, under the lock: a few thousand rows take a few milliseconds.
        execute format('select count(*) from (select from %s limit 10001) t', future.partition) into stray;
        occupied := stray > 10000;
      end if;
      return next;
    end loop;
  end loop;
end
$$;

-- Cuts one month off the open end, where no row of that month may lie yet. Locks the table for the few milliseconds
-- in which its tiles change; run it with a short lock_timeout, and again if it does not get the lock.
create function audit.make_month(parent regclass, month date) returns boolean
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
declare
  future   record;
  since    timestamptz := audit.month_start(month);
  until    timestamptz := audit.month_start((month + interval '1 month')::date);
  tile     text;
  occupied boolean;
begin
  select * into future from audit.open_end(parent);
  if since < future.since then
    return false;
  end if;
  if since > future.since then
    raise 'partitions of % are made in order: next is %', parent, audit.month_of(future.since) using errcode = 'object_not_in_prerequisite_state';
  end if;

  -- All that takes time comes before the lock.
  tile := audit.create_tile(parent, to_char(month, 'YYYY_MM'), future.options);
  perform audit.hold_off_vacuum(future.partition);
  execute format('lock table %s in access exclusive mode', parent);
  execute format('select exists (select from %s where %I < %L)', future.partition, future.key, until) into occupied;
  if occupied then
    raise 'rows of % already lie in %', to_char(month, 'YYYY-MM'), future.partition using errcode = 'object_in_use',
      hint = 'Move them with audit.drain_start and what follows it, as ops/partitions does.';
  end if;
  execute format('alter table %s detach partition %s', parent, future.partition);
  execute format('alter table %s attach partition %s for values from (%L) to (%L)', parent, tile, since, until);
  execute format('alter table %s attach partition %s for values from (%L) to (maxvalue)', parent, future.partition, until);
  return true;
end
$$;

-- The bound of <table>_past, said once more by a constraint, which ATTACH believes when it is valid, instead of reading all rows under
-- its lock. New rows are checked at once; that the older ones hold it is for audit.prepare_detach to find, while writers go on.
create function audit.bound_past(past regclass, key name, until timestamptz) returns void
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
  -- Dropping what is not there is no news.
  set client_min_messages = warning
as $$
begin
  execute format('alter table %s drop constraint if exists past_bound', past);
  execute format('alter table %s add constraint past_bound check (%I < %L) not valid', past, key, until);
end
$$;

-- The tables whose rows are chained: a month of theirs leaves together with a checkpoint (009).
create function audit.is_chained(parent regclass) returns boolean
  language sql stable
  return coalesce(parent = to_regclass('public.receipts') or parent = to_regclass('audit.receipt_history'), false);

-- A month about to leave: what was found without a lock, for the few milliseconds under one.
create type audit.departure as (
  parent regclass,
  oldest regclass,       -- the month's table
  past   regclass,       -- <table>_past, which grows up to the month's end
  key    name,           -- the column the table is partitioned by
  until  timestamptz,    -- the month's end
  stored bigint          -- the month's rows, where it is chained
);

-- Another archiving may have been faster.
create function audit.check_attached(departure audit.departure) returns void
  language plpgsql
  set search_path = ''
as $$
begin
  if not exists (select from pg_catalog.pg_inherits where inhrelid = departure.oldest and inhparent = departure.parent) then
    raise 'the oldest month of % has left meanwhile', departure.parent using errcode = 'object_not_in_prerequisite_state',
      hint = 'Another archiving took it. Nothing was changed by this one.';
  end if;
end
$$;

-- All of detaching that takes time, without keeping a writer waiting.
create function audit.prepare_detach(parent regclass, month date) returns audit.departure
  language plpgsql
  set search_path = ''
as $$
declare
  departure audit.departure;
  first     date;
begin
  select p.parent, p.partition, p.month, p.until into departure.parent, departure.oldest, first, departure.until
    from audit.list_partitions() p where p.parent = prepare_detach.parent and p.kind = 'month' limit 1;
  if first is distinct from month then
    raise 'months of % leave in order: the oldest is %', parent, to_char(first, 'YYYY-MM') using errcode = 'object_not_in_prerequisite_state';
  end if;
  departure.past := (select p.partition from audit.list_partitions() p where p.parent = prepare_detach.parent and p.kind = 'past');
  departure.key := (audit.open_end(parent)).key;
  perform audit.hold_off_vacuum(departure.past);
  perform audit.check_attached(departure);
  perform audit.hold_off_vacuum(departure.oldest);
  if exists (select from pg_catalog.pg_constraint where conrelid = departure.past and conname = 'past_bound' and not convalidated) then
    execute format('alter table %s validate constraint past_bound', departure.past);
  end if;
  if audit.is_chained(parent) then
    if current_setting('transaction_isolation') <> 'read committed' then
      raise 'a month of % is detached under READ COMMITTED: a snapshot hides rows that come meanwhile', parent
        using errcode = 'invalid_transaction_state';
    end if;
    execute format('select count(*) from %s', departure.oldest) into departure.stored;
    perform audit.checkpoint(departure.oldest);
  end if;
  return departure;
end
$$;

create function audit.finish_detach(departure audit.departure) returns regclass
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
declare
  parent regclass := departure.parent;
  found  bigint;
begin
  execute format('lock table %s in access exclusive mode', parent);
  perform audit.check_attached(departure);
  if audit.is_chained(parent) then
    -- No row ever leaves a chained table: as many as before are the same. An index alone is read for it, as the month is all-visible.
    execute format('select count(*) from %s', departure.oldest) into found;
    if found is distinct from departure.stored then
      raise 'rows came into % while its checkpoint was written', departure.oldest using errcode = 'lock_not_available', hint = 'Nothing was changed. Try again.';
    end if;
  end if;
  execute format('alter table %s detach partition %s', parent, departure.oldest);
  execute format('alter table %s detach partition %s', parent, departure.past);
  execute format('alter table %s attach partition %s for values from (minvalue) to (%L)', parent, departure.past, departure.until);
  perform audit.bound_past(departure.past, departure.key, departure.until);
  return departure.oldest;
end
$$;

-- Takes the oldest month out of its table, which keeps all its rows and its name; <table>_past grows up to its end, so that a
-- receipt dated back to it still finds a partition. For archiving: copy it elsewhere, then drop it. Run it with a short lock_timeout,
-- and again if it does not get the lock. Receipts and their history leave together, by audit.archive_month (009).
create function audit.detach_month(parent regclass, month date) returns regclass
  language plpgsql
  set search_path = ''
as $$
begin
  return audit.finish_detach(audit.prepare_detach(parent, month));
end
$$;

-- Draining: should the job not have run for months, rows of these months lie in the open end. They are copied into tables of their
-- own while writers go on; what changes meanwhile is written down and copied again; then, under one short lock, the copies take
-- the open end's place. Rows keep every column as it is: no trigger fires for a table that is not a partition yet.
--   drain_start → drain_copy for each tile → drain_apply until little is left → drain_finish → drain_release
-- each in a transaction of its own. (A transaction that took its snapshot before the swap and reads the table for the first time
-- after it does not see the rows that were moved: as after any rewriting ALTER TABLE.) Begun anew after an interruption: drain_start first clears away what was left.

create table audit.drain_tiles (
  parent regclass    not null,
  tile   regclass    not null primary key,
  since  timestamptz not null,
  until  timestamptz
);

comment on table audit.drain_tiles is 'The copies a drain is making, one per month and one for the new open end; empty otherwise.';

create function audit.key_columns(parent regclass) returns text[]
  language sql stable strict
  return (
    select array_agg(quote_ident(a.attname) order by k.place)
      from pg_catalog.pg_index i
     cross join unnest(i.indkey::int2[]) with ordinality k (attnum, place)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = parent and i.indisprimary
  );

create function audit.changes_table(parent regclass) returns text
  language sql stable strict
  return format('audit.%I', audit.partition_name(parent, 'changes'));

-- Writes down the key of a row that changed. Runs as the owner: the writing role need not know of it.
create function audit.record_change() returns trigger
  language plpgsql security definer
  set search_path = ''
as $$
begin
  if tg_op <> 'INSERT' then
    execute format('insert into %s select %s', tg_argv[0], tg_argv[1]) using old;
  end if;
  if tg_op <> 'DELETE' then
    execute format('insert into %s select %s', tg_argv[0], tg_argv[1]) using new;
  end if;
  return null;
end
$$;

create function audit.drain_cancel(parent regclass) returns void
  language plpgsql
  set search_path = ''
  -- Dropping what is not there is no news.
  set client_min_messages = warning
as $$
declare
  leftover text;
begin
  perform audit.hold_off_vacuum((audit.open_end(parent)).partition);
  execute format('drop trigger if exists audit_drain on %s', (audit.open_end(parent)).partition);
  for leftover in delete from audit.drain_tiles d where d.parent = drain_cancel.parent returning d.tile::text loop
    execute format('drop table if exists %s', leftover);
  end loop;
  execute format('drop table if exists %s', audit.changes_table(parent));
end
$$;

create function audit.drain_start(parent regclass, months_ahead int) returns setof regclass
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
declare
  future   record;
  changes  text := audit.changes_table(parent);
  keys     text[] := audit.key_columns(parent);
  last     date := (audit.month_of(now()) + make_interval(months => months_ahead))::date;
  month    date;
  tile     regclass;
  since    timestamptz;
  until    timestamptz;
begin
  perform audit.drain_cancel(parent);
  select * into future from audit.open_end(parent);
  for month in
    select m::date from generate_series(audit.month_of(future.since)::timestamp, last + interval '1 month', '1 month') m
  loop
    since := audit.month_start(month);
    until := case when month <= last then audit.month_start((month + interval '1 month')::date) end;
    tile  := audit.create_tile(parent, case when until is null then 'future_next' else to_char(month, 'YYYY_MM') end, future.options);
    -- What ATTACH would otherwise read every row for, under the lock.
    execute format('alter table %s add constraint tile_bounds check (%s)', tile, audit.in_tile(quote_ident(future.key), since, until));
    insert into audit.drain_tiles values (parent, tile, since, until);
    return next tile;
  end loop;
  execute format('create table %s as select %s from %s with no data', changes, array_to_string(keys, ', '), future.partition);
  perform audit.hold_off_vacuum(future.partition);
  -- Last, for it waits for those who are writing to the open end, and keeps others waiting meanwhile.
  execute format('create trigger audit_drain after insert or update or delete on %s for each row execute function audit.record_change(%L, %L)',
    future.partition, changes, (select string_agg('$1.' || k, ', ') from unnest(keys) k));
end
$$;

create function audit.tile_columns(tile regclass) returns text
  language sql stable strict
  return (
    select string_agg(quote_ident(attname), ', ' order by attnum)
      from pg_catalog.pg_attribute where attrelid = tile and attnum > 0 and not attisdropped and attgenerated = ''
  );

create function audit.in_tile(key text, since timestamptz, until timestamptz) returns text
  language sql stable
  set timezone = 'UTC'
  set datestyle = 'ISO'
  return format('%s >= %L', key, since) || case when until is not null then format(' and %s < %L', key, until) else '' end;

create function audit.drain_copy(tile regclass) returns bigint
  language plpgsql
  set search_path = ''
as $$
declare
  target  record;
  future  record;
  copied  bigint;
begin
  select * into strict target from audit.drain_tiles d where d.tile = drain_copy.tile;
  select * into future from audit.open_end(target.parent);
  execute format('insert into %1$s (%2$s) overriding system value select %2$s from %3$s where %4$s',
    tile, audit.tile_columns(tile), future.partition, audit.in_tile(quote_ident(future.key), target.since, target.until));
  get diagnostics copied = row_count;
  execute format('analyze %s', tile);
  return copied;
end
$$;

-- Copies again what changed since, at most so many changes at a time; returns how many there were.
create function audit.drain_apply(parent regclass, batch int) returns int
  language plpgsql
  set search_path = ''
  set client_min_messages = warning
  -- A few keys are looked up in large tables, whose pages were just written: never worth reading such a table whole.
  set random_page_cost = 1.1
as $$
declare
  changes text := audit.changes_table(parent);
  keys    text[] := audit.key_columns(parent);
  future  record;
  target  record;
  taken   int;
begin
  select * into future from audit.open_end(parent);
  drop table if exists pg_temp.drain_keys;
  execute format('create temporary table drain_keys on commit drop as
    with taken as (delete from %1$s where ctid = any (array(select ctid from %1$s limit %2$s)) returning *) select * from taken', changes, batch);
  get diagnostics taken = row_count;
  if taken > 0 then
    analyze pg_temp.drain_keys;
    for target in select * from audit.drain_tiles d where d.parent = drain_apply.parent loop
      execute format('delete from %s t using pg_temp.drain_keys k where %s and %s', target.tile,
        (select string_agg(format('t.%1$s = k.%1$s', name), ' and ') from unnest(keys) name),
        audit.in_tile('k.' || quote_ident(future.key), target.since, target.until));
      execute format('insert into %1$s (%2$s) overriding system value
                      select %2$s from (select distinct * from pg_temp.drain_keys k where %5$s) k join %3$s f using (%4$s)',
        target.tile, audit.tile_columns(target.tile), future.partition, array_to_string(keys, ', '),
        audit.in_tile('k.' || quote_ident(future.key), target.since, target.until));
    end loop;
  end if;
  return taken;
end
$$;

create function audit.drain_finish(parent regclass) returns regclass
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
declare
  future record;
  target record;
  behind bigint;
begin
  perform audit.hold_off_vacuum((audit.open_end(parent)).partition);
  perform audit.hold_off_vacuum(d.tile) from audit.drain_tiles d where d.parent = drain_finish.parent;
  execute format('lock table %s in access exclusive mode', parent);
  select * into future from audit.open_end(parent);
  execute format('select count(*) from (select from %s limit 1001) t', audit.changes_table(parent)) into behind;
  if behind > 1000 then
    raise 'too many rows changed while the lock was waited for' using errcode = 'lock_not_available', hint = 'Call audit.drain_apply, then this again.';
  end if;
  while audit.drain_apply(parent, 10000) > 0 loop
    null;
  end loop;
  execute format('drop trigger audit_drain on %s', future.partition);
  execute format('alter table %s detach partition %s', parent, future.partition);
  execute format('alter table %s rename to %I', future.partition, audit.partition_name(parent, 'drained'));
  for target in delete from audit.drain_tiles d where d.parent = drain_finish.parent returning * loop
    execute format('alter table %s attach partition %s for values from (%L) to (%s)', parent, target.tile, target.since,
      coalesce(quote_literal(target.until), 'maxvalue'));
    execute format('alter table %s drop constraint tile_bounds', target.tile);
    if target.until is null then
      execute format('alter table %s rename to %I', target.tile, audit.partition_name(parent, 'future'));
    end if;
  end loop;
  execute format('drop table %s', audit.changes_table(parent));
  return future.partition;
end
$$;

-- Drops the drained table, once every row of it is found in its month. A table whose rows the control plane may delete is not
-- compared: a row missing there may have been deleted since.
create function audit.drain_release(parent regclass) returns boolean
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
declare
  drained regclass := to_regclass(format('%I.%I',
    (select relnamespace::regnamespace from pg_catalog.pg_class where oid = parent), audit.partition_name(parent, 'drained')));
  since   timestamptz;
  missing bigint;
begin
  if drained is null then
    return false;
  end if;
  if not pg_catalog.has_table_privilege('authensor_app', parent, 'delete') then
    -- Its rows are younger than its bound was: no reason to search all of history for them.
    execute format('select min(%I) from %s', (audit.open_end(parent)).key, drained) into since;
    execute format('select count(*) from %s d where not exists (select from %s p where %s and p.%I >= %L)', drained, parent,
      (select string_agg(format('p.%1$s = d.%1$s', k), ' and ') from unnest(audit.key_columns(parent)) k),
      (audit.open_end(parent)).key, since) into missing;
    if missing > 0 then
      raise '% rows of % are missing from %', missing, drained, parent using errcode = 'data_corrupted',
        hint = 'Nothing was dropped. Insert them into the table, find out why, then drop the drained one.';
    end if;
  end if;
  execute format('drop table %s', drained);
  return true;
end
$$;
