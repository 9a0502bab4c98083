-- Every receipt takes its place in its agent's chain as it is stored. docs/chain.md says what is sealed, byte by byte.

-- What a receipt says: its immutable columns as one JSON array, with its chain (audit.chain_of) in its agent's place.
-- Text in JSON needs no lengths to be unambiguous, and a timestamp in JSON follows no setting.
create function audit.receipt_statement(
  id uuid, envelope_id uuid, parent_receipt_id uuid, created_at timestamptz,
  decision_outcome text, tool_name text, chain text, envelope jsonb, decision jsonb
) returns text
  language sql stable parallel safe
  return json_build_array(
    id, envelope_id, parent_receipt_id, created_at at time zone 'UTC',
    decision_outcome, tool_name, chain, envelope, decision)::text;

-- Its SHA-256, in UTF-8 whatever the client's encoding.
create function audit.receipt_content(
  id uuid, envelope_id uuid, parent_receipt_id uuid, created_at timestamptz,
  decision_outcome text, tool_name text, chain text, envelope jsonb, decision jsonb
) returns bytea
  language sql stable parallel safe
  return sha256(convert_to(audit.receipt_statement(
    id, envelope_id, parent_receipt_id, created_at,
    decision_outcome, tool_name, chain, envelope, decision), 'UTF8'));

-- The link: the predecessor's seal, the place in the chain, when it was taken, what the receipt says, Authensor's
-- previous hash.
create function audit.chain_seal(
  previous_seal bytea, seq bigint, sealed_at timestamptz, content bytea, prev_receipt_hash text
) returns bytea
  language sql stable parallel safe
  return sha256(previous_seal || int8send(seq) || timestamptz_send(sealed_at) || content
                || convert_to(coalesce(prev_receipt_hash, ''), 'UTF8'));

-- Authensor's own receipt_hash, as its verifier recomputes it. (Known outcomes leave nothing to escape.)
create function audit.authensor_hash(
  id uuid, envelope_id uuid, created_at timestamptz, decision_outcome text, prev_receipt_hash text
) returns text
  language sql stable parallel safe
  return encode(sha256(convert_to(format(
    '{"id":"%s","envelopeId":"%s","timestamp":"%s","decisionOutcome":"%s","prevReceiptHash":"%s"}',
    id, envelope_id, to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    decision_outcome, prev_receipt_hash), 'UTF8')), 'hex');

-- The same step as in audit.seal_receipt, for a head whose place is remembered; null if it is not there.
create function audit.advance_in_batch(r receipts, content bytea, at timestamptz) returns audit.chain_heads
  language plpgsql
  set search_path = pg_catalog, pg_temp
  -- Plans are kept for the session, and the table that was small enough to be read whole grows with the batch.
  set enable_seqscan = off
as $$
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

-- Few and short expressions: what is counted here is done for every receipt (docs/performance.md). The functions above
-- that are one expression are written into its statements when they are planned, and cost no call.
create function audit.seal_receipt() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
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

create trigger seal before insert on receipts for each row execute function audit.seal_receipt();

grant execute on function
  audit.receipt_content(uuid, uuid, uuid, timestamptz, text, text, text, jsonb, jsonb),
  audit.chain_seal(bytea, bigint, timestamptz, bytea, text),
  audit.authensor_hash(uuid, uuid, timestamptz, text, text)
  to authensor_auditor;
