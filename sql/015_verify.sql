-- Verification from inside, for a look without a program at hand. ops/verify is the stronger one: it calls none of
-- these functions, streams, compares recorded changes with receipts, and reads anchors.

-- Places at which chains of receipts do not hold, in order: of one agent ('' for receipts that name none), or of all
-- (null). kind: altered (seal or hash does not follow from the row and its predecessor), missing (no row and no
-- checkpoint), twice (a place is taken twice), head (the chain's head is not its last row).
create function audit.verify_chain(agent text default null)
  returns table (kind text, chain_agent text, seq bigint, receipt_id uuid, created_at timestamptz)
  language sql stable parallel safe
  set search_path = pg_catalog, pg_temp
begin atomic
  with checkpoint as (
    select c.agent, c.first_seq, c.last_seq, c.last_seal as seal, c.last_hash as hash
      from audit.checkpoints c where c.chain = 'receipts'
        and (verify_chain.agent is null or c.agent = verify_chain.agent)
  ), place as (
    select coalesce(r.actor_id, '') as agent, r.chain_seq as first_seq, r.chain_seq as last_seq, r.chain_seal as seal,
           r.receipt_hash as hash,
           r.prev_receipt_hash, r.id, r.created_at, r.sealed_at,
           audit.receipt_content(r.id, r.envelope_id, r.parent_receipt_id, r.created_at,
                                 r.decision_outcome, r.tool_name, r.actor_id,
                                 r.envelope, r.decision) as content,
           r.receipt_hash = audit.authensor_hash(
             r.id, r.envelope_id, r.created_at, r.decision_outcome, r.prev_receipt_hash) as hash_right
      from public.receipts r
     where verify_chain.agent is null or r.actor_id = verify_chain.agent
       or (verify_chain.agent = '' and r.actor_id is null)
    union all
    select c.agent, c.first_seq, c.last_seq, c.seal, c.hash, null as prev_receipt_hash, null as id, null as created_at,
           null as sealed_at, null as content, true as hash_right
      from checkpoint c
  ), linked as (
    select p.*,
           coalesce(lag(p.last_seq) over chain, 0) as before_seq, coalesce(lag(p.seal) over chain, '') as before_seal,
             lag(p.hash) over chain as before_hash
      from place p
    window chain as (partition by p.agent collate "C" order by p.first_seq, p.seal)
  ), finding as (
    select case when l.first_seq > l.before_seq + 1 then 'missing'
                when l.first_seq <= l.before_seq    then 'twice'
                else 'altered' end as kind,
           l.agent, case when l.first_seq > l.before_seq + 1 then l.before_seq + 1 else l.first_seq end as seq,
           l.id, l.created_at
      from linked l
     -- A missing value is never a match.
     where l.first_seq is distinct from l.before_seq + 1
        or l.hash_right is not true
        or (l.content is not null and (l.prev_receipt_hash is distinct from l.before_hash
            or l.seal is distinct from audit.chain_seal(l.before_seal, l.first_seq, l.sealed_at, l.content, l.prev_receipt_hash)))
    union all
    select 'head' as kind, coalesce(h.agent, e.agent) as agent, coalesce(e.last_seq, 0) + 1 as seq,
           null as id, null as created_at
      from (select distinct on (p.agent) p.agent, p.last_seq, p.seal from place p
             order by p.agent, p.last_seq desc nulls last) e
      full join (select * from audit.chain_heads c where c.seq > 0
        and (verify_chain.agent is null or c.agent = verify_chain.agent)) h on h.agent = e.agent
     where h.seq is distinct from e.last_seq or h.seal is distinct from e.seal
  )
  select f.kind, f.agent, f.seq, f.id, f.created_at from finding f order by f.agent collate "C", f.seq;
end;

comment on function audit.verify_chain
  is 'Places where chains of receipts do not hold; none if all is whole. ops/verify sees more.';

grant execute on function audit.verify_chain(text) to authensor_auditor;
