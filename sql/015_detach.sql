-- Taking the oldest month out of its table, so that it can leave. As the owner; audit.archive_month does it by hand.

-- The tables whose rows are chained: a month of theirs leaves together with a checkpoint (014).
create function audit.is_chained(parent regclass) returns boolean
  language sql stable
  return coalesce(parent = to_regclass('public.receipts') or parent = to_regclass('audit.receipt_history'), false);

-- What audit.prepare_detach found without a lock, for the few milliseconds under one.
create type audit.detachment as (
  parent regclass,
  oldest regclass,       -- the month's table
  past   regclass,       -- <table>_past, which grows up to the month's end
  key    name,           -- the column the table is partitioned by
  until  timestamptz,    -- the month's end
  stored bigint          -- the month's rows, where it is chained
);

-- Another archiving may have been faster.
create function audit.check_attached(prepared audit.detachment) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_inherits where inhrelid = prepared.oldest and inhparent = prepared.parent) then
    raise 'the oldest month of % has left meanwhile', prepared.parent
      using errcode = 'object_not_in_prerequisite_state',
      hint = 'Another archiving took it. Nothing was changed by this one.';
  end if;
end
$$;

-- All of detaching that takes time, without keeping a writer waiting.
create function audit.prepare_detach(parent regclass, month date) returns audit.detachment
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  prepared audit.detachment;
  first    date;
begin
  select p.parent, p.partition, p.month, p.until into prepared.parent, prepared.oldest, first, prepared.until
    from audit.list_partitions() p where p.parent = prepare_detach.parent and p.kind = 'month' limit 1;
  if first is distinct from month then
    raise '% of % cannot be taken out: months leave in order, and the oldest is %',
      to_char(month, 'YYYY-MM'), parent, coalesce(to_char(first, 'YYYY-MM'), 'none')
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  prepared.past := (
    select p.partition from audit.list_partitions() p where p.parent = prepare_detach.parent and p.kind = 'past');
  prepared.key := (audit.future_partition(parent)).key;
  perform audit.hold_off_vacuum(prepared.past);
  perform audit.check_attached(prepared);
  perform audit.hold_off_vacuum(prepared.oldest);
  if exists (select from pg_constraint
              where conrelid = prepared.past and conname = 'past_bound' and not convalidated) then
    execute format('alter table %s validate constraint past_bound', prepared.past);
  end if;
  if audit.is_chained(parent) then
    if current_setting('transaction_isolation') <> 'read committed' then
      raise 'a month of % is detached under READ COMMITTED: a snapshot hides rows that come meanwhile', parent
        using errcode = 'invalid_transaction_state';
    end if;
    execute format('select count(*) from %s', prepared.oldest) into prepared.stored;
    if parent = 'public.receipts'::regclass then
      delete from audit.search_chunks c where c.oldest >= audit.month_start(month) and c.newest < prepared.until;
    end if;
    perform audit.checkpoint(prepared.oldest);
  end if;
  return prepared;
end
$$;

create function audit.finish_detach(prepared audit.detachment) returns regclass
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  parent regclass := prepared.parent;
  found  bigint;
begin
  execute format('lock table %s in access exclusive mode', parent);
  perform audit.check_attached(prepared);
  if audit.is_chained(parent) then
    -- No row ever leaves a chained table: as many as before are the same. An index alone is read for it, as the month
    -- is all-visible.
    execute format('select count(*) from %s', prepared.oldest) into found;
    if found is distinct from prepared.stored then
      raise 'rows came into % while its checkpoint was written', prepared.oldest using errcode = 'lock_not_available',
        hint = 'Nothing was changed. Try again.';
    end if;
  end if;
  perform audit.detach_partition(parent, prepared.oldest);
  perform audit.detach_partition(parent, prepared.past);
  perform audit.attach_partition(parent, prepared.past, null, prepared.until);
  perform audit.bound_past(prepared.past, prepared.key, prepared.until);
  return prepared.oldest;
end
$$;

-- Takes the oldest month out of its table, which keeps all its rows and its name; <table>_past grows up to its end, so
-- that a receipt dated back to it still finds a partition. For archiving: copy it elsewhere, then drop it. Run it with
-- a short lock_timeout, and again if it does not get the lock. Receipts and their history leave together, by
-- audit.archive_month.
create function audit.detach_month(parent regclass, month date) returns regclass
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  return audit.finish_detach(audit.prepare_detach(parent, month));
end
$$;

-- Archiving: takes the oldest month out of receipts and of their history, with its checkpoints, in one transaction, and
-- returns the two tables, to be copied elsewhere and dropped. What takes time is done before the locks. Run it with a
-- short lock_timeout, and again if it fails with 55P03: the tables were in use, or a receipt was just dated back into
-- the month.
create function audit.archive_month(month date) returns setof regclass
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  receipts audit.detachment := audit.prepare_detach('public.receipts', month);
  changes  audit.detachment := audit.prepare_detach('audit.receipt_history', month);
begin
  -- In the order in which writers come to them.
  return next audit.finish_detach(receipts);
  return next audit.finish_detach(changes);
end
$$;
