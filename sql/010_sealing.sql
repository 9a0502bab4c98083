-- What the chains of receipts (012) and of their changes (011) are made of.

-- A chain's end. Its row is locked from the moment a receipt is sealed until its transaction ends, so that seq has no
-- gaps. Narrow rows and half-empty pages: each receipt rewrites one, in place (HOT), without touching the index.
create table audit.chain_heads (
  agent             text        collate "C" not null,      -- receipts.actor_id, or '' for receipts that name none
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
    raise 'the row of agent "%" was removed from audit.%', agent, heads using errcode = 'data_corrupted',
      hint = 'Nothing of this agent is stored until it is there again. Verify the trail (ops/verify), find out who did '
        'it, and restore the row from the last receipt of the agent.';
  end if;
end
$$;

alter table receipts
  add column chain_seq  bigint not null,
  add column chain_seal bytea  not null,
  -- The server's clock, where created_at is the client's. Never before the predecessor's: it follows the chain's order,
  -- also when the clock was set back.
  add column sealed_at  timestamptz not null,
  alter column receipt_hash set not null;

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
                   from '^\(\d{1,9},\d{1,4}\)$')::tid;

-- Only the sealing function, which runs as the owner, writes heads.
grant select on audit.chain_heads to authensor_auditor;
