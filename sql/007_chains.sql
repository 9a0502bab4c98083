-- Every receipt takes its place in its agent's chain as it is stored. docs/chain.md says what is sealed, byte by byte.

-- A chain's end. Its row is locked from the moment a receipt is sealed until its transaction ends, so that seq has no gaps.
-- Narrow rows and half-empty pages: each receipt rewrites one, in place (HOT), without touching the index.
create table audit.chain_heads (
  agent             text   collate "C" primary key,   -- receipts.actor_id, or '' for receipts that name none
  seq               bigint not null default 0,
  seal              bytea  not null default '',
  receipt_hash      text,
  prev_receipt_hash text
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

alter table receipts
  add column chain_seq  bigint not null,
  add column chain_seal bytea  not null,
  alter column receipt_hash set not null,
  -- PostgreSQL reads a CHECK's expression anew for each statement: these five are a fifth of the work of a one-row INSERT
  -- (docs/performance.md). The triggers below check the same, read once per session, and report it in the same way.
  drop constraint known_status,
  drop constraint known_outcome,
  drop constraint known_approval_status,
  drop constraint attempts_not_negative,
  drop constraint created_at_finite;

-- INSERT … ON CONFLICT DO NOTHING seals a row and then does not store it: a gap. PostgreSQL refuses it on a deferrable key.
alter table receipts drop constraint receipts_pkey, add primary key (id, created_at) deferrable initially immediate;

-- What a receipt says: SHA-256 over the binary form of its immutable columns. Text goes in as UTF-8 bytes,
-- since the binary form of text would follow the client's encoding.
create function audit.receipt_content(
  id uuid, envelope_id uuid, parent_receipt_id uuid, created_at timestamptz,
  decision_outcome text, tool_name text, actor_id text, envelope jsonb, decision jsonb
) returns bytea
  language sql stable parallel safe
  return sha256(record_send(row(
    id, envelope_id, parent_receipt_id, created_at,
    convert_to(decision_outcome, 'UTF8'), convert_to(tool_name, 'UTF8'), convert_to(actor_id, 'UTF8'),
    convert_to(envelope::text, 'UTF8'), convert_to(decision::text, 'UTF8')
  )));

-- The link: the predecessor's seal, the place in the chain, what the receipt says, Authensor's previous hash.
create function audit.chain_seal(previous_seal bytea, seq bigint, content bytea, prev_receipt_hash text) returns bytea
  language sql stable parallel safe
  return sha256(previous_seal || int8send(seq) || content || convert_to(coalesce(prev_receipt_hash, ''), 'UTF8'));

-- Authensor's own receipt_hash, as its verifier recomputes it. (known_outcome leaves nothing to escape in the outcome.)
create function audit.authensor_hash(id uuid, envelope_id uuid, created_at timestamptz, decision_outcome text, prev_receipt_hash text) returns text
  language sql stable parallel safe
  return encode(sha256(convert_to(
    '{"id":"' || id || '","envelopeId":"' || envelope_id
    || '","timestamp":"' || to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    || '","decisionOutcome":"' || decision_outcome || '","prevReceiptHash":"' || coalesce(prev_receipt_hash, '') || '"}', 'UTF8')), 'hex');

-- The functions above are written into its statements when they are planned, and cost no call.
create function audit.seal_receipt() returns trigger
  language plpgsql security definer
  set search_path = ''
as $$
declare
  -- Everything that takes time, before the lock.
  content bytea := audit.receipt_content(new.id, new.envelope_id, new.parent_receipt_id, new.created_at,
                                         new.decision_outcome, new.tool_name, new.actor_id, new.envelope, new.decision);
begin
  -- NULL passes here, and is then refused by NOT NULL where it must be.
  if not (new.decision_outcome in ('allow', 'deny', 'require_approval', 'rate_limited')
          and new.status in ('pending', 'executed', 'failed', 'cancelled', 'skipped')
          and coalesce(new.approval_status, 'pending') in ('pending', 'approved', 'rejected', 'expired')
          and new.execution_attempts >= 0
          -- Years that ISO 8601 writes with four digits: Authensor's hash contains the date in that form.
          and new.created_at >= '0001-01-01 00:00+00' and new.created_at < '10000-01-01 00:00+00'
          -- What an index can hold, with room to spare. Cutting it off would be a receipt of something else.
          and octet_length(new.actor_id) <= 1024 and octet_length(new.tool_name) <= 1024)
  then
    if octet_length(new.actor_id) > 1024 then
      raise 'receipt % cannot be: its actor_id has % bytes, more than 1024', new.id, octet_length(new.actor_id)
        using errcode = 'check_violation', table = 'receipts', column = 'actor_id', constraint = 'actor_id_length';
    elsif octet_length(new.tool_name) > 1024 then
      raise 'receipt % cannot be: its tool_name has % bytes, more than 1024', new.id, octet_length(new.tool_name)
        using errcode = 'check_violation', table = 'receipts', column = 'tool_name', constraint = 'tool_name_length';
    end if;
    raise 'receipt % cannot be: outcome %, status %, approval status %, % attempts, created at %',
      new.id, new.decision_outcome, new.status, new.approval_status, new.execution_attempts, new.created_at
      using errcode = 'check_violation', table = 'receipts', constraint = 'known_values';
  end if;

  loop
    update audit.chain_heads as head
       set seq               = head.seq + 1,
           seal              = audit.chain_seal(head.seal, head.seq + 1, content, head.receipt_hash),
           receipt_hash      = audit.authensor_hash(new.id, new.envelope_id, new.created_at, new.decision_outcome, head.receipt_hash),
           prev_receipt_hash = head.receipt_hash
     where head.agent = coalesce(new.actor_id, '')
    returning head.seq, head.seal, head.receipt_hash, head.prev_receipt_hash
         into new.chain_seq, new.chain_seal, new.receipt_hash, new.prev_receipt_hash;
    exit when found;
    insert into audit.chain_heads (agent) values (coalesce(new.actor_id, '')) on conflict do nothing;
  end loop;

  -- Not born in the plain state that audit.birth_state describes (008): the history begins with how it was born.
  -- A trigger of its own, with this as its condition, would cost every other receipt more than the hashing does.
  if new.status <> (case when new.decision_outcome in ('allow', 'require_approval') then 'pending' else 'skipped' end)
     or new.updated_at <> new.created_at or new.execution_attempts <> 0
     or num_nonnulls(new.approval, new.approval_status, new.execution, new.result, new.error,
                     new.claim_id, new.claimed_at, new.claim_expires_at, new.rekor_entry_id) > 0
  then
    perform audit.record_birth(new);
  end if;
  return new;
end
$$;

create trigger seal before insert on receipts for each row execute function audit.seal_receipt();

-- Only the sealing function, which runs as the owner, writes heads.
grant select on audit.chain_heads to authensor_auditor;
grant execute on function
  audit.receipt_content(uuid, uuid, uuid, timestamptz, text, text, text, jsonb, jsonb),
  audit.chain_seal(bytea, bigint, bytea, text),
  audit.authensor_hash(uuid, uuid, timestamptz, text, text)
  to authensor_auditor;
