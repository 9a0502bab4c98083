-- Making months: the first one of a table, and those ahead.

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
  set search_path = pg_catalog, pg_temp
as $$
declare
  since timestamptz := audit.month_start(audit.month_of(audit.month_start(first_month)));
  past  regclass    := audit.create_partition(parent, 'past', options);
begin
  perform audit.attach_partition(parent, past, null, since);
  perform audit.attach_partition(parent, audit.create_partition(parent, 'future', options), since, null);
  perform audit.bound_past(past, (audit.future_partition(parent)).key, since);
  perform audit.make_month(parent, audit.month_of(since));
end
$$;

-- The months that are missing up to the given number of months ahead, and whether rows are already stored where they
-- belong.
create function audit.missing_months(months_ahead int)
  returns table (parent regclass, month date, occupied boolean)
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  future record;
  last   timestamp := audit.month_of(now())::timestamp + make_interval(months => months_ahead);
  stray  bigint;
begin
  for future in
    select p.* from audit.list_partitions() p join pg_class c on c.oid = p.parent
     where p.kind = 'future' and pg_has_role(c.relowner, 'usage')
  loop
    for month in select m::date from generate_series(future.month::timestamp, last, '1 month') m loop
      parent := future.parent;
      execute format('select exists (select from %s where %I < %L)',
        future.partition, (audit.future_partition(parent)).key, audit.month_start((month + interval '1 month')::date))
        into occupied;
      if not occupied then
        -- Attaching <table>_future again reads it, under the lock: a few thousand rows take a few milliseconds.
        execute format('select count(*) from (select from %s limit 10001) t', future.partition) into stray;
        occupied := stray > 10000;
      end if;
      return next;
    end loop;
  end loop;
end
$$;

-- Cuts one month off <table>_future, where no row of that month may be stored yet, and returns it; null if it is there
-- already. Locks the table for the few milliseconds in which its partitions change; run it with a short lock_timeout,
-- and again if it does not get the lock.
create function audit.make_month(parent regclass, month date) returns regclass
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  future    record;
  since     timestamptz := audit.month_start(month);
  until     timestamptz := audit.month_start((month + interval '1 month')::date);
  partition regclass;
  occupied  boolean;
begin
  select * into future from audit.future_partition(parent);
  if since < future.since then
    return null;
  end if;
  if since > future.since then
    raise '% of % cannot be made: months are made in order, and the next one is %',
      to_char(month, 'YYYY-MM'), parent, to_char(audit.month_of(future.since), 'YYYY-MM')
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  perform audit.check_ahead(month);

  -- All that takes time comes before the lock.
  partition := audit.create_partition(parent, to_char(month, 'YYYY_MM'), future.options);
  perform audit.hold_off_vacuum(future.partition);
  execute format('lock table %s in access exclusive mode', parent);
  execute format('select exists (select from %s where %I < %L)', future.partition, future.key, until) into occupied;
  if occupied then
    raise 'rows of % are already stored in %', to_char(month, 'YYYY-MM'), future.partition
      using errcode = 'object_in_use',
      hint = 'Move them with audit.drain_start and what follows it, as ops/partitions does.';
  end if;
  perform audit.detach_partition(parent, future.partition);
  perform audit.attach_partition(parent, partition, since, until);
  perform audit.attach_partition(parent, future.partition, until, null);
  return partition;
end
$$;

-- Each month costs every plan a little: nobody makes a thousand of them by a slip of the finger.
create function audit.check_ahead(month date) returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if month > audit.month_of(now()) + interval '120 months' then
    raise 'months are made at most 120 ahead, not %', to_char(month, 'YYYY-MM')
      using errcode = 'invalid_parameter_value';
  end if;
end
$$;

-- The bound of <table>_past, said once more by a constraint, which ATTACH believes when it is valid, instead of reading
-- all rows under its lock. New rows are checked at once; that the older ones hold it is for audit.prepare_detach to
-- find, while writers go on.
create function audit.bound_past(past regclass, key name, until timestamptz) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
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
