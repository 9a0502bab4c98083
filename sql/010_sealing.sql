-- What the chains of receipts (013), of their changes (011) and of imports are made of.

-- The name of a receipt's chain: its agent's, and of a lane but the first the agent's, U+001F and the lane's number.
-- An agent's name with that character is refused (audit.check_identity); doubled, it makes no lane's name, whoever put
-- it into a row. NULL where no agent is named: such receipts have no lanes, and share the chain ''.
create function audit.chain_of(actor_id text, lane int) returns text
  language sql immutable parallel safe
  return case when lane = 0 then replace(actor_id, chr(31), chr(31) || chr(31))
              else coalesce(replace(actor_id, chr(31), chr(31) || chr(31)), '')
                   || chr(31) || coalesce(lane::text, '') end;

-- The lane of this session, of as many as its audit.lanes says there are. Any session may say otherwise: a lane is a
-- chain as any other. What is no number is one lane, and there are at most 256.
create function audit.session_lane() returns int
  language sql stable
  return pg_backend_pid()
    % least(256, greatest(1, substring(current_setting('audit.lanes', true) from '^[0-9]{1,4}$')::int));

-- A chain's end. Its row is locked from the moment a receipt is sealed until its transaction ends, so that seq has no
-- gaps. Narrow rows and half-empty pages: each receipt rewrites one, in place (HOT), without touching the index.
create table audit.chain_heads (
  agent             text        collate "C" not null,      -- audit.chain_of, or '' for receipts that name no agent
  seq               bigint      not null default 0,
  sealed_at         timestamptz not null default '-infinity',
  seal              bytea       not null default '',
  receipt_hash      text,
  prev_receipt_hash text
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Not unique: for each new entry a unique index reads all that the agent has, and a batch leaves thousands behind, so
-- that one INSERT of 100,000 took 31 s. That an agent has one head is for audit.begin_chain to see to.
create index on audit.chain_heads (agent);

-- The chains that there are: an agent's first receipt, or change, begins one.
create table audit.chains (
  heads text not null check (heads in ('chain_heads', 'history_heads')),
  agent text not null collate "C",
  primary key (heads, agent)
);

-- Whoever comes second waits here for the first, and sees its head afterwards.
create function audit.begin_chain(heads text, agent text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  there boolean;
begin
  insert into audit.chains values (heads, agent) on conflict do nothing;
  if found then
    execute format('insert into audit.%I (agent) values ($1)', heads) using agent;
    return;
  end if;
  execute format('select exists (select from audit.%I h where h.agent = $1)', heads) into there using agent;
  if not there then
    raise 'the row of agent "%" was removed from audit.%', replace(agent, chr(31), '", lane "'), heads
      using errcode = 'data_corrupted',
        hint = 'Nothing of this agent is stored until it is there again. Verify the trail (ops/verify), find out who '
          'did it, and restore the row from the last receipt of the agent.';
  end if;
end
$$;

alter table receipts
  add column chain_seq  bigint   not null,
  add column chain_seal bytea    not null,
  -- Which of its agent's chains it is in. Between a seal and a time it takes no room.
  add column lane       smallint,
  -- The server's clock, where created_at is the client's. Never before the predecessor's: it follows the chain's order,
  -- also when the clock was set back.
  add column sealed_at  timestamptz not null,
  alter column receipt_hash set not null;

-- Not as the column is added: partitions that are there would remember the default as what is missing in their rows.
alter table receipts alter column lane set default 0, alter column lane set not null;

-- An acknowledged receipt is on disk, whatever the session was told: off, local (no waiting for a synchronous standby,
-- should there be one) and remote_write (not for its disk) all end here. Holds to the end of the transaction.
create function audit.commit_durably() returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('synchronous_commit', 'on', true);
end
$$;

-- A transaction that seals many receipts of one agent leaves as many versions of its head behind, none of which can be
-- taken away before it ends, and a look-up by the index reads them all: one INSERT of 30,000 took 17 s. So a batch
-- remembers where its heads are now, in settings that end with the transaction or go back with a savepoint. They are a
-- hint, and not believed: only the agent's own row is taken, and only the version of it that is visible, whatever a
-- client may have set. Agents share slots, so that sessions stay small.
create function audit.remember_head(heads text, agent text, place tid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('audit.batch', 'on', true),
          set_config('audit.' || heads || '_' || (hashtext(agent) & 127), place::text, true);
end
$$;

create function audit.remembered_head(heads text, agent text) returns tid
  language sql stable
  return substring(current_setting('audit.' || heads || '_' || (hashtext(agent) & 127), true)
                   from '^\([0-9]{1,9},[0-9]{1,4}\)$')::tid;

-- Only the sealing function, which runs as the owner, writes heads.
grant select on audit.chain_heads, audit.chains to authensor_auditor;

-- Why receipts are dated long before or after they were sealed: a row for each agent of an import. Imports are one
-- chain, sealed as the transaction ends, so that no reason is changed, added or taken away afterwards.
create table audit.imports (
  seq         bigint      primary key,
  reason      text        not null,
  opened_by   text        not null,
  application text        not null,
  opened_at   timestamptz not null,                                  -- the transaction's start
  agent       text        not null collate "C",
  first_seq   bigint      not null,
  last_seq    bigint      not null,
  sealed_at   timestamptz not null,
  seal        bytea       not null,
  constraint some_places check (first_seq <= last_seq)
);

comment on table audit.imports is
  'Which receipts are dated long before or after they were sealed, and why.';

create index on audit.imports (agent, first_seq);

create function audit.import_seal(
  previous_seal bytea, seq bigint, reason text, opened_by text, application text, opened_at timestamptz,
  agent text, first_seq bigint, last_seq bigint, sealed_at timestamptz
) returns bytea
  language sql stable parallel safe
  return sha256(record_send(row(
    previous_seal, seq, convert_to(reason, 'UTF8'), convert_to(opened_by, 'UTF8'), convert_to(application, 'UTF8'),
    opened_at, convert_to(agent, 'UTF8'), first_seq, last_seq, sealed_at)));

-- Whoever inserts, only reason, agent and first_seq are theirs: a row added later says itself that it came later than
-- the receipts. The transaction holds the agent's head since first_seq, so all that came since is its own.
create function audit.seal_import() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  last audit.imports;
  head audit.chain_heads;
begin
  lock table audit.imports in share row exclusive mode;
  select * into last from audit.imports order by seq desc limit 1;
  select * into head from audit.chain_heads h where h.agent = new.agent;
  new.seq         := coalesce(last.seq, 0) + 1;
  new.opened_by   := session_user;
  new.application := coalesce(current_setting('application_name', true), '');
  new.opened_at   := now();
  new.last_seq    := head.seq;
  new.sealed_at   := greatest(last.sealed_at, head.sealed_at, clock_timestamp());
  new.seal        := audit.import_seal(coalesce(last.seal, ''), new.seq, new.reason, new.opened_by, new.application,
                                       new.opened_at, new.agent, new.first_seq, new.last_seq, new.sealed_at);
  return new;
end
$$;

create trigger seal before insert on audit.imports for each row execute function audit.seal_import();

create function audit.refuse_change() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise '% of %.% is refused: what was recorded stays', tg_op, tg_table_schema, tg_table_name
    using errcode = 'integrity_constraint_violation';
end
$$;

create trigger refuse_change before update or delete or truncate on audit.imports
  for each statement execute function audit.refuse_change();

-- Called by audit.seal_receipt (013) for a receipt that it could not pass at a glance.
create function audit.record_import(r receipts) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not (r.created_at >= r.sealed_at - audit.max_lateness() and r.created_at <= r.sealed_at + audit.max_earliness())
  then
    insert into audit.open_imports (transaction, opened_at, reason, agent, first_seq)
    select transaction, opened_at, reason, coalesce(audit.chain_of(r.actor_id, r.lane), ''), r.chain_seq
      from audit.open_imports
     where transaction = pg_current_xact_id_if_assigned() and opened_at = now() and agent is null
    on conflict do nothing;
  end if;
end
$$;

create function audit.close_import() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  delete from audit.open_imports o where o.transaction = new.transaction and o.agent is not distinct from new.agent;
  if new.agent is not null then
    -- Before the lock that an INSERT takes: two that hold it already would wait for each other.
    lock table audit.imports in share row exclusive mode;
    insert into audit.imports (reason, agent, first_seq) values (new.reason, new.agent, new.first_seq);
  end if;
  return null;
end
$$;

create constraint trigger close_import after insert on audit.open_imports
  deferrable initially deferred for each row execute function audit.close_import();

grant select on audit.imports to authensor_auditor;
grant execute on function
  audit.import_seal(bytea, bigint, text, text, text, timestamptz, text, bigint, bigint, timestamptz)
  to authensor_auditor;
