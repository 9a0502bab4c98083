-- Draining <table>_future: should the job not have run for months, rows of these months are in it. They are copied into
-- tables of their own, the targets, while writers go on; what changes meanwhile is written down and copied again; then,
-- under one short lock, the targets take the place of <table>_future. Rows keep every column as it is: no trigger fires
-- for a table that is not a partition yet.
--   drain_start → drain_copy for each target → drain_apply until little is left → drain_finish → drain_release
-- each in a transaction of its own. (A transaction that took its snapshot before the swap and reads the table for the
-- first time after it does not see the rows that were moved: as after any rewriting ALTER TABLE.) Begun anew after an
-- interruption: drain_start first clears away what was left.

create table audit.drain_targets (
  parent regclass    not null,
  target regclass    not null primary key,
  since  timestamptz not null,
  until  timestamptz,
  copied boolean     not null default false
);

comment on table audit.drain_targets is
  'The tables that a drain is filling, one per month and one for the new future; empty otherwise.';

-- What tells a row from all others: the table's key, or id and the time where each month has a key of its own.
create function audit.key_columns(parent regclass) returns text[]
  language sql stable strict
  return coalesce((
    select array_agg(quote_ident(a.attname) order by k.place)
      from pg_catalog.pg_index i
     cross join unnest(i.indkey::int2[]) with ordinality k (attnum, place)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = parent and i.indisprimary
  ), array['id', quote_ident((audit.future_partition(parent)).key)]);

create function audit.stored_columns(relation regclass) returns text
  language sql stable strict
  return (
    select string_agg(quote_ident(attname), ', ' order by attnum)
      from pg_catalog.pg_attribute where attrelid = relation and attnum > 0 and not attisdropped and attgenerated = ''
  );

create function audit.changes_table(parent regclass) returns text
  language sql stable strict
  return format('audit.%I', audit.partition_name(parent, 'changes'));

create function audit.within(key text, since timestamptz, until timestamptz) returns text
  language sql stable
  set timezone = 'UTC'
  set datestyle = 'ISO'
  return format('%s >= %L', key, since)
      || case when until is not null then format(' and %s < %L', key, until) else '' end;

-- Writes down the key of a row that changed. Runs as the owner: the writing role need not know of it.
create function audit.record_change() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
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
  set search_path = pg_catalog, pg_temp
  -- Dropping what is not there is no news.
  set client_min_messages = warning
as $$
declare
  leftover regclass;
begin
  -- Only what drain_start made, and drain_finish never attached, is left over, whatever else was written into the list.
  select d.target into leftover
    from audit.drain_targets d join pg_class c on c.oid = d.target
   where d.parent = drain_cancel.parent
     and (c.relispartition
          or not exists (select from pg_constraint b where b.conrelid = c.oid and b.conname = 'drain_bounds'))
   limit 1;
  if found then
    raise '% is on the list of what a drain of % left over, and is not: it is not dropped', leftover, parent
      using errcode = 'object_in_use',
        hint = 'verify the trail, find out who wrote it into audit.drain_targets, and delete that row';
  end if;
  perform audit.hold_off_vacuum((audit.future_partition(parent)).partition);
  execute format('drop trigger if exists audit_drain on %s', (audit.future_partition(parent)).partition);
  for leftover in
    delete from audit.drain_targets d where d.parent = drain_cancel.parent returning d.target
  loop
    execute format('drop table if exists %s', leftover);
  end loop;
  execute format('drop table if exists %s', audit.changes_table(parent));
end
$$;

create function audit.drain_start(parent regclass, months_ahead int) returns setof regclass
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  future   record;
  changes  text := audit.changes_table(parent);
  keys     text[] := audit.key_columns(parent);
  last     date := (audit.month_of(now()) + make_interval(months => months_ahead))::date;
  month    date;
  target   regclass;
  since    timestamptz;
  until    timestamptz;
begin
  perform audit.check_ahead(last);
  perform audit.drain_cancel(parent);
  select * into future from audit.future_partition(parent);
  for month in
    select m::date
      from generate_series(audit.month_of(future.since)::timestamp, last + interval '1 month', '1 month') m
  loop
    since  := audit.month_start(month);
    until  := case when month <= last then audit.month_start((month + interval '1 month')::date) end;
    target := audit.create_partition(
      parent, case when until is null then 'future_next' else to_char(month, 'YYYY_MM') end, future.options);
    -- What ATTACH would otherwise read every row for, under the lock.
    execute format('alter table %s add constraint drain_bounds check (%s)',
      target, audit.within(quote_ident(future.key), since, until));
    insert into audit.drain_targets values (parent, target, since, until);
    return next target;
  end loop;
  execute format('create table %s as select %s from %s with no data',
    changes, array_to_string(keys, ', '), future.partition);
  perform audit.hold_off_vacuum(future.partition);
  -- Last, for it waits for those who are writing to <table>_future, and keeps others waiting meanwhile.
  execute format('create trigger audit_drain after insert or update or delete on %s
                  for each row execute function audit.record_change(%L, %L)',
    future.partition, changes, (select string_agg('$1.' || k, ', ') from unnest(keys) k));
end
$$;

create function audit.drain_copy(target regclass) returns bigint
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  chosen  audit.drain_targets;
  future  record;
  copied  bigint;
begin
  update audit.drain_targets d set copied = true where d.target = drain_copy.target returning * into strict chosen;
  select * into future from audit.future_partition(chosen.parent);
  execute format('insert into %1$s (%2$s) overriding system value select %2$s from %3$s where %4$s',
    target, audit.stored_columns(target), future.partition,
    audit.within(quote_ident(future.key), chosen.since, chosen.until));
  get diagnostics copied = row_count;
  execute format('analyze %s', target);
  return copied;
end
$$;

-- Copies again what changed since, at most so many changes at a time; returns how many there were.
create function audit.drain_apply(parent regclass, batch int) returns int
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set client_min_messages = warning
  -- A few keys are looked up in large tables, whose pages were just written: never worth reading such a table whole.
  set random_page_cost = 1.1
as $$
declare
  changes text := audit.changes_table(parent);
  keys    text[] := audit.key_columns(parent);
  future  record;
  chosen  audit.drain_targets;
  bounds  text;
  taken   int;
begin
  select * into future from audit.future_partition(parent);
  drop table if exists pg_temp.drain_keys;
  execute format('create temporary table drain_keys on commit drop as
    with taken as (delete from %1$s where ctid = any (array(select ctid from %1$s limit %2$s)) returning *)
    select * from taken', changes, batch);
  get diagnostics taken = row_count;
  if taken > 0 then
    analyze pg_temp.drain_keys;
    for chosen in select * from audit.drain_targets d where d.parent = drain_apply.parent loop
      bounds := audit.within('k.' || quote_ident(future.key), chosen.since, chosen.until);
      execute format('delete from %s t using pg_temp.drain_keys k where %s and %s', chosen.target,
        (select string_agg(format('t.%1$s = k.%1$s', name), ' and ') from unnest(keys) name), bounds);
      execute format('insert into %1$s (%2$s) overriding system value
        select %2$s from (select distinct * from pg_temp.drain_keys k where %5$s) k join %3$s f using (%4$s)',
        chosen.target, audit.stored_columns(chosen.target), future.partition, array_to_string(keys, ', '), bounds);
    end loop;
  end if;
  return taken;
end
$$;

create function audit.drain_finish(parent regclass) returns regclass
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  future record;
  chosen audit.drain_targets;
  behind bigint;
begin
  perform audit.hold_off_vacuum((audit.future_partition(parent)).partition);
  perform audit.hold_off_vacuum(d.target) from audit.drain_targets d where d.parent = drain_finish.parent;
  execute format('lock table %s in access exclusive mode', parent);
  select * into future from audit.future_partition(parent);
  -- The caller may be a role that must not be able to lose a row.
  if (select bool_and(d.copied) from audit.drain_targets d where d.parent = drain_finish.parent) is not true then
    raise 'the rows of % are not copied yet', future.partition using errcode = 'object_not_in_prerequisite_state',
      hint = 'Call audit.drain_start, and audit.drain_copy for each table that it returns.';
  end if;
  execute format('select count(*) from (select from %s limit 1001) t', audit.changes_table(parent)) into behind;
  if behind > 1000 then
    raise 'too many rows changed while the lock was waited for' using errcode = 'lock_not_available',
      hint = 'Call audit.drain_apply, then this again.';
  end if;
  while audit.drain_apply(parent, 10000) > 0 loop
    null;
  end loop;
  execute format('drop trigger audit_drain on %s', future.partition);
  perform audit.detach_partition(parent, future.partition);
  execute format('alter table %s rename to %I', future.partition, audit.partition_name(parent, 'drained'));
  for chosen in delete from audit.drain_targets d where d.parent = drain_finish.parent returning * loop
    perform audit.attach_partition(parent, chosen.target, chosen.since, chosen.until);
    execute format('alter table %s drop constraint drain_bounds', chosen.target);
    if chosen.until is null then
      execute format('alter table %s rename to %I', chosen.target, audit.partition_name(parent, 'future'));
    end if;
  end loop;
  execute format('drop table %s', audit.changes_table(parent));
  return future.partition;
end
$$;

-- Drops the drained table, once every row of it is found in its month with the same content, to the byte: all columns
-- but those that the control plane may update, which may have changed since. Of a receipt these are the sealed ones;
-- how it came to the others is in its history. A table whose rows the control plane may delete is not compared: a row
-- missing there may have been deleted since.
create function audit.drain_release(parent regclass) returns boolean
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $$
declare
  future  record;
  drained regclass;
  since   timestamptz;
  missing bigint;
  altered bigint;
  fixed   text[];
begin
  select * into future from audit.future_partition(parent);
  drained := to_regclass(format('%I.%I',
    (select relnamespace::regnamespace from pg_class where oid = parent), audit.partition_name(parent, 'drained')));
  if drained is null then
    return false;
  end if;
  if not has_table_privilege('authensor_app', parent, 'delete') then
    -- Its rows are younger than its bound was: no reason to search all of history for them.
    execute format('select min(%I) from %s', future.key, drained) into since;
    fixed := (
      select array_agg(quote_ident(attname) order by attnum) from pg_attribute
       where attrelid = parent and attnum > 0 and not attisdropped
         and not has_column_privilege('authensor_app', parent, attnum, 'update'));
    execute format(
      'select count(*) filter (where p.tableoid is null),
              count(*) filter (where p.tableoid is not null
                                 and row(%s)::record *<> row(%s)::record)
         from %s d left join %s p on %s and p.%I >= %L',
      'd.' || array_to_string(fixed, ', d.'), 'p.' || array_to_string(fixed, ', p.'), drained, parent,
      (select string_agg(format('p.%1$s = d.%1$s', k), ' and ') from unnest(audit.key_columns(parent)) k),
      future.key, since) into missing, altered;
    if missing > 0 or altered > 0 then
      raise '% rows of % are missing from %, % have another content there', missing, drained, parent, altered
        using errcode = 'data_corrupted',
        hint = 'Nothing was dropped. The drained table has the rows as they were: find out why, put them right, then '
          'drop it.';
    end if;
  end if;
  execute format('drop table %s', drained);
  return true;
end
$$;
