-- Months of the trail in the locked bucket: how far each chain is in archives of months, as the archiver tells it
-- (ops/compact). What is in the bucket is said by its manifests alone.

create table audit.months (
  only_row        boolean     primary key default true check (only_row),
  -- The number of the newest archive, and what it shows the state of.
  number          bigint      not null default 0,
  compacted_until timestamptz
);

insert into audit.months default values;

create table audit.archived_chains (
  chain     text   not null check (chain in ('receipts', 'history')),
  agent     text   not null,
  last_seq  bigint not null check (last_seq > 0),
  last_seal bytea  not null check (octet_length(last_seal) = 32),
  primary key (chain, agent)
);

grant select on audit.months, audit.archived_chains to authensor_monitor, authensor_auditor;

-- By the archiver alone, in a transaction that says `read write`, once an archive was read back and is locked: no month
-- leaves the database beyond what this says (audit.retire_month). The newest archive's ends take the place of those
-- before: a chain that forked may have gone back.
create function audit.report_months(number bigint, compacted_until timestamptz, chains jsonb) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if (number > 0 and isfinite(compacted_until) and compacted_until <= clock_timestamp() + audit.max_earliness()
      and jsonb_typeof(chains) = 'array') is not true
  then
    raise 'no archive % shows the state of %: it is now %', number, compacted_until, clock_timestamp()
      using errcode = 'invalid_parameter_value', hint = 'Is the clock of the server that was read right?';
  end if;
  -- Two runs at once may end in either order.
  update audit.months m
     set number          = report_months.number,
         compacted_until = report_months.compacted_until
   where m.number < report_months.number;
  if not found then
    return;
  end if;
  delete from audit.archived_chains;
  insert into audit.archived_chains
  select c.chain, c.agent, c.seq, decode(c.seal, 'hex')
    from jsonb_to_recordset(chains) c (chain text, agent text, seq bigint, seal text);
end
$$;

grant execute on function audit.report_months(bigint, timestamptz, jsonb) to authensor_archiver;

insert into audit.programs values ('compact', 'authensor_archiver'), ('hold', 'authensor_archiver');

grant execute on function audit.report_run(text, boolean, text) to authensor_archiver;

-- A receipt of a month that is not in the state that its birth and its sealed changes make. Archives have those, and
-- not the state: one that was altered past the triggers would leave with the month, and no trace would stay.
create function audit.unexplained_state(receipts regclass, changes regclass)
  returns table (id uuid, agent text)
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query execute format($q$
    select r.id, coalesce(r.actor_id, '')
      from %s r
      left join (select receipt_id, receipt_created_at, jsonb_object_agg(key, value order by seq) as state
                   from %s cross join jsonb_each(after) group by 1, 2) h
        on h.receipt_id = r.id and h.receipt_created_at = r.created_at
     where audit.birth_state(r.decision_outcome, r.created_at) || coalesce(h.state, '{}')
             is distinct from audit.receipt_state(
               r.status, r.approval, r.approval_status, r.execution, r.result, r.error, r.updated_at,
               r.claim_id, r.claimed_at, r.claim_expires_at, r.execution_attempts, r.rekor_entry_id)
     limit 1
  $q$, receipts, changes);
end
$$;

-- The seals of places in an agent's chain, wherever their rows are or were. No index has the places of receipts, so
-- that all are looked for in one reading of the agent's: of an import in no order there are as many as receipts.
create function audit.seals_at(chain text, agent text, places bigint[])
  returns table (seq bigint, seal bytea)
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with gone as (
    select c.last_seq, c.last_seal from unnest(places) p (place) join audit.checkpoints c on c.last_seq = p.place
     where c.chain = seals_at.chain and c.agent = seals_at.agent
  ), there as materialized (
    select p.place from unnest(places) p (place) where p.place not in (select g.last_seq from gone g)
  )
  select g.last_seq, g.last_seal from gone g
  union all
  select r.chain_seq, r.chain_seal from there t join public.receipts r on r.chain_seq = t.place
   where seals_at.chain = 'receipts'
     and (r.actor_id = split_part(seals_at.agent, chr(31), 1) or seals_at.agent = '' and r.actor_id is null)
     and coalesce(audit.chain_of(r.actor_id, r.lane), '') = seals_at.agent
  union all
  select h.seq, h.seal from there t join audit.receipt_history h on h.seq = t.place
   where seals_at.chain = 'history' and h.agent = seals_at.agent
$$;

-- The seals before the stretches of a month whose checkpoints are written.
create function audit.seals_before(chain text, month regclass) returns table (agent text, seq bigint, seal bytea)
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select b.agent, s.seq, s.seal
    from (select c.agent, array_agg(c.first_seq - 1) as places
            from audit.checkpoints c
           where c.chain = seals_before.chain and c.first_seq > 1
             and c.source = (select p.relname from pg_class p where p.oid = month)
           group by c.agent) b
   cross join lateral audit.seals_at(seals_before.chain, b.agent, b.places) s
$$;

-- A row of a month that does not follow from the one before it, by what it says itself. Archives have the seals of the
-- ends: where all rows up to an end follow, they are those that were archived. What is outside the month is asked for
-- only where a stretch of a chain begins, as its checkpoints have it (audit.prepare_detach).
create function audit.unsealed_row(receipts regclass, changes regclass)
  returns table (noun text, agent text, seq bigint)
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
  -- Nobody knows beforehand how many stretches there are, here and in audit.seals_at.
  set enable_nestloop = off
  set enable_mergejoin = off
as $$
begin
  return query execute format($q$
    with sealed as (
      -- Narrow before it is sorted: documents stay behind.
      select coalesce(audit.chain_of(actor_id, lane), '') as agent, chain_seq as seq, sealed_at, chain_seal as seal,
             prev_receipt_hash,
             audit.receipt_content(id, envelope_id, parent_receipt_id, created_at,
                                   decision_outcome, tool_name, audit.chain_of(actor_id, lane), envelope, decision)
               as content,
             receipt_hash = audit.authensor_hash(id, envelope_id, created_at, decision_outcome, prev_receipt_hash)
               as hash_follows
        from %s offset 0
    ), linked as (
      select *, lag(s.seal) over chain as last_seal, lag(s.seq) over chain as last_seq
        from sealed s window chain as (partition by s.agent order by s.seq)
    )
    select 'receipt', l.agent, l.seq
      from linked l left join audit.seals_before('receipts', %L) b on b.agent = l.agent and b.seq = l.seq - 1
     where (l.hash_follows and l.seal = audit.chain_seal(
             case when l.seq = 1 then '' when l.last_seq = l.seq - 1 then l.last_seal else b.seal end,
             l.seq, l.sealed_at, l.content, l.prev_receipt_hash)) is not true
     limit 1
  $q$, receipts, receipts);
  return query execute format($q$
    with linked as (
      select *, lag(h.seal) over chain as last_seal, lag(h.seq) over chain as last_seq
        from %s h window chain as (partition by h.agent order by h.seq)
    )
    select 'change', l.agent, l.seq
      from linked l left join audit.seals_before('history', %L) b on b.agent = l.agent and b.seq = l.seq - 1
     where (l.seal = audit.history_seal(
             case when l.seq = 1 then '' when l.last_seq = l.seq - 1 then l.last_seal else b.seal end,
             l.seq, l.agent, l.receipt_id, l.receipt_created_at, l.changed_at, l.changed_by, l.application,
             l.before, l.after)) is not true
     limit 1
  $q$, changes, changes);
end
$$;

-- The oldest month leaves the database, with its rows: by the maintenance role, once ops/retire has seen in the bucket
-- what it is about to remove. Both tables are dropped in this one transaction; what is returned are the month's
-- checkpoints, for the caller to compare before it commits. Run it with a short lock_timeout, and again if it fails
-- with 55P03.
create function audit.retire_month(month date) returns setof audit.checkpoints
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  receipts audit.detachment := audit.prepare_detach('public.receipts', month);
  changes  audit.detachment := audit.prepare_detach('audit.receipt_history', month);
  sources  text[]           := array(select relname from pg_class where oid in (receipts.oldest, changes.oldest));
  missing  record;
  altered  record;
begin
  if receipts.until > now() then
    raise '% is not over: it cannot leave the database', to_char(month, 'YYYY-MM')
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  -- Where the ends are the same place they must be the same row; what is before it follows from the seal.
  select c.chain, c.agent, c.last_seq, coalesce(a.last_seq, 0) as archived into missing
    from audit.checkpoints c
    left join audit.archived_chains a using (chain, agent)
   where c.source = any (sources)
     and (a.last_seq > c.last_seq or a.last_seq = c.last_seq and a.last_seal = c.last_seal) is not true
   order by c.seq
   limit 1;
  if found then
    raise '% stays in the database: % % of agent "%" is in no archive of the bucket, which has the chain up to %',
      to_char(month, 'YYYY-MM'), case missing.chain when 'history' then 'change' else 'receipt' end,
      missing.last_seq, replace(missing.agent, chr(31), '", lane "'), missing.archived
      using errcode = 'object_in_use',
            hint = 'It comes with the archive of the month that it came in: this month leaves after that.';
  end if;
  select * into altered from audit.unexplained_state(receipts.oldest, changes.oldest);
  if found then
    raise '% stays in the database: receipt % of agent "%" is not in the state that its recorded changes make',
      to_char(month, 'YYYY-MM'), altered.id, altered.agent
      using errcode = 'data_corrupted',
            hint = 'It was altered past the triggers; ops/verify names every such receipt. Nothing was changed.';
  end if;
  select * into altered from audit.unsealed_row(receipts.oldest, changes.oldest);
  if found then
    raise '% stays in the database: % % of agent "%" is not what was sealed',
      to_char(month, 'YYYY-MM'), altered.noun, altered.seq, replace(altered.agent, chr(31), '", lane "')
      using errcode = 'data_corrupted',
            hint = 'It was altered past the triggers, and the bucket has it as it was; '
              'ops/verify names every such row. Nothing was changed.';
  end if;
  perform audit.finish_detach(receipts);
  perform audit.finish_detach(changes);
  return query select * from audit.checkpoints c where c.source = any (sources) order by c.seq;
  execute format('drop table %s, %s', receipts.oldest, changes.oldest);
end
$$;

grant execute on function audit.retire_month(date) to authensor_maintenance;

insert into audit.programs values ('retire', 'authensor_maintenance');
