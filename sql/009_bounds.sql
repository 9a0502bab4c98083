-- What a receipt may hold, and when it may say that it was made: the numbers, each in this one place, and the way in
-- for receipts that were made elsewhere.

-- Bytes of UTF-8 of each document: envelope, decision, approval, execution, result, error, as PostgreSQL prints them.
-- The control plane takes requests of at most 256,000 bytes (AUTHENSOR_MAX_REQUEST_BYTES). Printed with a space after
-- each comma and colon they are at most half as long again, and an execution holds what two requests brought: 768,000.
create function audit.max_document_bytes() returns int
  language sql immutable parallel safe
  return 1048576;

-- The control plane dates a receipt just before it sends it. What is between that and the seal: its clock's error,
-- waiting for a connection, for a lock, for the statement (30 s), a failover.
create function audit.max_lateness() returns interval
  language sql immutable parallel safe
  return '15 minutes'::interval;

-- A clock that is ahead of the server's.
create function audit.max_earliness() returns interval
  language sql immutable parallel safe
  return '5 minutes'::interval;

create function audit.check_size(receipt uuid, name text, document jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  bytes int := octet_length(document::text);
begin
  if bytes > audit.max_document_bytes() then
    raise 'receipt % is refused: its % has % bytes, at most % are stored',
      receipt, name, bytes, audit.max_document_bytes()
      using errcode = 'check_violation', table = 'receipts', column = name, constraint = 'document_length',
        hint = 'A result or an error that is too long must be cut by who reports it; an action this large is denied.';
  end if;
end
$$;

-- Refuses what no receipt can be born with. NULL passes in both functions, and is then refused by NOT NULL where it
-- must be.
create function audit.check_identity(r receipts) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if octet_length(r.actor_id) > 1024 then
    -- What an index can hold, with room to spare. Cutting it off would be a receipt of something else.
    raise 'receipt % is refused: its actor_id has % bytes, at most 1024 are stored', r.id, octet_length(r.actor_id)
      using errcode = 'check_violation', table = 'receipts', column = 'actor_id', constraint = 'actor_id_length';
  elsif strpos(r.actor_id, chr(31)) > 0 then
    -- In the names of chains it stands before a lane's number (audit.chain_of, 010).
    raise 'receipt % is refused: its actor_id holds the control character U+001F, which no name can', r.id
      using errcode = 'check_violation', table = 'receipts', column = 'actor_id', constraint = 'actor_id_printable';
  elsif octet_length(r.tool_name) > 1024 then
    raise 'receipt % is refused: its tool_name has % bytes, at most 1024 are stored', r.id, octet_length(r.tool_name)
      using errcode = 'check_violation', table = 'receipts', column = 'tool_name', constraint = 'tool_name_length';
  elsif r.decision_outcome not in ('allow', 'deny', 'require_approval', 'rate_limited') then
    raise 'receipt % is refused: its outcome is "%"; known are allow, deny, require_approval and rate_limited',
      r.id, r.decision_outcome
      using errcode = 'check_violation', table = 'receipts', column = 'decision_outcome', constraint = 'known_values';
  end if;
  perform audit.check_size(r.id, 'envelope', r.envelope), audit.check_size(r.id, 'decision', r.decision);
end
$$;

-- Refuses what a receipt can neither be born with nor become.
create function audit.check_state(r receipts) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not (r.status in ('pending', 'executed', 'failed', 'cancelled', 'skipped')
          and coalesce(r.approval_status, 'pending') in ('pending', 'approved', 'rejected', 'expired')
          and r.execution_attempts >= 0)
  then
    raise 'receipt % is refused: its status is "%", its approval status "%", its execution attempts %',
      r.id, r.status, r.approval_status, r.execution_attempts
      using errcode = 'check_violation', table = 'receipts', constraint = 'known_values',
        hint = 'Known are pending, executed, failed, cancelled, skipped; pending, approved, rejected, expired or none; '
          'and 0 or more.';
  elsif r.claim_id is not null and r.claim_expires_at is null then
    raise 'receipt % is refused: its claim has no claim_expires_at', r.id
      using errcode = 'check_violation', table = 'receipts', column = 'claim_expires_at',
        constraint = 'claim_requires_expiry';
  elsif r.claim_expires_at is not null and r.claimed_at is null then
    raise 'receipt % is refused: it has a claim_expires_at and no claimed_at', r.id
      using errcode = 'check_violation', table = 'receipts', column = 'claimed_at',
        constraint = 'expiry_requires_claimed_at';
  elsif octet_length(concat(r.approval, r.execution, r.result, r.error)) > audit.max_document_bytes() then
    perform audit.check_size(r.id, 'approval', r.approval), audit.check_size(r.id, 'execution', r.execution),
            audit.check_size(r.id, 'result', r.result), audit.check_size(r.id, 'error', r.error);
  end if;
end
$$;

-- Imports that are being made: the door, and which agents' receipts came by it. Each transaction sees its own, and
-- takes them away as it ends: what remains are rows of audit.imports (010).
create table audit.open_imports (
  transaction xid8        not null default pg_current_xact_id(),
  opened_at   timestamptz not null default now(),                    -- the transaction's start
  reason      text        not null constraint reason_given check (length(btrim(reason)) between 10 and 1000),
  agent       text        collate "C",                               -- null: the door itself
  first_seq   bigint,
  unique nulls not distinct (transaction, agent)
);

-- The door for imports, for this transaction only, as the owner:
--   begin; select audit.open_import('receipts of 2025 from the old system'); insert …; commit
create function audit.open_import(reason text) returns void
  language sql
as $$
  insert into audit.open_imports (reason) values (open_import.reason)
$$;

-- Transaction numbers begin anew in a restored copy; together with the time they do not come again.
create function audit.is_importing() returns boolean
  language sql stable
  return exists (
    select from audit.open_imports
     where transaction = pg_current_xact_id_if_assigned() and opened_at = now() and agent is null);

-- Called by audit.seal_receipt for a receipt that it cannot pass at a glance.
create function audit.check_date(r receipts, at timestamptz) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  earlier timestamptz;
begin
  if r.created_at >= at - audit.max_lateness() and r.created_at <= at + audit.max_earliness()
    and r.created_at >= date_trunc('month', at + audit.max_earliness(), 'UTC')
  then
    -- In the month that it is sealed in, and where no receipt of a later month can be yet.
    return;
  end if;
  if not (r.created_at >= at - audit.max_lateness() and r.created_at <= at + audit.max_earliness()) then
    if not audit.is_importing() then
      raise 'receipt % is refused: created at %, more than % before or more than % after it is sealed, at %',
        r.id, r.created_at, audit.max_lateness(), audit.max_earliness(), at
        using errcode = 'check_violation', table = 'receipts', column = 'created_at', constraint = 'created_at_bounds',
          hint = 'Is the clock of the client right? Receipts of another time are imported: audit.open_import(reason).';
    elsif not (r.created_at >= '0001-01-01 00:00+00' and r.created_at < '10000-01-01 00:00+00') then
      -- Years that ISO 8601 writes with four digits: Authensor's hash contains the date in that form.
      raise 'receipt % is refused: created at %, outside the years 1 to 9999', r.id, r.created_at
        using errcode = 'check_violation', table = 'receipts', column = 'created_at', constraint = 'created_at_bounds';
    end if;
  end if;
  -- A month's key keeps an id from being used twice in the month. A receipt that is dated into another month than it is
  -- sealed in could come before the one that has its id already, in the order in which look-ups read months.
  select p.created_at into earlier from public.receipts p where p.id = r.id limit 1;
  if found then
    raise 'receipt % is already there, created at %', r.id, earlier
      using errcode = 'unique_violation', table = 'receipts', column = 'id', constraint = 'receipts_id';
  end if;
end
$$;
