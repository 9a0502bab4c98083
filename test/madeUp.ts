/**
 * SQL: one more receipt of an agent, with right seals and hash, stored at a time of one's own. Where triggers are off it is what somebody
 * would do who makes up a receipt for the past; nothing of it contradicts itself.
 */
export const madeUpReceipt = (agent: string, at: string): string => `
  with made as materialized (
    select gen_random_uuid() as id, gen_random_uuid() as envelope_id, (${at})::timestamptz as t,
           coalesce(h.seq, 0) + 1 as seq, coalesce(h.seal, '') as seal, h.receipt_hash as hash
      from (select) one left join audit.chain_heads h on h.agent = '${agent}'
  ), sealed as materialized (
    select *, audit.authensor_hash(id, envelope_id, t, 'allow', hash) as own_hash,
           audit.chain_seal(seal, seq, t, audit.receipt_content(id, envelope_id, null, t, 'allow', 'forged', '${agent}', '{}', '{}'), hash) as own_seal
      from made
  ), receipt as (
    insert into receipts (id, envelope_id, status, decision_outcome, tool_name, actor_id, envelope, decision, created_at, updated_at, sealed_at,
                          chain_seq, prev_receipt_hash, chain_seal, receipt_hash)
      select id, envelope_id, 'pending', 'allow', 'forged', '${agent}', '{}', '{}', t, t, t, seq, hash, own_seal, own_hash from sealed
  ), chain as (
    insert into audit.chains values ('chain_heads', '${agent}') on conflict do nothing
  ), head as (
    update audit.chain_heads h set seq = s.seq, sealed_at = t, seal = own_seal, receipt_hash = own_hash, prev_receipt_hash = hash
      from sealed s where h.agent = '${agent}'
  )
  insert into audit.chain_heads select '${agent}', seq, t, own_seal, own_hash, null from sealed where seq = 1;`;
