-- Batches: one call stores many receipts, of one agent or of several, and advances each chain once. Their seals are
-- those that one INSERT after another would have given them.

-- A key that is misspelt would be left out, and the receipt would say less than was decided.
create function audit.check_batch(batch jsonb) returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
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

-- A receipt as it will be stored, and the hash of what it says. What audit.seal_receipt (013) cannot check, because it
-- sees the receipt after it was sealed, is checked here: its size, and a date that is ahead of its seal.
create function audit.read_receipt(item jsonb, lane_of int, out receipt receipts, out content bytea)
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
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

-- The receipt in its place after its predecessor, or after the head of its chain: as audit.seal_receipt seals it.
create function audit.seal_after(predecessor receipts, head audit.chain_heads, receipt receipts, content bytea)
  returns receipts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
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

create aggregate audit.sealed_in_order (audit.chain_heads, receipts, bytea)
  (sfunc = audit.seal_after, stype = receipts);

-- An array of objects with the columns of receipts. Within an agent their order is kept; heads are locked in the order
-- of the agents' bytes before anything is stored, so batches do not end in deadlocks, whatever agents they bring.
create function audit.insert_receipts(batch jsonb) returns setof receipts
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
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

comment on function audit.insert_receipts is
  'Stores a batch of receipts, a JSON array of objects, and advances each agent''s chain once.';

grant execute on function audit.insert_receipts(jsonb) to authensor_app;
