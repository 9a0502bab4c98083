-- What the migrations come to. Made by `npm run schema`, tested to be current; for reading, not for running.
-- Left out: partitions (they depend on the date), owners, comments, settings.

CREATE SCHEMA audit;

CREATE TYPE audit.detachment AS (
	parent regclass,
	oldest regclass,
	past regclass,
	key name,
	until timestamp with time zone,
	stored bigint
);

CREATE TABLE audit.chain_heads (
    agent text NOT NULL COLLATE pg_catalog."C",
    seq bigint DEFAULT 0 NOT NULL,
    sealed_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    seal bytea DEFAULT '\x'::bytea NOT NULL,
    receipt_hash text,
    prev_receipt_hash text
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');

CREATE TABLE public.receipts (
    id uuid NOT NULL,
    envelope_id uuid NOT NULL,
    status text NOT NULL,
    decision_outcome text NOT NULL,
    tool_name text,
    actor_id text,
    envelope jsonb NOT NULL,
    decision jsonb NOT NULL,
    approval jsonb,
    approval_status text,
    execution jsonb,
    result jsonb,
    error jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    claim_id uuid,
    claimed_at timestamp with time zone,
    claim_expires_at timestamp with time zone,
    execution_attempts integer DEFAULT 0 NOT NULL,
    receipt_hash text NOT NULL,
    prev_receipt_hash text,
    rekor_entry_id text,
    parent_receipt_id uuid,
    chain_seq bigint NOT NULL,
    chain_seal bytea NOT NULL,
    lane smallint DEFAULT 0 NOT NULL,
    sealed_at timestamp with time zone NOT NULL
)
PARTITION BY RANGE (created_at);

CREATE FUNCTION audit.advance_in_batch(r public.receipts, content bytea, at timestamp with time zone) RETURNS audit.chain_heads
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
  agent_of text := coalesce(audit.chain_of(r.actor_id, r.lane), '');
  advanced audit.chain_heads;
  place    tid;
begin
  update audit.chain_heads as head
     set seq               = head.seq + 1,
         sealed_at         = greatest(head.sealed_at, at),
         seal              = audit.chain_seal(head.seal, head.seq + 1, greatest(head.sealed_at, at), content,
                                              head.receipt_hash),
         receipt_hash      = audit.authensor_hash(
                               r.id, r.envelope_id, r.created_at, r.decision_outcome, head.receipt_hash),
         prev_receipt_hash = head.receipt_hash
   where head.ctid = audit.remembered_head('chain_heads', agent_of) and head.agent = agent_of
  returning head.agent, head.seq, head.sealed_at, head.seal, head.receipt_hash, head.prev_receipt_hash, head.ctid
       into advanced.agent, advanced.seq, advanced.sealed_at, advanced.seal, advanced.receipt_hash,
            advanced.prev_receipt_hash, place;
  if found then
    perform audit.remember_head('chain_heads', agent_of, place);
  end if;
  return advanced;
end
$$;

CREATE FUNCTION audit.append_history(agent_of text, receipt_id uuid, receipt_created_at timestamp with time zone, old_state jsonb, new_state jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
  entry audit.receipt_history;
  place tid;
begin
  if current_setting('synchronous_commit') not in ('on', 'remote_apply') then
    perform audit.commit_durably();
  end if;
  entry.agent              := coalesce(agent_of, '');
  entry.receipt_id         := receipt_id;
  entry.receipt_created_at := receipt_created_at;
  entry.changed_by         := session_user;
  entry.application        := coalesce(current_setting('application_name', true), '');
  entry.before             := audit.differing(old_state, new_state);
  entry.after              := audit.differing(new_state, old_state);
  select ctid, seq + 1, seal, changed_at into place, entry.seq, entry.seal, entry.changed_at
    from audit.history_heads
   where ctid = audit.remembered_head('history_heads', entry.agent) and agent = entry.agent for no key update;
  while place is null loop
    select ctid, seq + 1, seal, changed_at into place, entry.seq, entry.seal, entry.changed_at
      from audit.history_heads where agent = entry.agent for no key update;
    exit when found;
    perform audit.begin_chain('history_heads', entry.agent);
  end loop;
  -- Taken under the lock, and never before the change before it, also when the clock was set back.
  entry.changed_at := greatest(entry.changed_at, clock_timestamp());
  entry.seal := audit.history_seal(entry.seal, entry.seq, entry.agent, entry.receipt_id, entry.receipt_created_at,
                                   entry.changed_at, entry.changed_by, entry.application, entry.before, entry.after);
  update audit.history_heads set seq = entry.seq, changed_at = entry.changed_at, seal = entry.seal
   where ctid = place and agent = entry.agent
  returning ctid into place;
  if entry.seq & 31 = 0 or current_setting('audit.batch', true) = 'on' then
    perform audit.remember_head('history_heads', entry.agent, place);
  end if;
  insert into audit.receipt_history values (entry.*);
end
$$;

CREATE FUNCTION audit.approval_problem(approval jsonb, approval_status text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if approval ->> 'status' is distinct from approval_status and approval ->> 'status' is not null then
    return format('its approval says %s, its approval_status is %s', approval ->> 'status',
      coalesce(approval_status, 'none'));
  end if;
  perform (approval ->> 'expiresAt')::timestamptz;
  return null;
end
$$;

CREATE FUNCTION audit.archive_month(month date) RETURNS SETOF regclass
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  receipts audit.detachment := audit.prepare_detach('public.receipts', month);
  changes  audit.detachment := audit.prepare_detach('audit.receipt_history', month);
begin
  -- In the order in which writers come to them.
  return next audit.finish_detach(receipts);
  return next audit.finish_detach(changes);
end
$$;

CREATE FUNCTION audit.attach_partition(parent regclass, partition regclass, since timestamp with time zone, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    AS $$
begin
  execute format('alter table %s attach partition %s for values from (%s) to (%s)', parent, partition,
    coalesce(quote_literal(since), 'minvalue'), coalesce(quote_literal(until), 'maxvalue'));
end
$$;

CREATE FUNCTION audit.authensor_hash(id uuid, envelope_id uuid, created_at timestamp with time zone, decision_outcome text, prev_receipt_hash text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN encode(sha256(convert_to(format('{"id":"%s","envelopeId":"%s","timestamp":"%s","decisionOutcome":"%s","prevReceiptHash":"%s"}'::text, id, envelope_id, to_char((created_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'::text), decision_outcome, prev_receipt_hash), 'UTF8'::name)), 'hex'::text);

CREATE FUNCTION audit.begin_chain(heads text, agent text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

CREATE FUNCTION audit.begin_drill() RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  begun uuid;
begin
  update audit.drill d
     set run      = gen_random_uuid(),
         began_at = clock_timestamp(),
         seen_at  = clock_timestamp(),
         problems = null,
         summary  = null
   where (began_at > coalesce(finished_at, '-infinity') and seen_at > clock_timestamp() - interval '10 minutes')
         is not true
  returning d.run into begun;
  return begun;
end
$$;

CREATE TABLE audit.maintenance_run (
    only_row boolean DEFAULT true NOT NULL,
    pid integer NOT NULL,
    role name NOT NULL,
    program text,
    client text,
    since timestamp with time zone,
    CONSTRAINT maintenance_run_only_row_check CHECK (only_row)
);

COMMENT ON TABLE audit.maintenance_run IS 'Who changes the structure: a migration, or the partitions job.';

CREATE FUNCTION audit.begin_maintenance() RETURNS SETOF audit.maintenance_run
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  declare
    held audit.maintenance_run;
  begin
    lock table audit.maintenance_run in share row exclusive mode;
    select * into held from audit.maintenance_run;
    if exists (select from pg_stat_activity a
                where a.pid = held.pid and a.pid <> pg_backend_pid() and a.usename = held.role
                  and a.datname = current_database()
                  -- Hidden from an owner who may not see others' statistics.
                  and coalesce(a.backend_start = held.since, true))
    then
      return next held;
      return;
    end if;
    delete from audit.maintenance_run;
    insert into audit.maintenance_run (pid, role, program, client, since)
      select pg_backend_pid(), session_user, nullif(current_setting('application_name'), ''), host(inet_client_addr()),
             (select a.backend_start from pg_stat_activity a where a.pid = pg_backend_pid());
  end
  $$;

COMMENT ON FUNCTION audit.begin_maintenance() IS 'Takes the lock for this session, or says who holds it.';

CREATE FUNCTION audit.receipt_state(status text, approval jsonb, approval_status text, execution jsonb, result jsonb, error jsonb, updated_at timestamp with time zone, claim_id uuid, claimed_at timestamp with time zone, claim_expires_at timestamp with time zone, execution_attempts integer, rekor_entry_id text) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN jsonb_build_object('status', status, 'approval', approval, 'approval_status', approval_status, 'execution', execution, 'result', result, 'error', error, 'updated_at', (updated_at AT TIME ZONE 'UTC'::text), 'claim_id', claim_id, 'claimed_at', (claimed_at AT TIME ZONE 'UTC'::text), 'claim_expires_at', (claim_expires_at AT TIME ZONE 'UTC'::text), 'execution_attempts', execution_attempts, 'rekor_entry_id', rekor_entry_id);

CREATE FUNCTION audit.birth_state(decision_outcome text, created_at timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN audit.receipt_state(CASE WHEN (decision_outcome = ANY (ARRAY['allow'::text, 'require_approval'::text])) THEN 'pending'::text ELSE 'skipped'::text END, NULL::jsonb, NULL::text, NULL::jsonb, NULL::jsonb, NULL::jsonb, created_at, NULL::uuid, NULL::timestamp with time zone, NULL::timestamp with time zone, 0, NULL::text);

CREATE FUNCTION audit.bound_past(past regclass, key name, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    SET client_min_messages TO 'warning'
    AS $$
begin
  execute format('alter table %s drop constraint if exists past_bound', past);
  execute format('alter table %s add constraint past_bound check (%I < %L) not valid', past, key, until);
end
$$;

CREATE FUNCTION audit.chain_of(actor_id text, lane integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (lane = 0) THEN replace(actor_id, chr(31), (chr(31) || chr(31))) ELSE ((COALESCE(replace(actor_id, chr(31), (chr(31) || chr(31))), ''::text) || chr(31)) || COALESCE((lane)::text, ''::text)) END;

CREATE FUNCTION audit.chain_seal(previous_seal bytea, seq bigint, sealed_at timestamp with time zone, content bytea, prev_receipt_hash text) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(((((previous_seal || int8send(seq)) || timestamptz_send(sealed_at)) || content) || convert_to(COALESCE(prev_receipt_hash, ''::text), 'UTF8'::name)));

CREATE FUNCTION audit.partition_name(parent regclass, suffix text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN (SELECT (((pg_class.relname)::text || '_'::text) || partition_name.suffix) FROM pg_class WHERE (pg_class.oid = (partition_name.parent)::oid));

CREATE FUNCTION audit.changes_table(parent regclass) RETURNS text
    LANGUAGE sql STABLE STRICT
    RETURN format('audit.%I'::text, audit.partition_name(parent, 'changes'::text));

CREATE FUNCTION audit.check_ahead(month date) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if month > audit.month_of(now()) + interval '120 months' then
    raise 'months are made at most 120 ahead, not %', to_char(month, 'YYYY-MM')
      using errcode = 'invalid_parameter_value';
  end if;
end
$$;

CREATE FUNCTION audit.check_attached(prepared audit.detachment) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not exists (select from pg_inherits where inhrelid = prepared.oldest and inhparent = prepared.parent) then
    raise 'the oldest month of % has left meanwhile', prepared.parent
      using errcode = 'object_not_in_prerequisite_state',
      hint = 'Another archiving took it. Nothing was changed by this one.';
  end if;
end
$$;

CREATE FUNCTION audit.check_batch(batch jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  columns text[] := array(
    select attname from pg_attribute where attrelid = 'public.receipts'::regclass and attnum > 0 and not attisdropped);
  fault   text;
begin
  if jsonb_typeof(batch) is distinct from 'array' then
    fault := format('it is %s', coalesce(jsonb_typeof(batch), 'null'));
  else
    select format('its item %s is %s', place, kind) into fault
      from jsonb_array_elements(batch) with ordinality i (item, place)
     cross join lateral (
       select case when jsonb_typeof(item) <> 'object' then jsonb_typeof(item)
                   when item - columns <> '{}' then 'an object with the key '
                     || (select min(to_json(key)::text) from jsonb_object_keys(item - columns) key) end) k (kind)
     where kind is not null
     order by place limit 1;
  end if;
  if fault is not null then
    raise 'the batch is refused, none of it is stored: %', fault
      using errcode = 'invalid_parameter_value',
        hint = 'A batch is a JSON array of objects, whose keys are columns of receipts.';
  end if;
end
$$;

CREATE FUNCTION audit.check_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  problem text;
  answer  text := old.approval ->> 'status';
begin
  perform audit.check_state(new);

  if (old.id, old.envelope_id, old.decision_outcome, old.envelope, old.decision, old.created_at,
      old.chain_seq, old.lane, old.sealed_at, old.chain_seal, old.receipt_hash)
       is distinct from
     (new.id, new.envelope_id, new.decision_outcome, new.envelope, new.decision, new.created_at,
      new.chain_seq, new.lane, new.sealed_at, new.chain_seal, new.receipt_hash)
     or (old.tool_name, old.actor_id, old.parent_receipt_id, old.prev_receipt_hash)
       is distinct from
        (new.tool_name, new.actor_id, new.parent_receipt_id, new.prev_receipt_hash)
  then
    problem := 'what was decided and sealed never changes';
  elsif new.status <> old.status and old.status <> 'pending' then
    problem := format('it is %s, which is final: it cannot become %s', old.status, new.status);
  elsif new.status <> old.status and old.decision_outcome in ('deny', 'rate_limited') then
    problem := format('its decision is %s: it cannot become %s', old.decision_outcome, new.status);
  elsif new.status <> old.status and new.status not in ('executed', 'failed', 'cancelled') then
    problem := format('a pending receipt becomes executed, failed or cancelled, not %s', new.status);
  elsif new.status <> old.status and new.status in ('executed', 'failed') and old.claim_id is null then
    problem := format('nobody holds its claim: it cannot become %s', new.status);
  elsif new.status <> old.status and new.status in ('executed', 'failed')
    and old.decision_outcome = 'require_approval' and new.approval_status is distinct from 'approved'
  then
    problem := format('its approval is %s: it cannot become %s', coalesce(new.approval_status, 'missing'), new.status);

  elsif new.approval_status is distinct from old.approval_status and old.approval_status <> 'pending' then
    problem := format('its approval is %s, which is final: it cannot become %s',
      old.approval_status, coalesce(new.approval_status, 'none'));
  elsif new.approval_status is null and old.approval_status is not null then
    problem := 'its approval is pending: it cannot become none';
  -- The control plane decides by the status inside the approval, which is no more to be taken back than the column.
  elsif answer <> 'pending' and new.approval ->> 'status' is distinct from answer then
    problem := format('its approval says %s, which is final: it cannot say %s',
      answer, coalesce(new.approval ->> 'status', 'nothing'));
  elsif new.approval_status is distinct from old.approval_status and new.approval_status in ('rejected', 'expired')
    and new.status <> 'cancelled'
  then
    problem := format('an approval that is %s cancels the receipt', new.approval_status);
  elsif new.approval is distinct from old.approval or new.approval_status is distinct from old.approval_status then
    problem := audit.approval_problem(new.approval, new.approval_status);
  end if;

  if problem is not null then
    null;
  elsif new.claim_id is distinct from old.claim_id and new.claim_id is not null and new.status <> 'pending' then
    problem := format('it is %s: only a pending receipt can be claimed', new.status);
  elsif new.claim_id <> old.claim_id and old.claim_expires_at >= now() then
    problem := format('its claim is held by another until %s', old.claim_expires_at);
  elsif new.execution_attempts < old.execution_attempts then
    problem := format('its execution attempts cannot go back from %s to %s',
      old.execution_attempts, new.execution_attempts);
  else
    return new;
  end if;
  raise 'the change of receipt % is refused: %', old.id, problem
    using errcode = 'integrity_constraint_violation', table = 'receipts';
end
$$;

CREATE FUNCTION audit.check_date(r public.receipts, at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.check_identity(r public.receipts) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.check_size(receipt uuid, name text, document jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.check_state(r public.receipts) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.checkpoint(partition regclass) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  of_receipts boolean := exists (
    select from pg_catalog.pg_attribute where attrelid = partition and attname = 'chain_seq');
  columns     text    := case
    when of_receipts
    then $q$coalesce(audit.chain_of(actor_id, lane), '') as agent, chain_seq as seq, chain_seal as seal,
            receipt_hash as hash$q$
                                               else $q$agent, seq, seal, null::text as hash$q$ end;
  stretch     record;
  made        audit.checkpoints;
  written     int := 0;
begin
  lock table audit.checkpoints in share row exclusive mode;
  select seq, seal into made.seq, made.seal from audit.checkpoints order by seq desc limit 1;
  made.seq    := coalesce(made.seq, 0);
  made.seal   := coalesce(made.seal, '');
  made.chain  := case when of_receipts then 'receipts' else 'history' end;
  made.source := (select relname from pg_catalog.pg_class where oid = partition);

  for stretch in execute format($q$
    -- The ends are the rows that no next one follows: sorted on disk if need be, whatever the number of rows.
    select agent, seq - rows + 1 as first_seq, seq as last_seq, seal, hash
      from (select *, place - lag(place, 1, 0::bigint) over (partition by agent order by seq) as rows
              from (select *, row_number() over chain as place, lead(seq) over chain as next
                      from (select %s from %s) r window chain as (partition by agent order by seq)) places
             where next is distinct from seq + 1) ends
     order by agent collate "C", first_seq
  $q$, columns, partition)
  loop
    continue when exists (select from audit.checkpoints c
      where (c.chain, c.agent, c.first_seq, c.last_seq, c.last_seal)
          = (made.chain, stretch.agent, stretch.first_seq, stretch.last_seq, stretch.seal));
    made.agent     := stretch.agent;
    made.first_seq := stretch.first_seq;
    made.last_seq  := stretch.last_seq;
    made.last_seal := stretch.seal;
    made.last_hash := stretch.hash;
    made.made_at   := clock_timestamp();
    made.seq       := made.seq + 1;
    made.seal      := audit.checkpoint_seal(made.seal, made.seq, made.chain, made.agent, made.first_seq, made.last_seq,
                                            made.last_seal, made.last_hash, made.source, made.made_at);
    insert into audit.checkpoints values (made.*);
    written := written + 1;
  end loop;
  return written;
end
$_$;

CREATE FUNCTION audit.checkpoint_seal(previous_seal bytea, seq bigint, chain text, agent text, first_seq bigint, last_seq bigint, last_seal bytea, last_hash text, source text, made_at timestamp with time zone) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(record_send(ROW(previous_seal, seq, convert_to(chain, 'UTF8'::name), convert_to(agent, 'UTF8'::name), first_seq, last_seq, last_seal, convert_to(last_hash, 'UTF8'::name), convert_to(source, 'UTF8'::name), made_at)));

CREATE FUNCTION audit.close_import() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.commit_durably() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform set_config('synchronous_commit', 'on', true);
end
$$;

CREATE FUNCTION audit.count_receipts(since timestamp with time zone, until timestamp with time zone) RETURNS TABLE(outcome text, receipts bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT r.decision_outcome,
     count(*) AS count
    FROM public.receipts r
   WHERE ((r.created_at >= count_receipts.since) AND (r.created_at < count_receipts.until))
   GROUP BY r.decision_outcome;
END;

CREATE FUNCTION audit.create_partition(parent regclass, suffix text, options text[]) RETURNS regclass
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.detach_month(parent regclass, month date) RETURNS regclass
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return audit.finish_detach(audit.prepare_detach(parent, month));
end
$$;

CREATE FUNCTION audit.detach_partition(parent regclass, partition regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format('alter table %s detach partition %s', parent, partition);
end
$$;

CREATE FUNCTION audit.differing(state jsonb, other jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT COALESCE(jsonb_object_agg(jsonb_each.key, jsonb_each.value), '{}'::jsonb) AS "coalesce" FROM jsonb_each(differing.state) jsonb_each(key, value) WHERE (jsonb_each.value IS DISTINCT FROM (differing.other -> jsonb_each.key)));

CREATE FUNCTION audit.drain_apply(parent regclass, batch integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'warning'
    SET random_page_cost TO '1.1'
    AS $_$
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
$_$;

CREATE FUNCTION audit.drain_cancel(parent regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'warning'
    AS $$
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

CREATE FUNCTION audit.drain_copy(target regclass) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

CREATE FUNCTION audit.drain_finish(parent regclass) RETURNS regclass
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.drain_release(parent regclass) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    AS $_$
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
$_$;

CREATE FUNCTION audit.drain_start(parent regclass, months_ahead integer) RETURNS SETOF regclass
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

CREATE FUNCTION audit.drill_goes_on(run uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  update audit.drill d set seen_at = clock_timestamp() where d.run = drill_goes_on.run;
  return found;
end
$$;

CREATE FUNCTION audit.end_sessions(role oid) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT pg_stat_clear_snapshot() AS pg_stat_clear_snapshot;
 SELECT pg_terminate_backend(a.pid) AS pg_terminate_backend
    FROM pg_stat_get_activity(NULL::integer) a
   WHERE ((a.usesysid = end_sessions.role) AND (a.pid <> pg_backend_pid()));
END;

CREATE FUNCTION audit.find_receipt(id uuid) RETURNS SETOF public.receipts
    LANGUAGE plpgsql STABLE ROWS 1 PARALLEL SAFE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
begin
  return query select r.* from public.receipts r where r.id = find_receipt.id order by r.sealed_at;
end
$$;

COMMENT ON FUNCTION audit.find_receipt(id uuid) IS 'The receipt with this id, whatever its month.';

CREATE FUNCTION audit.finish_detach(prepared audit.detachment) RETURNS regclass
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.future_partition(parent regclass, OUT partition regclass, OUT since timestamp with time zone, OUT key text, OUT options text[]) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.history_seal(previous_seal bytea, seq bigint, agent text, receipt_id uuid, receipt_created_at timestamp with time zone, changed_at timestamp with time zone, changed_by text, application text, before jsonb, after jsonb) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(record_send(ROW(previous_seal, seq, convert_to(agent, 'UTF8'::name), receipt_id, receipt_created_at, changed_at, convert_to(changed_by, 'UTF8'::name), convert_to(application, 'UTF8'::name), convert_to((before)::text, 'UTF8'::name), convert_to((after)::text, 'UTF8'::name))));

CREATE FUNCTION audit.hold_off_vacuum(relation regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    AS $$
begin
  execute format('lock table %s in share update exclusive mode', relation);
end
$$;

CREATE FUNCTION audit.import_seal(previous_seal bytea, seq bigint, reason text, opened_by text, application text, opened_at timestamp with time zone, agent text, first_seq bigint, last_seq bigint, sealed_at timestamp with time zone) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(record_send(ROW(previous_seal, seq, convert_to(reason, 'UTF8'::name), convert_to(opened_by, 'UTF8'::name), convert_to(application, 'UTF8'::name), opened_at, convert_to(agent, 'UTF8'::name), first_seq, last_seq, sealed_at)));

CREATE FUNCTION audit.index_late_receipt(r public.receipts) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if r.created_at < to_timestamp(pg_sequence_last_value('audit.search_line')) then
    insert into audit.search_chunks
    values (r.created_at, r.created_at, 1, strip(audit.receipt_words(r.tool_name, r.actor_id, r.envelope)));
  end if;
end
$$;

CREATE FUNCTION audit.index_receipts(most integer, lag interval) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  state audit.search_index;
  upto  timestamptz;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise 'receipts are indexed under READ COMMITTED: an older snapshot hides some'
      using errcode = 'invalid_transaction_state';
  end if;
  select * into state from audit.search_index for update skip locked;
  if not found or exists (select from pg_locks where virtualtransaction = any (state.awaited)) then
    return false;
  end if;

  -- Receipts of the same time stay together; however many they are, no more than some are taken apart.
  select min(r.created_at) into upto
    from public.receipts r
   where r.created_at < state.line
     and r.created_at > (select l.created_at from public.receipts l
                          where l.created_at >= state.indexed_until and l.created_at < state.line
                          order by l.created_at offset most - 1 limit 1);
  upto := coalesce(upto, state.line);
  -- In one statement, so that rows of late receipts give way to those that have them now.
  with alone as (
    delete from audit.search_chunks c where c.oldest >= state.indexed_until and c.newest < upto
  )
  insert into audit.search_chunks
  select min(created_at), max(created_at), count(*),
         case when count(words) = count(*) then audit.words_of_all(words) end
    from (select r.created_at, audit.month_of(r.created_at) as month,
                 (row_number() over (order by r.created_at) - 1) / 32 as chunk,
                 case when row_number() over (partition by r.created_at order by r.created_at) <= 3 * most
                      then strip(audit.receipt_words(r.tool_name, r.actor_id, r.envelope)) end as words
            from public.receipts r
           where r.created_at >= state.indexed_until and r.created_at < upto) r
   group by month, chunk;
  update audit.search_index set indexed_until = upto, awaited = '{}';
  if upto < state.line then
    return true;
  end if;

  -- Never back, whatever the clock does.
  state.line := date_trunc('second', clock_timestamp() - lag);
  if state.line > to_timestamp(pg_sequence_last_value('audit.search_line')) then
    perform setval('audit.search_line', extract(epoch from state.line)::bigint);
  end if;
  state.line := to_timestamp(pg_sequence_last_value('audit.search_line'));
  update audit.search_index
     set line    = state.line,
         awaited = array(
           select distinct l.virtualtransaction from pg_locks l
            where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.pid is distinct from pg_backend_pid()
              and l.database = (select d.oid from pg_database d where d.datname = current_database())
              and l.relation in (select 'public.receipts'::regclass
                                 union all select i.inhrelid from pg_inherits i
                                            where i.inhparent = 'public.receipts'::regclass));
  return false;
end
$$;

CREATE FUNCTION audit.index_receipts() RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT audit.index_receipts(3200, '00:00:20'::interval) AS index_receipts;
END;

CREATE FUNCTION audit.insert_receipts(batch jsonb) RETURNS SETOF public.receipts
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  -- One for the whole batch.
  lane_of  int := audit.session_lane();
  agent_of text;
  chain_of text;
  head     audit.chain_heads;
  heads    audit.chain_heads[] := '{}';
begin
  perform audit.check_batch(batch);
  for agent_of in
    select distinct coalesce(item ->> 'actor_id', '') collate "C" from jsonb_array_elements(batch) item order by 1
  loop
    chain_of := audit.chain_of(agent_of, case when agent_of <> '' then lane_of else 0 end);
    loop
      select * into head from audit.chain_heads h where h.agent = chain_of for no key update;
      exit when found;
      if octet_length(agent_of) > 1024 or strpos(agent_of, chr(31)) > 0 then
        perform audit.check_identity(r) from jsonb_populate_recordset(null::public.receipts, batch) r;
      end if;
      perform audit.begin_chain('chain_heads', chain_of);
    end loop;
    heads := heads || head;
  end loop;

  perform set_config('audit.sealed_ahead', 'on', true);
  return query
  with stored as (
    insert into public.receipts
    select (sealed.receipt).*
      from (select audit.sealed_in_order(h, given.receipt, given.content)
                     over (partition by h.agent order by place rows unbounded preceding) as receipt
              from jsonb_array_elements(batch) with ordinality item (object, place)
             cross join audit.read_receipt(object, lane_of) given
              left join unnest(heads) h
                     on h.agent = coalesce(audit.chain_of((given.receipt).actor_id, (given.receipt).lane), '')) sealed
     order by coalesce((sealed.receipt).actor_id, '') collate "C", (sealed.receipt).chain_seq
    returning *
  ), moved as (
    update audit.chain_heads h
       set seq = last.chain_seq, sealed_at = last.sealed_at, seal = last.chain_seal,
           receipt_hash = last.receipt_hash, prev_receipt_hash = last.prev_receipt_hash
      from (select distinct on (chain) coalesce(audit.chain_of(actor_id, lane), '') as chain, s.*
              from stored s order by chain, chain_seq desc) last
     where h.agent = last.chain
  )
  select * from stored;
  perform set_config('audit.sealed_ahead', 'off', true);
end
$$;

COMMENT ON FUNCTION audit.insert_receipts(batch jsonb) IS 'Stores a batch of receipts, a JSON array of objects, and advances each agent''s chain once.';

CREATE FUNCTION audit.is_chained(parent regclass) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN COALESCE((((parent)::oid = (to_regclass('public.receipts'::text))::oid) OR ((parent)::oid = (to_regclass('audit.receipt_history'::text))::oid)), false);

CREATE TABLE audit.open_imports (
    transaction xid8 DEFAULT pg_current_xact_id() NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    reason text NOT NULL,
    agent text COLLATE pg_catalog."C",
    first_seq bigint,
    CONSTRAINT reason_given CHECK (((length(btrim(reason)) >= 10) AND (length(btrim(reason)) <= 1000)))
);

CREATE FUNCTION audit.is_importing() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (EXISTS (SELECT FROM audit.open_imports WHERE ((open_imports.transaction = pg_current_xact_id_if_assigned()) AND (open_imports.opened_at = now()) AND (open_imports.agent IS NULL))));

CREATE FUNCTION audit.key_columns(parent regclass) RETURNS text[]
    LANGUAGE sql STABLE STRICT
    RETURN COALESCE((SELECT array_agg(quote_ident((a.attname)::text) ORDER BY k.place) AS array_agg FROM ((pg_index i CROSS JOIN LATERAL unnest((i.indkey)::smallint[]) WITH ORDINALITY k(attnum, place)) JOIN pg_attribute a ON (((a.attrelid = i.indrelid) AND (a.attnum = k.attnum)))) WHERE ((i.indrelid = (key_columns.parent)::oid) AND i.indisprimary)), ARRAY['id'::text, quote_ident((audit.future_partition(parent)).key)]);

CREATE FUNCTION audit.month_of(at timestamp with time zone) RETURNS date
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (date_trunc('month'::text, (at AT TIME ZONE 'UTC'::text)))::date;

CREATE FUNCTION audit.list_partitions() RETURNS TABLE(parent regclass, partition regclass, kind text, month date, since timestamp with time zone, until timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "TimeZone" TO 'UTC'
    BEGIN ATOMIC
 WITH part AS (
          SELECT i.inhparent AS parent,
             c.oid AS partition,
             c.relname AS name,
             p.relname AS parent_name,
             regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \((?:''(.+)''|MINVALUE)\) TO \((?:''(.+)''|MAXVALUE)\)$'::text) AS bounds
            FROM (((pg_inherits i
              JOIN pg_class c ON (((c.oid = i.inhrelid) AND c.relispartition AND (c.relkind = 'r'::"char"))))
              JOIN pg_class p ON ((p.oid = i.inhparent)))
              JOIN pg_partitioned_table t ON (((t.partrelid = p.oid) AND (t.partstrat = 'r'::"char") AND (t.partnatts = 1))))
           WHERE ((NOT i.inhdetachpending) AND (EXISTS ( SELECT
                    FROM (pg_inherits f
                      JOIN pg_class fc ON ((fc.oid = f.inhrelid)))
                   WHERE ((f.inhparent = p.oid) AND (fc.relname = ((p.relname)::text || '_future'::text))))))
         )
  SELECT (part.parent)::regclass AS parent,
     (part.partition)::regclass AS partition,
         CASE
             WHEN (part.bounds[2] IS NULL) THEN 'future'::text
             WHEN (part.bounds[1] IS NULL) THEN 'past'::text
             ELSE 'month'::text
         END AS "case",
     audit.month_of((part.bounds[1])::timestamp with time zone) AS month_of,
     (part.bounds[1])::timestamp with time zone AS bounds,
     (part.bounds[2])::timestamp with time zone AS bounds
    FROM part
   ORDER BY part.parent_name, (part.bounds[1])::timestamp with time zone NULLS FIRST;
END;

CREATE FUNCTION audit.lock_holders(relation regclass DEFAULT NULL::regclass) RETURNS TABLE(pid integer, role name, application text, client text, since timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT DISTINCT a.pid,
     a.usename,
     NULLIF(a.application_name, ''::text) AS "nullif",
     host(a.client_addr) AS host,
     a.xact_start
    FROM (pg_locks l
      JOIN pg_stat_activity a ON ((a.pid = l.pid)))
   WHERE ((l.locktype = 'relation'::text) AND l.granted AND (l.pid <> pg_backend_pid()) AND (l.database = ( SELECT d.oid
            FROM pg_database d
           WHERE (d.datname = current_database()))) AND (((l.relation IS NULL) AND (l.relation >= (16384)::oid)) OR (l.relation = l.relation) OR (l.relation IN ( SELECT t.relid
            FROM pg_partition_tree((l.relation)::regclass) t(relid, parentrelid, isleaf, level)))))
   ORDER BY a.xact_start, a.pid
  LIMIT 3;
END;

CREATE FUNCTION audit.lock_table_percent() RETURNS double precision
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 WITH lock AS (
          SELECT pg_locks.locktype,
             pg_locks.database,
             pg_locks.relation,
             pg_locks.page,
             pg_locks.tuple,
             pg_locks.virtualxid,
             pg_locks.transactionid,
             pg_locks.classid,
             pg_locks.objid,
             pg_locks.objsubid,
             count(*) AS holders
            FROM pg_locks
           WHERE (NOT pg_locks.fastpath)
           GROUP BY pg_locks.locktype, pg_locks.database, pg_locks.relation, pg_locks.page, pg_locks.tuple, pg_locks.virtualxid, pg_locks.transactionid, pg_locks.classid, pg_locks.objid, pg_locks.objsubid
         )
  SELECT (((100)::numeric * GREATEST((count(*))::numeric, (COALESCE(sum(lock.holders), (0)::numeric) / (2)::numeric))) / (((current_setting('max_locks_per_transaction'::text))::integer * ((current_setting('max_connections'::text))::integer + (current_setting('max_prepared_transactions'::text))::integer)))::numeric)
    FROM lock;
END;

CREATE FUNCTION audit.make_month(parent regclass, month date) RETURNS regclass
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.max_document_bytes() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 1048576;

CREATE FUNCTION audit.max_earliness() RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '00:05:00'::interval;

CREATE FUNCTION audit.max_lateness() RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '00:15:00'::interval;

CREATE FUNCTION audit.missing_months(months_ahead integer) RETURNS TABLE(parent regclass, month date, occupied boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.month_start(month date) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ((month)::timestamp without time zone AT TIME ZONE 'UTC'::text);

CREATE FUNCTION audit.open_import(reason text) RETURNS void
    LANGUAGE sql
    AS $$
  insert into audit.open_imports (reason) values (open_import.reason)
$$;

CREATE FUNCTION audit.partition_by_month(parent regclass, first_month date DEFAULT audit.month_of(now()), options text[] DEFAULT ARRAY['autovacuum_vacuum_insert_scale_factor=0.05'::text, 'autovacuum_analyze_scale_factor=0.02'::text]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.prepare_detach(parent regclass, month date) RETURNS audit.detachment
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.read_receipt(item jsonb, lane_of integer, OUT receipt public.receipts, OUT content bytea) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  statement text;
begin
  receipt := jsonb_populate_record(null::public.receipts, item);
  receipt.lane               := case when receipt.actor_id <> '' then lane_of else 0 end;
  receipt.created_at         := coalesce(receipt.created_at, now());
  receipt.updated_at         := coalesce(receipt.updated_at, receipt.created_at);
  receipt.execution_attempts := coalesce(receipt.execution_attempts, 0);
  statement := audit.receipt_statement(
    receipt.id, receipt.envelope_id, receipt.parent_receipt_id, receipt.created_at,
    receipt.decision_outcome, receipt.tool_name, audit.chain_of(receipt.actor_id, receipt.lane), receipt.envelope,
    receipt.decision);
  content := sha256(convert_to(statement, 'UTF8'));
  if octet_length(statement) > audit.max_document_bytes() then
    perform audit.check_identity(receipt);
  end if;
  if receipt.created_at > clock_timestamp() + audit.max_earliness() then
    perform audit.check_date(receipt, clock_timestamp());
  end if;
end
$$;

CREATE FUNCTION audit.receipt_statement(id uuid, envelope_id uuid, parent_receipt_id uuid, created_at timestamp with time zone, decision_outcome text, tool_name text, chain text, envelope jsonb, decision jsonb) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (json_build_array(id, envelope_id, parent_receipt_id, (created_at AT TIME ZONE 'UTC'::text), decision_outcome, tool_name, chain, envelope, decision))::text;

CREATE FUNCTION audit.receipt_content(id uuid, envelope_id uuid, parent_receipt_id uuid, created_at timestamp with time zone, decision_outcome text, tool_name text, chain text, envelope jsonb, decision jsonb) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(convert_to(audit.receipt_statement(id, envelope_id, parent_receipt_id, created_at, decision_outcome, tool_name, chain, envelope, decision), 'UTF8'::name));

CREATE FUNCTION audit.separate_words(text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN translate(replace(replace(replace(replace($1, '\\'::text, ' '::text), '\n'::text, ' '::text), '\t'::text, ' '::text), '\r'::text, ' '::text), './-+<='::text, '      '::text);

CREATE FUNCTION audit.receipt_text(tool_name text, actor_id text, envelope jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN audit.separate_words((((((((("left"(COALESCE(tool_name, ''::text), 256) || ' '::text) || "left"(COALESCE((envelope #>> '{action,resource}'::text[]), ''::text), 512)) || ' '::text) || "left"(COALESCE(actor_id, ''::text), 256)) || ' '::text) || "left"(COALESCE(((envelope #> '{action,parameters}'::text[]))::text, ''::text), 2560)) || ' '::text) || "left"(COALESCE(((envelope #> '{context,metadata}'::text[]))::text, ''::text), 512)));

CREATE FUNCTION audit.receipt_words(tool_name text, actor_id text, envelope jsonb) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE COST 500 PARALLEL SAFE
    AS $$
declare
  body text := audit.receipt_text(tool_name, actor_id, envelope);
begin
  return audit.words(body);
end
$$;

CREATE FUNCTION audit.record_birth(born public.receipts) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  problem text := audit.approval_problem(born.approval, born.approval_status);
begin
  if born.status = (case when born.decision_outcome in ('allow', 'require_approval') then 'pending' else 'skipped' end)
     and born.updated_at = born.created_at and born.execution_attempts = 0
     and num_nonnulls(born.approval, born.approval_status, born.execution, born.result, born.error,
                      born.claim_id, born.claimed_at, born.claim_expires_at, born.rekor_entry_id) = 0
  then
    return;
  end if;
  if problem is not null then
    raise 'receipt % is refused: %', born.id, problem
      using errcode = 'integrity_constraint_violation', table = 'receipts';
  end if;
  perform audit.append_history(born.actor_id, born.id, born.created_at,
    audit.birth_state(born.decision_outcome, born.created_at),
    audit.receipt_state(
      born.status, born.approval, born.approval_status, born.execution, born.result, born.error, born.updated_at,
      born.claim_id, born.claimed_at, born.claim_expires_at, born.execution_attempts, born.rekor_entry_id));
end
$$;

CREATE FUNCTION audit.record_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.record_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  change record;
begin
  for change in
    select n.actor_id, n.id, n.created_at,
           audit.receipt_state(
             o.status, o.approval, o.approval_status, o.execution, o.result, o.error, o.updated_at,
             o.claim_id, o.claimed_at, o.claim_expires_at, o.execution_attempts, o.rekor_entry_id) as before,
           audit.receipt_state(
             n.status, n.approval, n.approval_status, n.execution, n.result, n.error, n.updated_at,
             n.claim_id, n.claimed_at, n.claim_expires_at, n.execution_attempts, n.rekor_entry_id) as after
      from old_rows o join new_rows n using (id, created_at)
     order by coalesce(n.actor_id, '') collate "C", n.created_at, n.id
  loop
    if change.before <> change.after then
      perform audit.append_history(change.actor_id, change.id, change.created_at, change.before, change.after);
    end if;
  end loop;
  return null;
end
$$;

CREATE FUNCTION audit.record_import(r public.receipts) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  raise '% of %.% is refused: what was recorded stays', tg_op, tg_table_schema, tg_table_name
    using errcode = 'integrity_constraint_violation';
end
$$;

CREATE FUNCTION audit.relieve_lock_table(OUT used_percent double precision, OUT ended text[]) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  me       oid := current_user::regrole;
  holder   record;
  stuck    int[] := '{}';
  now_used float8;
begin
  perform pg_get_userbyid(role), (select count(*) from pg_stat_get_activity(null))
     from unnest('{authensor_app, authensor_telemetry, authensor_monitor, authensor_auditor, authensor_verifier,
                   authensor_archiver, authensor_maintenance,
                   authensor_app_b, authensor_telemetry_b, authensor_monitor_b, authensor_auditor_b,
                   authensor_verifier_b, authensor_archiver_b, authensor_maintenance_b}'
                 ::regrole[]) role;
  ended := '{}';
  loop
    perform pg_stat_clear_snapshot();
    select a.pid, a.usesysid as role, host(a.client_addr) as client,
           -- In however many modes it holds a table.
           count(*) filter (where l.relation is null) + count(distinct l.relation) as locks into holder
      from pg_locks l join pg_stat_get_activity(null) a on a.pid = l.pid
     where not l.fastpath and a.pid <> pg_backend_pid() and a.usesysid not in (me, 10)
     group by 1, 2, 3
    having count(*) filter (where l.relation is null) + count(distinct l.relation)
           > current_setting('max_locks_per_transaction')::int
     order by sum(count(*)) over (partition by a.usesysid) desc, a.pid = any (stuck), locks desc limit 1;
    now_used := audit.lock_table_percent();
    used_percent := greatest(used_percent, now_used);
    exit when holder.pid is null or holder.pid = any (stuck) or now_used <= 75 or cardinality(ended) = 50
           or clock_timestamp() > statement_timestamp() + interval '5 s';
    -- PostgreSQL ends a session where its work lets it: an expression of thousands of long multiplications lets it
    -- nowhere.
    if not pg_terminate_backend(holder.pid, 1000) and exists (select from pg_locks l where l.pid = holder.pid) then
      stuck := stuck || holder.pid;
    end if;
    ended := ended || format('%s from %s held %s locks%s', pg_get_userbyid(holder.role),
                             coalesce(holder.client, 'the server itself'), holder.locks,
                             case when holder.pid = any (stuck)
                               then format(', process %s, and goes on', holder.pid) end);
    if holder.role not in ('authensor_app'::regrole, 'authensor_app_b'::regrole) then
      begin
        perform audit.end_sessions(holder.role);
        execute format('alter role %I connection limit 0', pg_get_userbyid(holder.role));
        -- Who came in meanwhile.
        perform audit.end_sessions(holder.role);
      exception when out_of_memory or insufficient_privilege then
        -- Another session has filled the table again: that one is next.
        null;
      end;
    end if;
  end loop;
end
$$;

CREATE FUNCTION audit.remember_head(heads text, agent text, place tid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform set_config('audit.batch', 'on', true),
          set_config('audit.' || heads || '_' || (hashtext(agent) & 127), place::text, true);
end
$$;

CREATE FUNCTION audit.remembered_head(heads text, agent text) RETURNS tid
    LANGUAGE sql STABLE
    RETURN ("substring"(current_setting(((('audit.'::text || heads) || '_'::text) || (hashtext(agent) & 127)), true), '^\([0-9]{1,9},[0-9]{1,4}\)$'::text))::tid;

CREATE FUNCTION audit.repair_roles() RETURNS TABLE(what text, expected text, actual text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'error'
    AS $$
declare
  difference record;
begin
  for difference in select * from audit.role_differences() d where d.repair is not null loop
    begin
      execute difference.repair;
      what := difference.what;
      expected := difference.expected;
      actual := difference.actual;
      return next;
    exception when insufficient_privilege or invalid_grant_operation then
      null;
    end;
  end loop;
end
$$;

CREATE FUNCTION audit.report_archive(archived_until timestamp with time zone, manifest bigint, problems bigint, summary text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not isfinite(archived_until) or archived_until > clock_timestamp() + audit.max_earliness() then
    raise 'nothing is archived until %: it is now %', archived_until, clock_timestamp()
      using errcode = 'invalid_parameter_value', hint = 'Is the clock of the server that was read right?';
  elsif least(manifest, problems) < 0 or summary is null then
    raise 'no run of the archiver ends with the manifest %, % problems and the summary %',
      coalesce(manifest::text, 'of before'), coalesce(problems::text, 'as many'), quote_nullable(summary)
      using errcode = 'invalid_parameter_value', hint = 'Each number is 0 or more.';
  end if;
  update audit.archive a
     -- Not by coalesce around least, which passes over nulls: a run that failed would count as one that did all.
     set archived_until = least(coalesce(report_archive.archived_until, a.archived_until), clock_timestamp()),
         -- Manifests are only ever added, and two runs at once may end in either order.
         manifest       = greatest(report_archive.manifest, a.manifest),
         problems       = coalesce(report_archive.problems, a.problems),
         finished_at    = clock_timestamp(),
         summary        = left(report_archive.summary, 1000);
end
$$;

CREATE FUNCTION audit.report_drill(run uuid, rto_seconds bigint, rpo_seconds bigint, problems bigint, summary text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if least(rto_seconds, rpo_seconds, problems) < 0 or num_nulls(problems, summary) > 0
     or problems = 0 and num_nulls(rto_seconds, rpo_seconds) > 0 then
    raise 'no drill ends with % problems, an RTO of % s, an RPO of % s and the summary %',
      coalesce(problems::text, 'no number of'), coalesce(rto_seconds::text, 'no'), coalesce(rpo_seconds::text, 'no'),
      quote_nullable(summary)
      using errcode = 'invalid_parameter_value', hint = 'Each number is 0 or more; without a problem all are there.';
  end if;
  update audit.drill d
     set finished_at  = clock_timestamp(),
         succeeded_at = case when report_drill.problems = 0 then clock_timestamp() else d.succeeded_at end,
         rto_seconds  = coalesce(report_drill.rto_seconds, d.rto_seconds),
         rpo_seconds  = coalesce(report_drill.rpo_seconds, d.rpo_seconds),
         problems     = report_drill.problems,
         summary      = left(report_drill.summary, 1000)
   -- One that was taken for killed says nothing for the one that came after it.
   where d.run = report_drill.run;
  if not found then
    raise 'no drill % is known, or another one has begun since', quote_nullable(run)
      using errcode = 'object_not_in_prerequisite_state';
  end if;
end
$$;

CREATE FUNCTION audit.report_dump(dumped_until timestamp with time zone, number bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if (isfinite(dumped_until) and dumped_until <= clock_timestamp() + audit.max_earliness() and number > 0) is not true
  then
    raise 'no dump % shows the state of %: it is now %', number, dumped_until, clock_timestamp()
      using errcode = 'invalid_parameter_value', hint = 'Is the clock of the server that was read right?';
  end if;
  update audit.dumps d
     set dumped_until = least(report_dump.dumped_until, clock_timestamp()),
         number       = greatest(report_dump.number, d.number);
end
$$;

CREATE FUNCTION audit.report_months(number bigint, compacted_until timestamp with time zone, chains jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.report_run(program text, succeeded boolean, summary text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- The owner runs any of them by hand.
  if not exists (select from audit.programs p
                  where p.program = report_run.program and session_user in (p.role, p.role || '_b', current_user)) then
    raise '% does not report runs of "%"', session_user, program using errcode = 'insufficient_privilege',
      hint = 'A new program has a row in audit.programs, with the role that it runs as (sql/018_monitor.sql).';
  end if;
  insert into audit.program_runs as r
  values (report_run.program, now(), case when succeeded then now() end, left(report_run.summary, 1000))
  on conflict on constraint program_runs_pkey do update
     set finished_at = excluded.finished_at,
         succeeded_at = coalesce(excluded.succeeded_at, r.succeeded_at),
         summary = excluded.summary;
end
$$;

CREATE FUNCTION audit.report_verification(scope text, receipts bigint, findings bigint, unverified bigint, summary text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if (least(receipts, findings, unverified) >= 0 and num_nulls(receipts, findings, unverified, summary) = 0) is not true
  then
    raise 'no verification ends with % receipts, % findings, % unverified and the summary %',
      coalesce(receipts::text, 'no number of'), coalesce(findings::text, 'no number of'),
      coalesce(unverified::text, 'no number of'), quote_nullable(summary)
      using errcode = 'invalid_parameter_value', hint = 'Each number is 0 or more.';
  end if;
  update audit.verifications v
     set finished_at = clock_timestamp(),
         receipts    = report_verification.receipts,
         findings    = report_verification.findings,
         unverified  = report_verification.unverified,
         summary     = left(report_verification.summary, 1000)
   where v.scope = report_verification.scope;
  if not found then
    raise 'nothing awaits a verification of "%"', scope using errcode = 'invalid_parameter_value',
      hint = 'Known are the scopes of audit.verifications.';
  end if;
end
$$;

CREATE TABLE audit.checkpoints (
    seq bigint NOT NULL,
    chain text NOT NULL,
    agent text NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    last_seal bytea NOT NULL,
    last_hash text,
    source text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    seal bytea NOT NULL,
    CONSTRAINT checkpoints_chain_check CHECK ((chain = ANY (ARRAY['receipts'::text, 'history'::text]))),
    CONSTRAINT checkpoints_check CHECK (((last_hash IS NOT NULL) = (chain = 'receipts'::text))),
    CONSTRAINT checkpoints_check1 CHECK ((first_seq <= last_seq)),
    CONSTRAINT checkpoints_last_seal_check CHECK ((octet_length(last_seal) = 32))
);

CREATE FUNCTION audit.retire_month(month date) RETURNS SETOF audit.checkpoints
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.role_differences() RETURNS TABLE(what text, expected text, actual text, repair text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with here as (
    select d.oid, d.datname, d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)) as acl
      from pg_database d where d.datname = current_database()
  ), wanted (name, of_role, groups) as (
    select l.login::name, r.name, l.groups
      from (values ('authensor_app', '{}'::text[]), ('authensor_telemetry', '{}'), ('authensor_auditor', '{}'),
                   ('authensor_verifier', '{authensor_auditor}'), ('authensor_archiver', '{authensor_auditor}'),
                   ('authensor_monitor', '{pg_monitor}'), ('authensor_maintenance', '{}')) r (name, groups)
     cross join lateral (values (r.name, r.groups), (r.name || '_b', array[r.name])) l (login, groups)
  ), role as (
    select w.name, w.groups, r.*, coalesce(l.connections, -1) as connections
      from wanted w
      left join pg_roles r on r.rolname = w.name
      left join audit.connection_limits l on l.role = w.of_role
  ), attribute as (
    select r.name, a.name as attribute, a.expected, a.actual, a.repair
      from role r
     cross join lateral (values
       ('superuser',   false, r.rolsuper,       'nosuperuser'),
       ('createrole',  false, r.rolcreaterole,  'nocreaterole'),
       ('createdb',    false, r.rolcreatedb,    'nocreatedb'),
       ('replication', false, r.rolreplication, 'noreplication'),
       ('bypassrls',   false, r.rolbypassrls,   'nobypassrls'),
       ('login',       true,  r.rolcanlogin,    'login'),
       ('inherit',     true,  r.rolinherit,     'inherit'),
       ('expiry',      false, isfinite(coalesce(r.rolvaliduntil, 'infinity')), 'valid until ''infinity''')
     ) a (name, expected, actual, repair)
     where r.oid is not null and a.expected <> a.actual
  ), membership as (
    -- Columns that PostgreSQL 16 brought are read by name.
    select m.roleid, m.member, m.admin_option, g.rolname as of_role, u.rolname as of_member, o.rolname as grantor,
           coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true) as inherits
      from pg_auth_members m
      join pg_roles g on g.oid = m.roleid
      join pg_roles u on u.oid = m.member
      left join pg_roles o on o.oid = m.grantor
  ), setting as (
    select s.setrole, s.setdatabase, split_part(c, '=', 1) as name, substr(c, strpos(c, '=') + 1) as value
      from pg_db_role_setting s cross join unnest(s.setconfig) c
  ), schema_right as (
    select n.nspname, n.nspowner, a.grantee, a.privilege_type, a.is_grantable
      from pg_namespace n cross join aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
     where n.nspname in ('public', 'audit')
  ), difference (place, what, expected, actual, repair) as (
    select 1, 'role ' || r.name, 'exists', 'missing', null::text from role r where r.oid is null

    union all
    select 2, format('%s of %s', a.attribute, a.name), case when a.expected then 'yes' else 'no' end,
           case when a.actual then 'yes' else 'no' end, format('alter role %I %s', a.name, a.repair)
      from attribute a

    union all
    select 3, 'connection limit of ' || r.name, case r.connections when -1 then 'none' else r.connections::text end,
           case r.rolconnlimit when -1 then 'none' else r.rolconnlimit::text end,
           format('alter role %I connection limit %s', r.name, r.connections)
      from role r where r.rolconnlimit <> r.connections

    union all
    select 4, format('%s is a member of %s', m.of_member, m.of_role),
           case when m.of_role = any (r.groups) then 'without admin option, inheriting' else 'no' end,
           case when m.admin_option then 'with admin option' when m.inherits then 'yes' else 'without inheriting' end,
           format('revoke %I from %I', m.of_role, m.of_member)
             || case when current_setting('server_version_num')::int >= 160000 then format(' granted by %I', m.grantor)
                     else '' end
      from membership m join role r on r.oid = m.member
     where m.of_role <> all (r.groups) or m.admin_option or not m.inherits

    union all
    -- After the revocations: what was granted in another way is granted anew.
    select 5, format('%s is a member of %s', r.name, g), 'yes', 'no', format('grant %I to %I', g, r.name)
      from role r cross join unnest(r.groups) g
     where r.oid is not null
       and not exists (select from membership m where m.member = r.oid and m.of_role = g
                          and not m.admin_option and m.inherits)

    union all
    -- Who may act as one of them: its second login, who reads as the auditor does, and the owner, who made them, from
    -- PostgreSQL 16 on.
    select 6, format('%s is a member of %s', m.of_member, m.of_role), 'no', 'yes',
           format('revoke %I from %I', m.of_role, m.of_member)
             || case when current_setting('server_version_num')::int >= 160000 then format(' granted by %I', m.grantor)
                     else '' end
      from membership m join role r on r.oid = m.roleid cross join here h
     where m.member <> h.datdba and m.of_member not in (r.name || '_b', 'rdsadmin', 'rds_superuser')
       and not exists (select from wanted w where w.name = m.of_member and r.name = any (w.groups))

    union all
    select 7, format('%s of %s', coalesce(w.name, s.name),
                     coalesce(nullif(coalesce(w.role, s.role), ''), 'the database')),
           coalesce(w.value, 'not set'), coalesce(s.value, 'not set'),
           format('alter %s %s %s',
             case when coalesce(w.role, s.role, '') = '' then format('database %I', current_database())
                  else format('role %I in database %I', coalesce(w.role, s.role), current_database()) end,
             case when w.name is null then 'reset' else 'set' end,
             case when w.name is null then quote_ident(s.name)
                  -- A list: quoted as a whole it would be one name.
                  when w.name = 'search_path' then format('%I = %s', w.name, w.value)
                  else format('%I = %L', w.name, w.value) end)
      from audit.wanted_settings() w
      full join (select coalesce(r.name, '') as role, x.name, x.value
                   from setting x left join role r on r.oid = x.setrole
                  where x.setdatabase = (select oid from here) and (x.setrole = 0 or r.oid is not null)) s
        on s.role = w.role and s.name = w.name
     where w.value is distinct from s.value

    union all
    select 8, format('%s of %s in every database', s.name, r.name), 'not set', s.value,
           format('alter role %I reset %I', r.name, s.name)
      from setting s join role r on r.oid = s.setrole where s.setdatabase = 0

    union all
    select 9, format('%s on the database for %s', a.privilege_type, coalesce(r.name, 'everyone')), 'no', 'yes',
           format('revoke %s on database %I from %s', a.privilege_type, h.datname,
                  coalesce(quote_ident(r.name), 'public'))
      from here h cross join aclexplode(h.acl) a left join role r on r.oid = a.grantee
     where a.grantee = 0 or r.oid is not null and (a.privilege_type <> 'CONNECT' or a.is_grantable)

    union all
    select 10, 'CONNECT on the database for ' || r.name, 'yes', 'no',
           format('grant connect on database %I to %I', h.datname, r.name)
      from here h cross join role r
     where r.oid is not null
       and not exists (select from aclexplode(h.acl) a
                        where a.grantee = r.oid and a.privilege_type = 'CONNECT' and not a.is_grantable)

    union all
    select 11, format('%s on schema %s for %s', s.privilege_type, s.nspname, coalesce(g.rolname, 'everyone')),
           'no', 'yes',
           format('revoke %s on schema %I from %s', s.privilege_type, s.nspname,
                  coalesce(quote_ident(g.rolname), 'public'))
      from schema_right s left join pg_roles g on g.oid = s.grantee cross join here h
     where s.grantee not in (s.nspowner, h.datdba)
       and (s.grantee = 0 or s.privilege_type = 'CREATE' or s.is_grantable and g.rolname in (select name from role))

    union all
    select 12, format('USAGE on schema %s for %s', n.nspname, r.name), 'yes', 'no',
           format('grant usage on schema %I to %I', n.nspname, r.name)
      from (values ('public'), ('audit')) n (nspname) cross join role r
     where r.oid is not null
       and not exists (select from schema_right s
                        where s.nspname = n.nspname and s.grantee = r.oid and s.privilege_type = 'USAGE')

    union all
    -- With rds.restrict_password_commands only its members may set a password.
    select 13, o.rolname || ' is a member of rds_password', 'yes', 'no', format('grant rds_password to %I', o.rolname)
      from here h join pg_roles o on o.oid = h.datdba join pg_roles p on p.rolname = 'rds_password'
     where not pg_has_role(h.datdba, p.oid, 'member')

    union all
    -- Nothing here needs one, each is code and privileges of its own; dropping it may drop what others made with it.
    select 14, 'extension ' || e.extname, 'not installed', 'installed', null
      from pg_extension e where e.extname not in ('plpgsql', 'pg_stat_statements', 'pgaudit')

    union all
    -- Every role can make them, and nobody but PostgreSQL's superuser can forbid it.
    select 15, 'large objects of ' || r.name, 'none', count(*)::text, null
      from pg_largeobject_metadata o join role r on r.oid = o.lomowner group by r.name
  )
  select d.what, d.expected, d.actual, d.repair from difference d order by d.place, d.what;
$$;

CREATE FUNCTION audit.rows_outside_months() RETURNS TABLE(parent regclass, kind text, outside bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  open_ended record;
begin
  for open_ended in
    select p.parent, p.partition, p.kind
      from audit.list_partitions() p join pg_class c on c.oid = p.partition
     where p.kind in ('past', 'future') and pg_has_role(c.relowner, 'usage')
  loop
    parent := open_ended.parent;
    kind := open_ended.kind;
    execute format('select count(*) from (select from %s limit 10001) t', open_ended.partition) into outside;
    return next;
  end loop;
end
$$;

CREATE FUNCTION audit.seal_after(predecessor public.receipts, head audit.chain_heads, receipt public.receipts, content bytea) RETURNS public.receipts
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  receipt.chain_seq         := coalesce(predecessor.chain_seq, head.seq) + 1;
  receipt.sealed_at         := greatest(coalesce(predecessor.sealed_at, head.sealed_at), clock_timestamp());
  receipt.prev_receipt_hash := coalesce(predecessor.receipt_hash, head.receipt_hash);
  receipt.chain_seal        := audit.chain_seal(
    coalesce(predecessor.chain_seal, head.seal), receipt.chain_seq, receipt.sealed_at, content,
    receipt.prev_receipt_hash);
  receipt.receipt_hash      := audit.authensor_hash(
    receipt.id, receipt.envelope_id, receipt.created_at, receipt.decision_outcome, receipt.prev_receipt_hash);
  return receipt;
end
$$;

CREATE FUNCTION audit.seal_import() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.seal_receipt() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  lane      smallint := smallint '0';  -- as a constant of its type: a cast is prepared for each transaction
  chain     text := new.actor_id;
  statement text;
  content   bytea;
  at        timestamptz;
  plain     boolean;
  alone     boolean;
  advanced  audit.chain_heads;
  place     tid;
begin
  -- Not one expression with the rest: each transaction prepares its expressions anew, with all that is in them.
  if current_setting('audit.lanes', true) is not null or strpos(new.actor_id, chr(31)) > 0 then
    lane  := case when new.actor_id <> '' then audit.session_lane() else 0 end;
    chain := audit.chain_of(new.actor_id, lane);
  end if;
  -- Everything that takes time, before the lock. With a seal of its own comes what the owner inserts; clients may not
  -- name that column.
  statement := case when new.chain_seal is null then audit.receipt_statement(
    new.id, new.envelope_id, new.parent_receipt_id, new.created_at,
    new.decision_outcome, new.tool_name, chain, new.envelope, new.decision) end;
  content := sha256(convert_to(statement, 'UTF8'));
  at := clock_timestamp();
  -- Nearly every receipt: known values, the state that its decision implies (audit.birth_state, 011), nothing too
  -- long, and a date within its bounds, after the line up to which words are indexed (012), and in a month that is not
  -- over in the next minutes: months begin at a midnight.
  plain :=
    new.decision_outcome || ' ' || new.status
      in ('allow pending', 'require_approval pending', 'deny skipped', 'rate_limited skipped')
    and new.updated_at = new.created_at and new.execution_attempts = 0
    and (new.approval, new.approval_status, new.execution, new.result, new.error,
         new.claim_id, new.claimed_at, new.claim_expires_at, new.rekor_entry_id) is null
    and octet_length(coalesce(new.tool_name, '')) <= 1024
    and coalesce(octet_length(statement), 0) <= audit.max_document_bytes()
    and (new.created_at, audit.max_lateness()) overlaps (at, audit.max_earliness())
    and new.created_at >= date_bin('1 day', at + audit.max_earliness(), '2000-01-01 00:00+00')
    and new.created_at >= to_timestamp(pg_sequence_last_value('audit.search_line'));
  -- And the first that its transaction writes.
  alone :=
    plain and new.chain_seal is null
    and current_setting('synchronous_commit') = 'on' and pg_current_xact_id_if_assigned() is null;
  if alone is not true then
    if current_setting('synchronous_commit') not in ('on', 'remote_apply') then
      perform audit.commit_durably();
    end if;
    if plain is not true then
      perform audit.check_identity(new), audit.check_state(new), audit.check_date(new, at);
    end if;
    if new.chain_seal is not null and current_setting('audit.sealed_ahead', true) = 'on' then
      -- By audit.insert_receipts (026), which advances the heads.
      if plain is not true then
        perform audit.record_birth(new), audit.record_import(new), audit.index_late_receipt(new);
      end if;
      return new;
    elsif new.chain_seal is not null then
      -- A row with the seal that it had elsewhere: it is sealed here as any other.
      perform audit.check_identity(new);
      content := audit.receipt_content(
        new.id, new.envelope_id, new.parent_receipt_id, new.created_at,
        new.decision_outcome, new.tool_name, chain, new.envelope, new.decision);
    end if;
    new.lane := lane;
    if current_setting('audit.batch', true) = 'on' then
      advanced := audit.advance_in_batch(new, content, at);
      if advanced.agent is not null then
        new.chain_seq         := advanced.seq;
        new.sealed_at         := advanced.sealed_at;
        new.chain_seal        := advanced.seal;
        new.receipt_hash      := advanced.receipt_hash;
        new.prev_receipt_hash := advanced.prev_receipt_hash;
        if plain is not true then
          perform audit.record_birth(new), audit.record_import(new), audit.index_late_receipt(new);
        end if;
        return new;
      end if;
    end if;
  end if;

  new.lane := lane;
  loop
    update audit.chain_heads as head
       set seq               = head.seq + 1,
           sealed_at         = greatest(head.sealed_at, at),
           seal              = audit.chain_seal(head.seal, head.seq + 1, greatest(head.sealed_at, at), content,
                                                head.receipt_hash),
           receipt_hash      = audit.authensor_hash(
                                 new.id, new.envelope_id, new.created_at, new.decision_outcome, head.receipt_hash),
           prev_receipt_hash = head.receipt_hash
     where head.agent = coalesce(chain, '')
    returning head.seq, head.sealed_at, head.seal, head.receipt_hash, head.prev_receipt_hash, head.ctid
         into new.chain_seq, new.sealed_at, new.chain_seal, new.receipt_hash, new.prev_receipt_hash, place;
    if found and alone then
      return new;
    end if;
    exit when found;
    -- Only here for what is plain: a chain that has a head has a name that fits.
    perform audit.check_identity(new);
    perform audit.begin_chain('chain_heads', coalesce(chain, ''));
  end loop;
  if new.chain_seq & 31 = 0 or current_setting('audit.batch', true) = 'on' then
    perform audit.remember_head('chain_heads', coalesce(chain, ''), place);
  end if;
  if plain is not true then
    perform audit.record_birth(new), audit.record_import(new), audit.index_late_receipt(new);
  end if;
  return new;
end
$$;

CREATE FUNCTION audit.seals_at(chain text, agent text, places bigint[]) RETURNS TABLE(seq bigint, seal bytea)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION audit.seals_before(chain text, month regclass) RETURNS TABLE(agent text, seq bigint, seal bytea)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select b.agent, s.seq, s.seal
    from (select c.agent, array_agg(c.first_seq - 1) as places
            from audit.checkpoints c
           where c.chain = seals_before.chain and c.first_seq > 1
             and c.source = (select p.relname from pg_class p where p.oid = month)
           group by c.agent) b
   cross join lateral audit.seals_at(seals_before.chain, b.agent, b.places) s
$$;

CREATE FUNCTION audit.search_patterns(needed tsquery) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (strpos((needed)::text, ' | '::text) = 0) THEN ARRAY(SELECT (('%'::text || regexp_replace(replace(word.word[1], ''''''::text, ''''::text), '([%_\\])'::text, '\\\1'::text, 'g'::text)) || '%'::text) FROM regexp_matches((search_patterns.needed)::text, '''((?:[^'']|'''')*)'''::text, 'g'::text) word(word)) ELSE NULL::text[] END;

CREATE FUNCTION audit.search_query(query text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN websearch_to_tsquery('simple'::regconfig, lower(replace(audit.separate_words(regexp_replace(regexp_replace(replace(query, '¬'::text, ' '::text), '(^|\s)-(\w[^\s"]*[./+<=\\-][^\s"]*)'::text, '\1¬"\2"'::text, 'g'::text), '(^|\s)-(?=[\w"])'::text, '\1¬'::text, 'g'::text)), '¬'::text, '-'::text)));

CREATE FUNCTION audit.search_receipts(query text, since timestamp with time zone DEFAULT (now() - '30 days'::interval), until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, max_results integer DEFAULT 50) RETURNS TABLE(id uuid, created_at timestamp with time zone, actor_id text, tool_name text, resource text, decision_outcome text, status text, rank real, snippet text)
    LANGUAGE plpgsql STABLE ROWS 50 PARALLEL SAFE
    AS $$
#variable_conflict use_column
declare
  wanted tsquery := audit.search_query(query);
  -- What a row of several receipts must have at least: no word is missing for its place or for another one's presence.
  needed tsquery := nullif(regexp_replace(querytree(wanted), '<(-|\d+)>', '&', 'g'), 'T');
  parts  text[]  := audit.search_patterns(needed);
  enough int     := greatest(max_results, 1000);
  span   tstzrange;
  ids    uuid[]  := '{}';
  times  timestamptz[] := '{}';
  hit    record;
begin
  if since is null or until is null or since >= until then
    raise 'the time searched must begin before it ends, not from % until %', since, until
      using errcode = 'invalid_parameter_value';
  end if;
  if max_results is null or max_results not between 1 and 10000 then
    raise 'max_results must be 1 to 10000, not %', max_results using errcode = 'invalid_parameter_value';
  end if;
  if wanted is null or numnode(wanted) = 0 then
    raise 'the query holds no word to search for: %', coalesce(quote_literal(query), 'null')
      using errcode = 'invalid_parameter_value';
  end if;

  -- Newest first, until there are enough. Stretches do not overlap: each is read once.
  for span in
    select unnest((coalesce(range_agg(tstzrange(c.oldest, c.newest, '[]')), '{}')
                   + (select tstzmultirange(tstzrange(i.indexed_until, 'infinity')) from audit.search_index i))
                  * tstzmultirange(tstzrange(since, until))) as stretch
      from (select c.oldest, c.newest from audit.search_chunks c
             where c.words @@ needed and c.newest >= since and c.oldest < until
            union all
            select c.oldest, c.newest from audit.search_chunks c
             where c.words is null and c.newest >= since and c.oldest < until
            union all
            select c.oldest, c.newest from audit.search_chunks c
             where needed is null and c.newest >= since and c.oldest < until) c
     order by stretch desc
  loop
    for hit in
      select r.id, r.created_at
        from public.receipts r
       where r.created_at >= lower(span) and r.created_at <= upper(span) and r.created_at <@ span
         -- Said again for the planner, which knows no exclusive end of a stretch.
         and r.created_at < until
         and (parts is null or lower(audit.receipt_text(r.tool_name, r.actor_id, r.envelope)) like all (parts))
         and audit.receipt_words(r.tool_name, r.actor_id, r.envelope) @@ wanted
       order by r.created_at desc, r.id
       limit enough - cardinality(ids)
    loop
      ids := ids || hit.id;
      times := times || hit.created_at;
    end loop;
    exit when cardinality(ids) >= enough;
  end loop;

  return query
  with newest as (
    select * from unnest(ids, times) n (id, created_at)
  ), best as materialized (
    select r.id, r.created_at, r.actor_id, r.tool_name, left(r.envelope #>> '{action,resource}', 512) as resource,
           r.decision_outcome, r.status, audit.receipt_text(r.tool_name, r.actor_id, r.envelope) as words,
           -- What was done to what weighs more than with which parameters.
           ts_rank_cd(
             setweight(audit.words(audit.separate_words(left(coalesce(r.tool_name, ''), 256) || ' '
               || left(coalesce(r.envelope #>> '{action,resource}', ''), 512))), 'A')
             || audit.receipt_words(null, r.actor_id, r.envelope), wanted, 1) as rank
      from newest n join public.receipts r using (id, created_at)
     where r.created_at between times[cardinality(times)] and times[1]
     order by rank desc, r.created_at desc, r.id
     limit max_results
  )
  select b.id, b.created_at, b.actor_id, b.tool_name, b.resource, b.decision_outcome, b.status, b.rank,
         ts_headline('pg_catalog.simple', regexp_replace(b.words, '["{}\[\],: ]+', ' ', 'g'), wanted,
                     'StartSel=«, StopSel=», MaxFragments=2, MaxWords=14, MinWords=6')
    from best b
   order by b.rank desc, b.created_at desc, b.id;
end
$$;

COMMENT ON FUNCTION audit.search_receipts(query text, since timestamp with time zone, until timestamp with time zone, max_results integer) IS 'Full-text search: web-style query ("phrase", or, -without), bounded in time, best first.';

CREATE FUNCTION audit.session_lane() RETURNS integer
    LANGUAGE sql STABLE
    RETURN (pg_backend_pid() % LEAST(256, GREATEST(1, ("substring"(current_setting('audit.lanes'::text, true), '^[0-9]{1,4}$'::text))::integer)));

CREATE FUNCTION audit.stamp_heartbeat() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  new.at := clock_timestamp();
  return new;
end
$$;

CREATE FUNCTION audit.stored_columns(relation regclass) RETURNS text
    LANGUAGE sql STABLE STRICT
    RETURN (SELECT string_agg(quote_ident((pg_attribute.attname)::text), ', '::text ORDER BY pg_attribute.attnum) AS string_agg FROM pg_attribute WHERE ((pg_attribute.attrelid = (stored_columns.relation)::oid) AND (pg_attribute.attnum > 0) AND (NOT pg_attribute.attisdropped) AND (pg_attribute.attgenerated = ''::"char")));

CREATE FUNCTION audit.unexplained_state(receipts regclass, changes regclass) RETURNS TABLE(id uuid, agent text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

CREATE FUNCTION audit.unsealed_row(receipts regclass, changes regclass) RETURNS TABLE(noun text, agent text, seq bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET enable_mergejoin TO 'off'
    AS $_$
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
$_$;

CREATE FUNCTION audit.wanted_settings() RETURNS TABLE(role name, name text, value text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT (l.login)::name AS login,
     s.name,
     s.value
    FROM (( VALUES (''::text,'search_path'::text,'public, audit'::text), ('authensor_app'::text,'synchronous_commit'::text,'on'::text), ('authensor_app'::text,'idle_in_transaction_session_timeout'::text,'10s'::text), ('authensor_app'::text,'statement_timeout'::text,'30s'::text), ('authensor_app'::text,'lock_timeout'::text,'2s'::text), ('authensor_app'::text,'transaction_timeout'::text,'60s'::text), ('authensor_telemetry'::text,'synchronous_commit'::text,'off'::text), ('authensor_telemetry'::text,'idle_in_transaction_session_timeout'::text,'10s'::text), ('authensor_telemetry'::text,'statement_timeout'::text,'10s'::text), ('authensor_telemetry'::text,'lock_timeout'::text,'2s'::text), ('authensor_telemetry'::text,'transaction_timeout'::text,'60s'::text), ('authensor_monitor'::text,'statement_timeout'::text,'10s'::text), ('authensor_monitor'::text,'idle_in_transaction_session_timeout'::text,'30s'::text), ('authensor_monitor'::text,'transaction_timeout'::text,'60s'::text), ('authensor_auditor'::text,'default_transaction_read_only'::text,'on'::text), ('authensor_auditor'::text,'statement_timeout'::text,'15min'::text), ('authensor_auditor'::text,'idle_in_transaction_session_timeout'::text,'5min'::text), ('authensor_verifier'::text,'default_transaction_read_only'::text,'on'::text), ('authensor_verifier'::text,'statement_timeout'::text,'15min'::text), ('authensor_verifier'::text,'idle_in_transaction_session_timeout'::text,'5min'::text), ('authensor_archiver'::text,'default_transaction_read_only'::text,'on'::text), ('authensor_archiver'::text,'statement_timeout'::text,'15min'::text), ('authensor_archiver'::text,'idle_in_transaction_session_timeout'::text,'5min'::text), ('authensor_maintenance'::text,'statement_timeout'::text,'15min'::text), ('authensor_maintenance'::text,'lock_timeout'::text,'1s'::text), ('authensor_maintenance'::text,'idle_in_transaction_session_timeout'::text,'30s'::text)) s(role, name, value)
      CROSS JOIN LATERAL ( SELECT s.role AS login
         UNION ALL
          SELECT (s.role || '_b'::text)
           WHERE (s.role <> ''::text)) l)
   WHERE ((s.name <> 'transaction_timeout'::text) OR ((current_setting('server_version_num'::text))::integer >= 170000));
END;

CREATE FUNCTION audit.within(key text, since timestamp with time zone, until timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO'
    RETURN (format('%s >= %L'::text, key, since) || CASE WHEN (until IS NOT NULL) THEN format(' and %s < %L'::text, key, until) ELSE ''::text END);

CREATE FUNCTION audit.words(text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_tsvector('simple'::regconfig, CASE WHEN (octet_length($1) = length($1)) THEN $1 ELSE lower($1) END);

CREATE AGGREGATE audit.sealed_in_order(audit.chain_heads, public.receipts, bytea) (
    SFUNC = audit.seal_after,
    STYPE = public.receipts
);

CREATE AGGREGATE audit.words_of_all(tsvector) (
    SFUNC = tsvector_concat,
    STYPE = tsvector,
    INITCOND = ''
);

CREATE TABLE audit.archive (
    only_row boolean DEFAULT true NOT NULL,
    archived_until timestamp with time zone DEFAULT now() NOT NULL,
    manifest bigint DEFAULT 0 NOT NULL,
    problems bigint DEFAULT 0 NOT NULL,
    finished_at timestamp with time zone,
    summary text,
    CONSTRAINT archive_only_row_check CHECK (only_row)
);

CREATE TABLE audit.archived_chains (
    chain text NOT NULL,
    agent text NOT NULL,
    last_seq bigint NOT NULL,
    last_seal bytea NOT NULL,
    CONSTRAINT archived_chains_chain_check CHECK ((chain = ANY (ARRAY['receipts'::text, 'history'::text]))),
    CONSTRAINT archived_chains_last_seal_check CHECK ((octet_length(last_seal) = 32)),
    CONSTRAINT archived_chains_last_seq_check CHECK ((last_seq > 0))
);

CREATE TABLE audit.chains (
    heads text NOT NULL,
    agent text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT chains_heads_check CHECK ((heads = ANY (ARRAY['chain_heads'::text, 'history_heads'::text])))
);

CREATE TABLE audit.connection_limits (
    role name NOT NULL,
    connections integer NOT NULL,
    CONSTRAINT connection_limits_connections_check CHECK ((connections > 0))
);

CREATE TABLE audit.drain_targets (
    parent regclass NOT NULL,
    target regclass NOT NULL,
    since timestamp with time zone NOT NULL,
    until timestamp with time zone,
    copied boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE audit.drain_targets IS 'The tables that a drain is filling, one per month and one for the new future; empty otherwise.';

CREATE TABLE audit.drill (
    only_row boolean DEFAULT true NOT NULL,
    since timestamp with time zone DEFAULT now(),
    run uuid,
    began_at timestamp with time zone,
    seen_at timestamp with time zone,
    finished_at timestamp with time zone,
    succeeded_at timestamp with time zone,
    rto_seconds bigint,
    rpo_seconds bigint,
    problems bigint,
    summary text,
    CONSTRAINT drill_only_row_check CHECK (only_row)
);

CREATE TABLE audit.dumps (
    only_row boolean DEFAULT true NOT NULL,
    dumped_until timestamp with time zone DEFAULT now() NOT NULL,
    number bigint DEFAULT 0 NOT NULL,
    CONSTRAINT dumps_only_row_check CHECK (only_row)
);

CREATE TABLE audit.heartbeat (
    only_row boolean DEFAULT true NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT heartbeat_only_row_check CHECK (only_row)
)
WITH (fillfactor='10');

CREATE TABLE audit.history_heads (
    agent text NOT NULL COLLATE pg_catalog."C",
    seq bigint DEFAULT 0 NOT NULL,
    changed_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    seal bytea DEFAULT '\x'::bytea NOT NULL
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');

CREATE TABLE audit.imports (
    seq bigint NOT NULL,
    reason text NOT NULL,
    opened_by text NOT NULL,
    application text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    agent text NOT NULL COLLATE pg_catalog."C",
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    seal bytea NOT NULL,
    CONSTRAINT some_places CHECK ((first_seq <= last_seq))
);

COMMENT ON TABLE audit.imports IS 'Which receipts are dated long before or after they were sealed, and why.';

CREATE TABLE audit.migrations (
    number integer NOT NULL,
    slug text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    duration_ms integer,
    applied_by text DEFAULT SESSION_USER NOT NULL
);

COMMENT ON TABLE audit.migrations IS 'One row per migration applied by ops/migrate.';

CREATE TABLE audit.months (
    only_row boolean DEFAULT true NOT NULL,
    number bigint DEFAULT 0 NOT NULL,
    compacted_until timestamp with time zone,
    CONSTRAINT months_only_row_check CHECK (only_row)
);

CREATE VIEW audit.partitions AS
 SELECT list_partitions.parent,
    list_partitions.partition,
    list_partitions.kind,
    list_partitions.month,
    list_partitions.since,
    list_partitions.until
   FROM audit.list_partitions() list_partitions(parent, partition, kind, month, since, until);

COMMENT ON VIEW audit.partitions IS 'Every partition of every monthly table: its kind (past, month, future), its month and its bounds.';

CREATE TABLE audit.program_runs (
    program text NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    succeeded_at timestamp with time zone,
    summary text NOT NULL
);

CREATE TABLE audit.programs (
    program text NOT NULL,
    role name NOT NULL,
    since timestamp with time zone DEFAULT now()
);

CREATE TABLE audit.receipt_history (
    agent text NOT NULL,
    seq bigint NOT NULL,
    receipt_id uuid NOT NULL,
    receipt_created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL,
    application text NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    seal bytea NOT NULL
)
PARTITION BY RANGE (receipt_created_at);

CREATE TABLE audit.search_chunks (
    oldest timestamp with time zone NOT NULL,
    newest timestamp with time zone NOT NULL,
    receipts integer NOT NULL,
    words tsvector
);

CREATE TABLE audit.search_index (
    only_row boolean DEFAULT true NOT NULL,
    indexed_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    line timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    awaited text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT search_index_check CHECK ((indexed_until <= line)),
    CONSTRAINT search_index_only_row_check CHECK (only_row)
);

CREATE SEQUENCE audit.search_line
    START WITH -99999999999
    INCREMENT BY 1
    MINVALUE -99999999999
    NO MAXVALUE
    CACHE 1;

CREATE TABLE audit.verifications (
    scope text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    receipts bigint,
    findings bigint,
    unverified bigint,
    summary text,
    CONSTRAINT verifications_scope_check CHECK ((scope = ANY (ARRAY['recent'::text, 'whole'::text, 'archived'::text])))
);

CREATE TABLE public.active_policies (
    org_id text DEFAULT 'default'::text NOT NULL,
    environment text DEFAULT 'dev'::text NOT NULL,
    policy_id text NOT NULL,
    version text NOT NULL,
    activated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.aegis_scans (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    receipt_id uuid,
    content_hash text,
    safe boolean NOT NULL,
    threat_level text NOT NULL,
    detections jsonb DEFAULT '[]'::jsonb NOT NULL,
    detector_stats jsonb,
    scan_time_ms real,
    mode text DEFAULT 'block'::text NOT NULL,
    scan_target text DEFAULT 'input'::text NOT NULL,
    tool_name text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (created_at);

CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    key_hash text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    key_prefix text,
    principal_id text,
    CONSTRAINT known_role CHECK ((role = ANY (ARRAY['ingest'::text, 'executor'::text, 'admin'::text])))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='5000');

COMMENT ON COLUMN public.api_keys.key_prefix IS 'The start and end of the key, to recognise it by. Never the key.';

COMMENT ON COLUMN public.api_keys.principal_id IS 'When set, envelopes sent with this key must name this principal.';

CREATE TABLE public.approval_responses (
    id uuid NOT NULL,
    receipt_id uuid NOT NULL,
    responder_type text,
    responder_id text NOT NULL,
    responder_name text,
    decision text NOT NULL,
    comment text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT known_decision CHECK ((decision = ANY (ARRAY['approve'::text, 'reject'::text]))),
    CONSTRAINT responder_id_length CHECK ((octet_length(responder_id) <= 1024))
);

CREATE TABLE public.budget_ledger (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    budget_id uuid NOT NULL,
    envelope_id text NOT NULL,
    principal_id text NOT NULL,
    action_type text NOT NULL,
    amount real NOT NULL,
    running_total real NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT principal_id_length CHECK ((octet_length(principal_id) <= 1024))
)
PARTITION BY RANGE (created_at);

CREATE TABLE public.budgets (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    principal_id text NOT NULL,
    budget_amount real NOT NULL,
    spent_amount real DEFAULT 0 NOT NULL,
    currency text DEFAULT 'USD'::text NOT NULL,
    period text NOT NULL,
    scope text DEFAULT 'principal'::text NOT NULL,
    scope_key text,
    reset_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT principal_id_length CHECK ((octet_length(principal_id) <= 1024))
)
WITH (fillfactor='70');

CREATE TABLE public.claim_events (
    id uuid NOT NULL,
    receipt_id uuid NOT NULL,
    event text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (created_at);

CREATE TABLE public.controls (
    id integer DEFAULT 1 NOT NULL,
    disable_execution boolean DEFAULT false NOT NULL,
    disable_http boolean DEFAULT false NOT NULL,
    disable_github boolean DEFAULT false NOT NULL,
    disable_stripe boolean DEFAULT false NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT one_row CHECK ((id = 1))
);

CREATE TABLE public.policies (
    org_id text DEFAULT 'default'::text NOT NULL,
    environment text DEFAULT 'dev'::text NOT NULL,
    policy_id text NOT NULL,
    version text NOT NULL,
    policy jsonb NOT NULL,
    is_active boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.sentinel_agent_snapshots (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    agent_id text NOT NULL,
    total_actions integer DEFAULT 0 NOT NULL,
    allow_count integer DEFAULT 0 NOT NULL,
    deny_count integer DEFAULT 0 NOT NULL,
    approval_count integer DEFAULT 0 NOT NULL,
    error_count integer DEFAULT 0 NOT NULL,
    total_cost real DEFAULT 0 NOT NULL,
    avg_latency_ms real DEFAULT 0 NOT NULL,
    deny_rate real DEFAULT 0 NOT NULL,
    risk_score integer DEFAULT 100 NOT NULL,
    snapshot_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (snapshot_at);

CREATE TABLE public.sentinel_alerts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    rule_id text NOT NULL,
    rule_name text NOT NULL,
    severity text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    metric text NOT NULL,
    current_value real NOT NULL,
    threshold real NOT NULL,
    agent_id text,
    message text NOT NULL,
    triggered_at timestamp with time zone DEFAULT now() NOT NULL,
    acknowledged_at timestamp with time zone,
    resolved_at timestamp with time zone
);

CREATE TABLE public.shadow_evaluations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    receipt_id text NOT NULL,
    active_policy_id text NOT NULL,
    active_policy_version text NOT NULL,
    active_decision text NOT NULL,
    active_matched_rule text,
    active_reason text,
    shadow_policy_id text NOT NULL,
    shadow_policy_version text NOT NULL,
    shadow_decision text NOT NULL,
    shadow_matched_rule text,
    shadow_reason text,
    decisions_agree boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (created_at);

CREATE TABLE public.telemetry_events (
    id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    occurred_at timestamp with time zone DEFAULT now() NOT NULL,
    source text NOT NULL,
    name text NOT NULL,
    agent_id text,
    receipt_id uuid,
    value double precision,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT attributes_small CHECK (((jsonb_typeof(attributes) = 'object'::text) AND (pg_column_size(attributes) <= 65536))),
    CONSTRAINT name_short CHECK (((octet_length(name) <= 256) AND (octet_length(source) <= 256))),
    CONSTRAINT occurred_finite CHECK (isfinite(occurred_at))
)
PARTITION BY RANGE (created_at);

ALTER TABLE public.telemetry_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.telemetry_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY audit.archive
    ADD CONSTRAINT archive_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY audit.archived_chains
    ADD CONSTRAINT archived_chains_pkey PRIMARY KEY (chain, agent);

ALTER TABLE ONLY audit.chains
    ADD CONSTRAINT chains_pkey PRIMARY KEY (heads, agent);

ALTER TABLE ONLY audit.checkpoints
    ADD CONSTRAINT checkpoints_chain_agent_first_seq_key UNIQUE (chain, agent, first_seq);

ALTER TABLE ONLY audit.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY audit.connection_limits
    ADD CONSTRAINT connection_limits_pkey PRIMARY KEY (role);

ALTER TABLE ONLY audit.drain_targets
    ADD CONSTRAINT drain_targets_pkey PRIMARY KEY (target);

ALTER TABLE ONLY audit.drill
    ADD CONSTRAINT drill_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY audit.dumps
    ADD CONSTRAINT dumps_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY audit.heartbeat
    ADD CONSTRAINT heartbeat_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY audit.imports
    ADD CONSTRAINT imports_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY audit.maintenance_run
    ADD CONSTRAINT maintenance_run_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY audit.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY audit.months
    ADD CONSTRAINT months_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY audit.open_imports
    ADD CONSTRAINT open_imports_transaction_agent_key UNIQUE NULLS NOT DISTINCT (transaction, agent);

ALTER TABLE ONLY audit.program_runs
    ADD CONSTRAINT program_runs_pkey PRIMARY KEY (program);

ALTER TABLE ONLY audit.programs
    ADD CONSTRAINT programs_pkey PRIMARY KEY (program);

ALTER TABLE ONLY audit.receipt_history
    ADD CONSTRAINT receipt_history_pkey PRIMARY KEY (receipt_id, receipt_created_at, seq);

ALTER TABLE ONLY audit.search_index
    ADD CONSTRAINT search_index_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY audit.verifications
    ADD CONSTRAINT verifications_pkey PRIMARY KEY (scope);

ALTER TABLE ONLY public.active_policies
    ADD CONSTRAINT active_policies_pkey PRIMARY KEY (org_id, environment);

ALTER TABLE ONLY public.aegis_scans
    ADD CONSTRAINT aegis_scans_pkey PRIMARY KEY (id, created_at);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.approval_responses
    ADD CONSTRAINT approval_responses_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.approval_responses
    ADD CONSTRAINT approval_responses_receipt_id_responder_id_key UNIQUE (receipt_id, responder_id);

ALTER TABLE ONLY public.budget_ledger
    ADD CONSTRAINT budget_ledger_pkey PRIMARY KEY (id, created_at);

ALTER TABLE ONLY public.budgets
    ADD CONSTRAINT budgets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.budgets
    ADD CONSTRAINT budgets_principal_id_period_scope_key UNIQUE (principal_id, period, scope);

ALTER TABLE ONLY public.claim_events
    ADD CONSTRAINT claim_events_pkey PRIMARY KEY (id, created_at);

ALTER TABLE ONLY public.controls
    ADD CONSTRAINT controls_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (org_id, environment, policy_id, version);

ALTER TABLE ONLY public.sentinel_agent_snapshots
    ADD CONSTRAINT sentinel_agent_snapshots_pkey PRIMARY KEY (id, snapshot_at);

ALTER TABLE ONLY public.sentinel_alerts
    ADD CONSTRAINT sentinel_alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.shadow_evaluations
    ADD CONSTRAINT shadow_evaluations_pkey PRIMARY KEY (id, created_at);

ALTER TABLE ONLY public.telemetry_events
    ADD CONSTRAINT telemetry_events_pkey PRIMARY KEY (id, created_at);

CREATE INDEX chain_heads_agent_idx ON audit.chain_heads USING btree (agent);

CREATE INDEX history_heads_agent_idx ON audit.history_heads USING btree (agent);

CREATE INDEX imports_agent_first_seq_idx ON audit.imports USING btree (agent, first_seq);

CREATE INDEX receipt_history_agent_seq_idx ON ONLY audit.receipt_history USING btree (agent, seq);

CREATE INDEX search_chunks_newest_idx ON audit.search_chunks USING btree (newest);

CREATE INDEX search_chunks_wordless ON audit.search_chunks USING btree (newest) WHERE (words IS NULL);

CREATE INDEX search_chunks_words_idx ON audit.search_chunks USING gin (words);

CREATE INDEX aegis_scans_created_at_idx ON ONLY public.aegis_scans USING btree (created_at);

CREATE INDEX aegis_scans_receipt_id_idx ON ONLY public.aegis_scans USING btree (receipt_id) WHERE (receipt_id IS NOT NULL);

CREATE INDEX aegis_scans_unsafe ON ONLY public.aegis_scans USING btree (created_at) WHERE (NOT safe);

CREATE INDEX budget_ledger_budget_id_idx ON ONLY public.budget_ledger USING btree (budget_id);

CREATE INDEX budget_ledger_principal_id_created_at_idx ON ONLY public.budget_ledger USING btree (principal_id, created_at);

CREATE INDEX claim_events_created_at_idx ON ONLY public.claim_events USING btree (created_at);

CREATE INDEX receipts_actor_id_created_at_idx ON ONLY public.receipts USING btree (actor_id, created_at);

CREATE INDEX receipts_children ON ONLY public.receipts USING btree (parent_receipt_id) WHERE (parent_receipt_id IS NOT NULL);

CREATE INDEX receipts_created_at_idx ON ONLY public.receipts USING btree (created_at);

CREATE INDEX receipts_denied ON ONLY public.receipts USING btree (created_at) WHERE (decision_outcome = 'deny'::text);

CREATE INDEX receipts_status_created_at_idx ON ONLY public.receipts USING btree (status, created_at);

CREATE INDEX receipts_tool_name_created_at_idx ON ONLY public.receipts USING btree (tool_name, created_at);

CREATE INDEX sentinel_alerts_triggered_at_idx ON public.sentinel_alerts USING btree (triggered_at);

CREATE INDEX shadow_evaluations_created_at_idx ON ONLY public.shadow_evaluations USING btree (created_at);

CREATE INDEX shadow_evaluations_differing ON ONLY public.shadow_evaluations USING btree (created_at) WHERE (NOT decisions_agree);

CREATE INDEX telemetry_events_created_at_idx ON ONLY public.telemetry_events USING brin (created_at);

CREATE INDEX telemetry_events_name_created_at_idx ON ONLY public.telemetry_events USING btree (name, created_at);

CREATE CONSTRAINT TRIGGER close_import AFTER INSERT ON audit.open_imports DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit.close_import();

CREATE TRIGGER refuse_change BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.imports FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

CREATE TRIGGER seal BEFORE INSERT ON audit.imports FOR EACH ROW EXECUTE FUNCTION audit.seal_import();

CREATE TRIGGER stamp_heartbeat BEFORE UPDATE ON audit.heartbeat FOR EACH ROW EXECUTE FUNCTION audit.stamp_heartbeat();

CREATE TRIGGER check_change BEFORE UPDATE ON public.receipts FOR EACH ROW EXECUTE FUNCTION audit.check_change();

CREATE TRIGGER record_changes AFTER UPDATE ON public.receipts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.record_changes();

CREATE TRIGGER seal BEFORE INSERT ON public.receipts FOR EACH ROW EXECUTE FUNCTION audit.seal_receipt();

GRANT USAGE ON SCHEMA audit TO authensor_app;
GRANT USAGE ON SCHEMA audit TO authensor_app_b;
GRANT USAGE ON SCHEMA audit TO authensor_archiver;
GRANT USAGE ON SCHEMA audit TO authensor_archiver_b;
GRANT USAGE ON SCHEMA audit TO authensor_auditor;
GRANT USAGE ON SCHEMA audit TO authensor_auditor_b;
GRANT USAGE ON SCHEMA audit TO authensor_maintenance;
GRANT USAGE ON SCHEMA audit TO authensor_maintenance_b;
GRANT USAGE ON SCHEMA audit TO authensor_monitor;
GRANT USAGE ON SCHEMA audit TO authensor_monitor_b;
GRANT USAGE ON SCHEMA audit TO authensor_telemetry;
GRANT USAGE ON SCHEMA audit TO authensor_telemetry_b;
GRANT USAGE ON SCHEMA audit TO authensor_verifier;
GRANT USAGE ON SCHEMA audit TO authensor_verifier_b;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO authensor_app;
GRANT USAGE ON SCHEMA public TO authensor_app_b;
GRANT USAGE ON SCHEMA public TO authensor_archiver;
GRANT USAGE ON SCHEMA public TO authensor_archiver_b;
GRANT USAGE ON SCHEMA public TO authensor_auditor;
GRANT USAGE ON SCHEMA public TO authensor_auditor_b;
GRANT USAGE ON SCHEMA public TO authensor_maintenance;
GRANT USAGE ON SCHEMA public TO authensor_maintenance_b;
GRANT USAGE ON SCHEMA public TO authensor_monitor;
GRANT USAGE ON SCHEMA public TO authensor_monitor_b;
GRANT USAGE ON SCHEMA public TO authensor_telemetry;
GRANT USAGE ON SCHEMA public TO authensor_telemetry_b;
GRANT USAGE ON SCHEMA public TO authensor_verifier;
GRANT USAGE ON SCHEMA public TO authensor_verifier_b;

GRANT SELECT ON TABLE audit.chain_heads TO authensor_auditor;

GRANT SELECT ON TABLE public.receipts TO authensor_app;
GRANT SELECT ON TABLE public.receipts TO authensor_auditor;

GRANT INSERT(id) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(envelope_id) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(status),UPDATE(status) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(decision_outcome) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(tool_name) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(actor_id) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(envelope) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(decision) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(approval),UPDATE(approval) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(approval_status),UPDATE(approval_status) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(execution),UPDATE(execution) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(result),UPDATE(result) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(error),UPDATE(error) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(created_at) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(updated_at),UPDATE(updated_at) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(claim_id),UPDATE(claim_id) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(claimed_at),UPDATE(claimed_at) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(claim_expires_at),UPDATE(claim_expires_at) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(execution_attempts),UPDATE(execution_attempts) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(receipt_hash) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(prev_receipt_hash) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(rekor_entry_id),UPDATE(rekor_entry_id) ON TABLE public.receipts TO authensor_app;

GRANT INSERT(parent_receipt_id) ON TABLE public.receipts TO authensor_app;

REVOKE ALL ON FUNCTION audit.advance_in_batch(r public.receipts, content bytea, at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.append_history(agent_of text, receipt_id uuid, receipt_created_at timestamp with time zone, old_state jsonb, new_state jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.approval_problem(approval jsonb, approval_status text) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.archive_month(month date) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.attach_partition(parent regclass, partition regclass, since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.authensor_hash(id uuid, envelope_id uuid, created_at timestamp with time zone, decision_outcome text, prev_receipt_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.authensor_hash(id uuid, envelope_id uuid, created_at timestamp with time zone, decision_outcome text, prev_receipt_hash text) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.begin_chain(heads text, agent text) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.begin_drill() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.begin_drill() TO authensor_verifier;

REVOKE ALL ON FUNCTION audit.begin_maintenance() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.begin_maintenance() TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.receipt_state(status text, approval jsonb, approval_status text, execution jsonb, result jsonb, error jsonb, updated_at timestamp with time zone, claim_id uuid, claimed_at timestamp with time zone, claim_expires_at timestamp with time zone, execution_attempts integer, rekor_entry_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.receipt_state(status text, approval jsonb, approval_status text, execution jsonb, result jsonb, error jsonb, updated_at timestamp with time zone, claim_id uuid, claimed_at timestamp with time zone, claim_expires_at timestamp with time zone, execution_attempts integer, rekor_entry_id text) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.birth_state(decision_outcome text, created_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.birth_state(decision_outcome text, created_at timestamp with time zone) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.bound_past(past regclass, key name, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.chain_of(actor_id text, lane integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.chain_seal(previous_seal bytea, seq bigint, sealed_at timestamp with time zone, content bytea, prev_receipt_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.chain_seal(previous_seal bytea, seq bigint, sealed_at timestamp with time zone, content bytea, prev_receipt_hash text) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.partition_name(parent regclass, suffix text) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.changes_table(parent regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.check_ahead(month date) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.check_attached(prepared audit.detachment) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.check_batch(batch jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.check_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.check_date(r public.receipts, at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.check_identity(r public.receipts) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.check_size(receipt uuid, name text, document jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.check_state(r public.receipts) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.checkpoint(partition regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.checkpoint_seal(previous_seal bytea, seq bigint, chain text, agent text, first_seq bigint, last_seq bigint, last_seal bytea, last_hash text, source text, made_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.checkpoint_seal(previous_seal bytea, seq bigint, chain text, agent text, first_seq bigint, last_seq bigint, last_seal bytea, last_hash text, source text, made_at timestamp with time zone) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.close_import() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.commit_durably() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.count_receipts(since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.count_receipts(since timestamp with time zone, until timestamp with time zone) TO authensor_monitor;

REVOKE ALL ON FUNCTION audit.create_partition(parent regclass, suffix text, options text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.detach_month(parent regclass, month date) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.detach_partition(parent regclass, partition regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.differing(state jsonb, other jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.differing(state jsonb, other jsonb) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.drain_apply(parent regclass, batch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.drain_apply(parent regclass, batch integer) TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.drain_cancel(parent regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.drain_copy(target regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.drain_copy(target regclass) TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.drain_finish(parent regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.drain_finish(parent regclass) TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.drain_release(parent regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.drain_release(parent regclass) TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.drain_start(parent regclass, months_ahead integer) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.drain_start(parent regclass, months_ahead integer) TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.drill_goes_on(run uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.drill_goes_on(run uuid) TO authensor_verifier;

REVOKE ALL ON FUNCTION audit.end_sessions(role oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.find_receipt(id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.find_receipt(id uuid) TO authensor_app;
GRANT ALL ON FUNCTION audit.find_receipt(id uuid) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.finish_detach(prepared audit.detachment) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.future_partition(parent regclass, OUT partition regclass, OUT since timestamp with time zone, OUT key text, OUT options text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.history_seal(previous_seal bytea, seq bigint, agent text, receipt_id uuid, receipt_created_at timestamp with time zone, changed_at timestamp with time zone, changed_by text, application text, before jsonb, after jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.history_seal(previous_seal bytea, seq bigint, agent text, receipt_id uuid, receipt_created_at timestamp with time zone, changed_at timestamp with time zone, changed_by text, application text, before jsonb, after jsonb) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.hold_off_vacuum(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.import_seal(previous_seal bytea, seq bigint, reason text, opened_by text, application text, opened_at timestamp with time zone, agent text, first_seq bigint, last_seq bigint, sealed_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.import_seal(previous_seal bytea, seq bigint, reason text, opened_by text, application text, opened_at timestamp with time zone, agent text, first_seq bigint, last_seq bigint, sealed_at timestamp with time zone) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.index_late_receipt(r public.receipts) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.index_receipts(most integer, lag interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.index_receipts() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.index_receipts() TO authensor_monitor;

REVOKE ALL ON FUNCTION audit.insert_receipts(batch jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.insert_receipts(batch jsonb) TO authensor_app;

REVOKE ALL ON FUNCTION audit.is_chained(parent regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.is_importing() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.key_columns(parent regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.month_of(at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.month_of(at timestamp with time zone) TO authensor_app;
GRANT ALL ON FUNCTION audit.month_of(at timestamp with time zone) TO authensor_auditor;
GRANT ALL ON FUNCTION audit.month_of(at timestamp with time zone) TO authensor_maintenance;
GRANT ALL ON FUNCTION audit.month_of(at timestamp with time zone) TO authensor_monitor;
GRANT ALL ON FUNCTION audit.month_of(at timestamp with time zone) TO authensor_telemetry;

REVOKE ALL ON FUNCTION audit.list_partitions() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.list_partitions() TO authensor_app;
GRANT ALL ON FUNCTION audit.list_partitions() TO authensor_auditor;
GRANT ALL ON FUNCTION audit.list_partitions() TO authensor_maintenance;
GRANT ALL ON FUNCTION audit.list_partitions() TO authensor_monitor;
GRANT ALL ON FUNCTION audit.list_partitions() TO authensor_telemetry;

REVOKE ALL ON FUNCTION audit.lock_holders(relation regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.lock_holders(relation regclass) TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.lock_table_percent() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.make_month(parent regclass, month date) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.make_month(parent regclass, month date) TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.max_document_bytes() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.max_earliness() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.max_lateness() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.missing_months(months_ahead integer) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.missing_months(months_ahead integer) TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.month_start(month date) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.month_start(month date) TO authensor_app;
GRANT ALL ON FUNCTION audit.month_start(month date) TO authensor_auditor;
GRANT ALL ON FUNCTION audit.month_start(month date) TO authensor_maintenance;
GRANT ALL ON FUNCTION audit.month_start(month date) TO authensor_monitor;
GRANT ALL ON FUNCTION audit.month_start(month date) TO authensor_telemetry;

REVOKE ALL ON FUNCTION audit.open_import(reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.partition_by_month(parent regclass, first_month date, options text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.prepare_detach(parent regclass, month date) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.read_receipt(item jsonb, lane_of integer, OUT receipt public.receipts, OUT content bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.receipt_statement(id uuid, envelope_id uuid, parent_receipt_id uuid, created_at timestamp with time zone, decision_outcome text, tool_name text, chain text, envelope jsonb, decision jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.receipt_content(id uuid, envelope_id uuid, parent_receipt_id uuid, created_at timestamp with time zone, decision_outcome text, tool_name text, chain text, envelope jsonb, decision jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.receipt_content(id uuid, envelope_id uuid, parent_receipt_id uuid, created_at timestamp with time zone, decision_outcome text, tool_name text, chain text, envelope jsonb, decision jsonb) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.record_birth(born public.receipts) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.record_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.record_changes() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.record_import(r public.receipts) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.refuse_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.relieve_lock_table(OUT used_percent double precision, OUT ended text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.relieve_lock_table(OUT used_percent double precision, OUT ended text[]) TO authensor_monitor;

REVOKE ALL ON FUNCTION audit.remember_head(heads text, agent text, place tid) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.remembered_head(heads text, agent text) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.repair_roles() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.repair_roles() TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.report_archive(archived_until timestamp with time zone, manifest bigint, problems bigint, summary text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.report_archive(archived_until timestamp with time zone, manifest bigint, problems bigint, summary text) TO authensor_archiver;

REVOKE ALL ON FUNCTION audit.report_drill(run uuid, rto_seconds bigint, rpo_seconds bigint, problems bigint, summary text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.report_drill(run uuid, rto_seconds bigint, rpo_seconds bigint, problems bigint, summary text) TO authensor_verifier;

REVOKE ALL ON FUNCTION audit.report_dump(dumped_until timestamp with time zone, number bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.report_dump(dumped_until timestamp with time zone, number bigint) TO authensor_archiver;

REVOKE ALL ON FUNCTION audit.report_months(number bigint, compacted_until timestamp with time zone, chains jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.report_months(number bigint, compacted_until timestamp with time zone, chains jsonb) TO authensor_archiver;

REVOKE ALL ON FUNCTION audit.report_run(program text, succeeded boolean, summary text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.report_run(program text, succeeded boolean, summary text) TO authensor_archiver;
GRANT ALL ON FUNCTION audit.report_run(program text, succeeded boolean, summary text) TO authensor_maintenance;
GRANT ALL ON FUNCTION audit.report_run(program text, succeeded boolean, summary text) TO authensor_verifier;

REVOKE ALL ON FUNCTION audit.report_verification(scope text, receipts bigint, findings bigint, unverified bigint, summary text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.report_verification(scope text, receipts bigint, findings bigint, unverified bigint, summary text) TO authensor_verifier;

GRANT SELECT ON TABLE audit.checkpoints TO authensor_auditor;
GRANT SELECT ON TABLE audit.checkpoints TO authensor_monitor;

REVOKE ALL ON FUNCTION audit.retire_month(month date) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.retire_month(month date) TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.role_differences() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.role_differences() TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.rows_outside_months() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.rows_outside_months() TO authensor_monitor;

REVOKE ALL ON FUNCTION audit.seal_after(predecessor public.receipts, head audit.chain_heads, receipt public.receipts, content bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.seal_import() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.seal_receipt() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.seals_at(chain text, agent text, places bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.seals_before(chain text, month regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.search_patterns(needed tsquery) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.search_patterns(needed tsquery) TO authensor_app;
GRANT ALL ON FUNCTION audit.search_patterns(needed tsquery) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.search_query(query text) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.search_query(query text) TO authensor_app;
GRANT ALL ON FUNCTION audit.search_query(query text) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.search_receipts(query text, since timestamp with time zone, until timestamp with time zone, max_results integer) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.search_receipts(query text, since timestamp with time zone, until timestamp with time zone, max_results integer) TO authensor_app;
GRANT ALL ON FUNCTION audit.search_receipts(query text, since timestamp with time zone, until timestamp with time zone, max_results integer) TO authensor_auditor;

REVOKE ALL ON FUNCTION audit.session_lane() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.stamp_heartbeat() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.stored_columns(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.unexplained_state(receipts regclass, changes regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.unsealed_row(receipts regclass, changes regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.wanted_settings() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.wanted_settings() TO authensor_maintenance;

REVOKE ALL ON FUNCTION audit.within(key text, since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.sealed_in_order(audit.chain_heads, public.receipts, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.words_of_all(tsvector) FROM PUBLIC;

GRANT SELECT ON TABLE audit.archive TO authensor_auditor;
GRANT SELECT ON TABLE audit.archive TO authensor_monitor;

GRANT SELECT ON TABLE audit.archived_chains TO authensor_auditor;
GRANT SELECT ON TABLE audit.archived_chains TO authensor_monitor;

GRANT SELECT ON TABLE audit.chains TO authensor_auditor;

GRANT SELECT ON TABLE audit.connection_limits TO authensor_auditor;

GRANT SELECT ON TABLE audit.drill TO authensor_auditor;
GRANT SELECT ON TABLE audit.drill TO authensor_monitor;

GRANT SELECT ON TABLE audit.dumps TO authensor_auditor;
GRANT SELECT ON TABLE audit.dumps TO authensor_monitor;

GRANT SELECT ON TABLE audit.heartbeat TO authensor_auditor;
GRANT SELECT ON TABLE audit.heartbeat TO authensor_monitor;

GRANT UPDATE(at) ON TABLE audit.heartbeat TO authensor_monitor;

GRANT SELECT ON TABLE audit.history_heads TO authensor_auditor;

GRANT SELECT ON TABLE audit.imports TO authensor_auditor;

GRANT SELECT ON TABLE audit.migrations TO authensor_auditor;

GRANT SELECT ON TABLE audit.months TO authensor_auditor;
GRANT SELECT ON TABLE audit.months TO authensor_monitor;

GRANT SELECT ON TABLE audit.partitions TO authensor_auditor;
GRANT SELECT ON TABLE audit.partitions TO authensor_maintenance;
GRANT SELECT ON TABLE audit.partitions TO authensor_monitor;

GRANT SELECT ON TABLE audit.program_runs TO authensor_auditor;
GRANT SELECT ON TABLE audit.program_runs TO authensor_monitor;

GRANT SELECT ON TABLE audit.programs TO authensor_auditor;
GRANT SELECT ON TABLE audit.programs TO authensor_monitor;

GRANT SELECT ON TABLE audit.receipt_history TO authensor_auditor;

GRANT SELECT ON TABLE audit.search_chunks TO authensor_app;
GRANT SELECT ON TABLE audit.search_chunks TO authensor_auditor;

GRANT SELECT ON TABLE audit.search_index TO authensor_app;
GRANT SELECT ON TABLE audit.search_index TO authensor_auditor;
GRANT SELECT ON TABLE audit.search_index TO authensor_monitor;

GRANT SELECT ON SEQUENCE audit.search_line TO authensor_archiver;
GRANT SELECT ON SEQUENCE audit.search_line TO authensor_auditor;

GRANT SELECT ON TABLE audit.verifications TO authensor_auditor;
GRANT SELECT ON TABLE audit.verifications TO authensor_monitor;

GRANT SELECT ON TABLE public.active_policies TO authensor_auditor;
GRANT SELECT,INSERT ON TABLE public.active_policies TO authensor_app;

GRANT UPDATE(policy_id) ON TABLE public.active_policies TO authensor_app;

GRANT UPDATE(version) ON TABLE public.active_policies TO authensor_app;

GRANT UPDATE(activated_at) ON TABLE public.active_policies TO authensor_app;

GRANT SELECT ON TABLE public.aegis_scans TO authensor_auditor;
GRANT SELECT,INSERT ON TABLE public.aegis_scans TO authensor_app;

GRANT SELECT ON TABLE public.api_keys TO authensor_archiver;
GRANT SELECT,INSERT ON TABLE public.api_keys TO authensor_app;

GRANT SELECT(id) ON TABLE public.api_keys TO authensor_auditor;

GRANT SELECT(name) ON TABLE public.api_keys TO authensor_auditor;

GRANT SELECT(role) ON TABLE public.api_keys TO authensor_auditor;

GRANT SELECT(created_at) ON TABLE public.api_keys TO authensor_auditor;

GRANT SELECT(revoked_at) ON TABLE public.api_keys TO authensor_auditor;
GRANT UPDATE(revoked_at) ON TABLE public.api_keys TO authensor_app;

GRANT SELECT(last_used_at) ON TABLE public.api_keys TO authensor_auditor;
GRANT UPDATE(last_used_at) ON TABLE public.api_keys TO authensor_app;

GRANT SELECT(key_prefix) ON TABLE public.api_keys TO authensor_auditor;

GRANT SELECT(principal_id) ON TABLE public.api_keys TO authensor_auditor;
GRANT UPDATE(principal_id) ON TABLE public.api_keys TO authensor_app;

GRANT SELECT ON TABLE public.approval_responses TO authensor_auditor;
GRANT SELECT,INSERT ON TABLE public.approval_responses TO authensor_app;

GRANT SELECT ON TABLE public.budget_ledger TO authensor_auditor;
GRANT SELECT,INSERT,DELETE ON TABLE public.budget_ledger TO authensor_app;

GRANT SELECT ON TABLE public.budgets TO authensor_auditor;
GRANT SELECT,INSERT,DELETE ON TABLE public.budgets TO authensor_app;

GRANT UPDATE(budget_amount) ON TABLE public.budgets TO authensor_app;

GRANT UPDATE(spent_amount) ON TABLE public.budgets TO authensor_app;

GRANT UPDATE(currency) ON TABLE public.budgets TO authensor_app;

GRANT UPDATE(reset_at) ON TABLE public.budgets TO authensor_app;

GRANT UPDATE(updated_at) ON TABLE public.budgets TO authensor_app;

GRANT SELECT ON TABLE public.claim_events TO authensor_auditor;
GRANT SELECT,INSERT ON TABLE public.claim_events TO authensor_app;

GRANT SELECT ON TABLE public.controls TO authensor_app;
GRANT SELECT ON TABLE public.controls TO authensor_auditor;

GRANT UPDATE(disable_execution) ON TABLE public.controls TO authensor_app;

GRANT UPDATE(disable_http) ON TABLE public.controls TO authensor_app;

GRANT UPDATE(disable_github) ON TABLE public.controls TO authensor_app;

GRANT UPDATE(disable_stripe) ON TABLE public.controls TO authensor_app;

GRANT UPDATE(updated_at) ON TABLE public.controls TO authensor_app;

GRANT SELECT ON TABLE public.policies TO authensor_auditor;
GRANT SELECT,INSERT ON TABLE public.policies TO authensor_app;

GRANT UPDATE(policy) ON TABLE public.policies TO authensor_app;

GRANT UPDATE(is_active) ON TABLE public.policies TO authensor_app;

GRANT SELECT ON TABLE public.sentinel_agent_snapshots TO authensor_auditor;
GRANT SELECT,INSERT ON TABLE public.sentinel_agent_snapshots TO authensor_app;

GRANT SELECT ON TABLE public.sentinel_alerts TO authensor_auditor;
GRANT SELECT,INSERT ON TABLE public.sentinel_alerts TO authensor_app;

GRANT UPDATE(status) ON TABLE public.sentinel_alerts TO authensor_app;

GRANT UPDATE(acknowledged_at) ON TABLE public.sentinel_alerts TO authensor_app;

GRANT UPDATE(resolved_at) ON TABLE public.sentinel_alerts TO authensor_app;

GRANT SELECT ON TABLE public.shadow_evaluations TO authensor_auditor;
GRANT SELECT,INSERT ON TABLE public.shadow_evaluations TO authensor_app;

GRANT SELECT ON TABLE public.telemetry_events TO authensor_auditor;
GRANT SELECT ON TABLE public.telemetry_events TO authensor_monitor;

GRANT INSERT(occurred_at) ON TABLE public.telemetry_events TO authensor_telemetry;

GRANT INSERT(source) ON TABLE public.telemetry_events TO authensor_telemetry;

GRANT INSERT(name) ON TABLE public.telemetry_events TO authensor_telemetry;

GRANT INSERT(agent_id) ON TABLE public.telemetry_events TO authensor_telemetry;

GRANT INSERT(receipt_id) ON TABLE public.telemetry_events TO authensor_telemetry;

GRANT INSERT(value) ON TABLE public.telemetry_events TO authensor_telemetry;

GRANT INSERT(attributes) ON TABLE public.telemetry_events TO authensor_telemetry;

GRANT SELECT ON SEQUENCE public.telemetry_events_id_seq TO authensor_archiver;

ALTER DEFAULT PRIVILEGES FOR ROLE authensor_owner REVOKE ALL ON FUNCTIONS  FROM PUBLIC;
