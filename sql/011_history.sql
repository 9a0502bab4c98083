-- Whatever happens to a receipt after it was stored is checked against its life, and recorded: who, when, from what to
-- what.

-- One row per change, and one for a receipt that was not born in the plain state that its decision implies (with an
-- approval asked for; imported with a past). A receipt's state is that plain state with its changes applied: nothing
-- else explains it. It is kept in the month of its receipt, not of the change, so that a month is archived with all
-- that is known of it.
create table audit.receipt_history (
  agent              text        not null,
  seq                bigint      not null,
  receipt_id         uuid        not null,
  receipt_created_at timestamptz not null,
  changed_at         timestamptz not null,
  changed_by         text        not null,             -- the role that logged in
  application        text        not null,             -- application_name, as the client gave it
  before             jsonb       not null,             -- the columns that changed, as they were
  after              jsonb       not null,             -- and as they are now
  seal               bytea       not null,
  primary key (receipt_id, receipt_created_at, seq)
) partition by range (receipt_created_at);

create index on audit.receipt_history (agent, seq);

do $$ begin perform audit.partition_by_month('audit.receipt_history'); end $$;

-- The ends of the agents' chains of changes. Apart from those of receipts, so that a change never waits for an insert.
create table audit.history_heads (
  agent      text        collate "C" not null,
  seq        bigint      not null default 0,
  changed_at timestamptz not null default '-infinity',
  seal       bytea       not null default ''
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create index on audit.history_heads (agent);

-- The columns that may change, as one object. Times are written in UTC, whoever asks.
create function audit.receipt_state(
  status text, approval jsonb, approval_status text, execution jsonb, result jsonb, error jsonb, updated_at timestamptz,
  claim_id uuid, claimed_at timestamptz, claim_expires_at timestamptz, execution_attempts int, rekor_entry_id text
) returns jsonb
  language sql stable parallel safe
  return jsonb_build_object(
    'status', status, 'approval', approval, 'approval_status', approval_status,
    'execution', execution, 'result', result, 'error', error, 'updated_at', updated_at at time zone 'UTC',
    'claim_id', claim_id, 'claimed_at', claimed_at at time zone 'UTC',
    'claim_expires_at', claim_expires_at at time zone 'UTC',
    'execution_attempts', execution_attempts, 'rekor_entry_id', rekor_entry_id);

-- The plain state, which needs no record: it follows from columns that are sealed.
create function audit.birth_state(decision_outcome text, created_at timestamptz) returns jsonb
  language sql stable parallel safe
  return audit.receipt_state(
    case when decision_outcome in ('allow', 'require_approval') then 'pending' else 'skipped' end,
    null, null, null, null, null, created_at, null, null, null, 0, null);

-- The entries of one object that differ in another.
create function audit.differing(state jsonb, other jsonb) returns jsonb
  language sql immutable parallel safe
  return (
    select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(state) where value is distinct from other -> key
  );

create function audit.history_seal(
  previous_seal bytea, seq bigint, agent text, receipt_id uuid, receipt_created_at timestamptz,
  changed_at timestamptz, changed_by text, application text, before jsonb, after jsonb
) returns bytea
  language sql stable parallel safe
  return sha256(record_send(row(
    previous_seal, seq, convert_to(agent, 'UTF8'), receipt_id, receipt_created_at,
    changed_at, convert_to(changed_by, 'UTF8'), convert_to(application, 'UTF8'),
    convert_to(before::text, 'UTF8'), convert_to(after::text, 'UTF8')
  )));

create function audit.append_history(
  agent_of text, receipt_id uuid, receipt_created_at timestamptz, old_state jsonb, new_state jsonb
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
  -- As in audit.advance_in_batch (013).
  set enable_seqscan = off
as $$
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

-- What stands in the way of ending an approval. The control plane expires all of them in one UPDATE: a receipt on which
-- it fails, because the JSON says another thing than the column or expires at no time, would stop the expiry of every
-- agent's.
create function audit.approval_problem(approval jsonb, approval_status text) returns text
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if approval ->> 'status' is distinct from approval_status and approval ->> 'status' is not null then
    return format('its approval says %s, its approval_status is %s', approval ->> 'status',
      coalesce(approval_status, 'none'));
  end if;
  perform (approval ->> 'expiresAt')::timestamptz;
  return null;
end
$$;

-- Called by audit.seal_receipt. What was not born in the state that its decision implies has a history, which begins
-- with how it was born.
create function audit.record_birth(born receipts) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
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

-- Once per statement, after all of its rows: the background expiry touches many agents' receipts in one UPDATE, and by
-- then holds every receipt it will; the heads follow, sorted. So no two updates wait for each other over heads.
create function audit.record_changes() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
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

create trigger record_changes after update on receipts
  referencing old table as old_rows new table as new_rows
  for each statement execute function audit.record_changes();

-- A receipt's life (docs/chain.md). Refusals name the receipt, and what was tried.
create function audit.check_change() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
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

create trigger check_change before update on receipts for each row execute function audit.check_change();

grant select on audit.receipt_history, audit.history_heads to authensor_auditor;
grant execute on function
  audit.receipt_state(text, jsonb, text, jsonb, jsonb, jsonb, timestamptz, uuid, timestamptz, timestamptz, int, text),
  audit.birth_state(text, timestamptz),
  audit.history_seal(bytea, bigint, text, uuid, timestamptz, timestamptz, text, text, jsonb, jsonb),
  audit.differing(jsonb, jsonb)
  to authensor_auditor;
