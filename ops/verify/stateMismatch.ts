/** Whether the mutable columns of a receipt are what its recorded changes made of them. As queries.ts: PostgreSQL's own functions only. */
import { named, type Finding } from "./findings";
import { agentIs } from "./queries";
import type { Snapshot } from "./snapshot";

const born = `case when decision_outcome in ('allow', 'require_approval') then 'pending' else 'skipped' end`;

const plain = `status = ${born} and updated_at = created_at and execution_attempts = 0
    and num_nonnulls(approval, approval_status, execution, result, error, claim_id, claimed_at, claim_expires_at, rekor_entry_id) = 0`;

const state = `jsonb_build_object(
    'status', status, 'approval', approval, 'approval_status', approval_status,
    'execution', execution, 'result', result, 'error', error, 'updated_at', updated_at at time zone 'UTC',
    'claim_id', claim_id, 'claimed_at', claimed_at at time zone 'UTC', 'claim_expires_at', claim_expires_at at time zone 'UTC',
    'execution_attempts', execution_attempts, 'rekor_entry_id', rekor_entry_id)`;

const birth = `'{"approval": null, "approval_status": null, "execution": null, "result": null, "error": null, "claim_id": null,
    "claimed_at": null, "claim_expires_at": null, "execution_attempts": 0, "rekor_entry_id": null}'::jsonb
    || jsonb_build_object('status', ${born}, 'updated_at', created_at at time zone 'UTC')`;

const columns = `r.id, r.created_at, coalesce(r.actor_id, '') as agent, r.chain_seq, c.first_seq, c.broken_seq,
           ${state} as state, ${birth} as birth, coalesce(c.before, '{}') as before, coalesce(c.after, '{}') as after`;

/**
 * Parameters: since, until[, agent]. One row per receipt or change that does not match:
 * `problem` is 'state' (columns differ from birth and changes), 'before' (a change starts from what was not there) or
 * 'orphan' (a change of a receipt that is not there).
 */
export const stateMismatches = (agent: string | undefined): string => `
  with history as materialized (
    select agent, receipt_id, receipt_created_at, seq, before, after from audit.receipt_history
     where receipt_created_at >= $1 and receipt_created_at < $2${agentIs("history", agent, 3)}
  ), grouped as materialized (
    select min(agent) as agent, receipt_id, receipt_created_at, count(*) as changes, array_agg(seq order by seq) as seqs,
           array_agg(before order by seq) as befores, array_agg(after order by seq) as afters
      from history group by receipt_id, receipt_created_at
  ), short as (
    -- Nearly all receipts: a claim, an end, something late.
    select *, coalesce(befores[3], '{}') || coalesce(befores[2], '{}') || befores[1] as initial,
           coalesce(befores[3], '{}') || coalesce(befores[2], '{}') || befores[1] || afters[1] as first_state
      from grouped where changes <= 3
  ), entry as (
    -- The others, column by column.
    select h.agent, h.receipt_id, h.receipt_created_at, h.seq, e.key, h.before -> e.key as before, e.value as after,
           lag(e.value) over same_key as previous, row_number() over same_key = 1 as first_of_key
      from history h, jsonb_each(h.after) e
     where (h.receipt_id, h.receipt_created_at) in (select receipt_id, receipt_created_at from grouped where changes > 3)
    window same_key as (partition by h.receipt_id, h.receipt_created_at, e.key order by h.seq)
  ), change as materialized (
    select agent, receipt_id, receipt_created_at, seqs[1] as first_seq,
           afters[1] || coalesce(afters[2], '{}') || coalesce(afters[3], '{}') as after, initial as before,
           case when first_state || befores[2] <> first_state then seqs[2]
                when first_state || afters[2] || befores[3] <> first_state || afters[2] then seqs[3] end as broken_seq
      from short
    union all
    select min(agent) as agent, receipt_id, receipt_created_at, min(seq) as first_seq,
           jsonb_object_agg(key, after order by seq) as after,
           coalesce(jsonb_object_agg(key, before) filter (where first_of_key), '{}') as before,
           min(seq) filter (where not first_of_key and before is distinct from previous) as broken_seq
      from entry group by receipt_id, receipt_created_at
  ), receipt as materialized (
    select ${columns}
      from public.receipts r left join change c on c.receipt_id = r.id and c.receipt_created_at = r.created_at
     where r.created_at >= $1 and r.created_at < $2${agentIs("receipts", agent, 3)} and (${plain}) is not true
    union all
    -- Changed, and yet as it was born.
    select ${columns}
      from change c join public.receipts r on r.id = c.receipt_id and r.created_at = c.receipt_created_at
     where r.created_at >= $1 and r.created_at < $2 and (${plain}) is true
  )
  select case when birth || after <> state then 'state' else 'before' end as problem, agent, id, created_at::text as at, chain_seq as seq,
         coalesce(broken_seq, first_seq) as change_seq,
         (select coalesce(array_agg(s.key order by s.key), '{}') from jsonb_each(state) s
           where s.value is distinct from (birth || after) -> s.key) as columns
    from receipt
   where birth || after <> state or not birth @> before or broken_seq is not null
  union all
  select 'orphan', agent, receipt_id, receipt_created_at::text, null, first_seq, '{}'
    from change c where not exists (
      select from public.receipts r
       where r.id = c.receipt_id and r.created_at = c.receipt_created_at and r.created_at >= $1 and r.created_at < $2)`;

export interface StateMismatch {
  problem: "state" | "before" | "orphan";
  agent: string;
  id: string;
  at: string;
  seq: string | null;
  change_seq: string | null;
  columns: string[];
}

export function mismatchFinding(row: StateMismatch, snapshot: Snapshot): Finding[] {
  const { agent, id, at, problem } = row;
  const month = /^(\d{4})-(\d{2})/.exec(at);
  const archived = (table: string) => month !== null && snapshot.archived.has(`${table}_${month[1]}_${month[2]}`);
  const place = { agent, receipt: id, at };
  const change = row.change_seq === null ? undefined : Number(row.change_seq);
  switch (problem) {
    case "state":
      if (archived("receipt_history")) return [];
      return [
        {
          kind: "altered-column",
          message: `receipt ${row.seq} of ${named(agent)}: ${row.columns.join(", ")} ${row.columns.length === 1 ? "is" : "are"} not what the recorded changes made`,
          ...place,
          ...(row.seq === null ? {} : { seq: Number(row.seq) }),
          columns: row.columns,
        },
      ];
    case "before":
      return [
        {
          kind: "altered-history",
          message: `change ${change} of ${named(agent)} starts from what its receipt did not hold`,
          ...place,
          ...(change === undefined ? {} : { seq: change }),
        },
      ];
    case "orphan":
      if (archived("receipts")) return [];
      return [
        {
          kind: "removed-row",
          message: `change ${change} of ${named(agent)} is of a receipt that is not there`,
          ...place,
        },
      ];
  }
}
