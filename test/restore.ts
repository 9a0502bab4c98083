/** Puts what segments hold into an empty database: what is sealed as it is, the rest as birth state and changes make it (docs/chain.md). */
import type { TestDatabase } from "./postgres";

const mutable =
  "status, approval, approval_status, execution, result, error, updated_at, claim_id, claimed_at, claim_expires_at, execution_attempts, rekor_entry_id";

export async function restore(database: TestDatabase, lines: readonly string[]): Promise<void> {
  const client = await database.connect();
  // No trigger seals anew what is sealed.
  await client.query("set session_replication_role = replica; set timezone = 'UTC'; set search_path = public, audit");
  await client.query("create temp table line (line json)");
  await client.query("insert into line select unnest($1::json[])", [lines]);
  await client.query(`
    insert into receipts (
      id, envelope_id, parent_receipt_id, created_at, decision_outcome, tool_name, actor_id, lane, envelope, decision,
      chain_seq, sealed_at, chain_seal, receipt_hash, prev_receipt_hash, status)
    select (s ->> 0)::uuid, (s ->> 1)::uuid, (s ->> 2)::uuid, (s ->> 3)::timestamptz, s ->> 4, s ->> 5,
           split_part(s ->> 6, chr(31), 1), coalesce(nullif(split_part(s ->> 6, chr(31), 2), ''), '0')::int2,
           (s -> 7)::text::jsonb, (s -> 8)::text::jsonb, (line ->> 'seq')::int8, (line ->> 'sealed_at')::timestamptz,
           decode(line ->> 'seal', 'hex'), line ->> 'hash', line ->> 'prev_hash', ''
      from line cross join lateral (select line -> 'statement' as s) statement where line ->> 'chain' = 'receipts';
    insert into audit.receipt_history
    select line ->> 'agent', (line ->> 'seq')::int8, (line ->> 'receipt_id')::uuid, (line ->> 'receipt_created_at')::timestamptz,
           (line ->> 'changed_at')::timestamptz, line ->> 'changed_by', line ->> 'application',
           (line -> 'before')::text::jsonb, (line -> 'after')::text::jsonb, decode(line ->> 'seal', 'hex')
      from line where line ->> 'chain' = 'history';
    update receipts r set (${mutable}) = (
      select ${mutable} from jsonb_populate_record(null::receipts, audit.birth_state(r.decision_outcome, r.created_at) || coalesce((
        select jsonb_object_agg(key, value order by h.seq) from audit.receipt_history h cross join jsonb_each(h.after)
         where h.receipt_id = r.id and h.receipt_created_at = r.created_at), '{}')));
    insert into audit.chain_heads
    select distinct on (agent) * from (
      select coalesce(audit.chain_of(actor_id, lane), '') as agent, chain_seq, sealed_at, chain_seal, receipt_hash, prev_receipt_hash from receipts) r
     order by agent, chain_seq desc;
    insert into audit.history_heads
    select distinct on (agent) agent, seq, changed_at, seal from audit.receipt_history order by agent, seq desc;
    insert into audit.chains
    select 'chain_heads', agent from audit.chain_heads union all select 'history_heads', agent from audit.history_heads;`);
  await client.end();
}
