/**
 * Whether the mutable columns of a receipt are what its recorded changes made of them. As queries.ts: PostgreSQL's own functions only.
 * Documents may be large and changes many: no statement holds more than two values at a time of those that are not small.
 */
import { receiptChain } from "./chainName";
import { named, type Finding } from "./findings";
import { agentIs } from "./queries";
import type { Snapshot } from "./snapshot";

const born = `case when decision_outcome in ('allow', 'require_approval') then 'pending' else 'skipped' end`;

const plain = `status = ${born} and updated_at = created_at and execution_attempts = 0
    and num_nonnulls(approval, approval_status, execution, result, error, claim_id, claimed_at, claim_expires_at, rekor_entry_id) = 0`;

/** The mutable columns, each as JSON. */
const values: Readonly<Record<string, string>> = {
  status: "to_jsonb(status)",
  approval: "approval",
  approval_status: "to_jsonb(approval_status)",
  execution: "execution",
  result: "result",
  error: "error",
  updated_at: "to_jsonb(updated_at at time zone 'UTC')",
  claim_id: "to_jsonb(claim_id)",
  claimed_at: "to_jsonb(claimed_at at time zone 'UTC')",
  claim_expires_at: "to_jsonb(claim_expires_at at time zone 'UTC')",
  execution_attempts: "to_jsonb(execution_attempts)",
  rekor_entry_id: "to_jsonb(rekor_entry_id)",
};
const names = Object.keys(values);

const state = `jsonb_build_object(${Object.entries(values)
  .map(([name, value]) => `'${name}', ${value}`)
  .join(", ")})`;

/** One of them, by the name in `key`. */
const valueOf = (key: string) =>
  `coalesce(case ${key} ${Object.entries(values)
    .map(([name, value]) => `when '${name}' then ${value}`)
    .join(" ")} end, 'null')`;

/** What is the same of all at birth. */
const bornAlike = `'{"approval": null, "approval_status": null, "execution": null, "result": null, "error": null, "claim_id": null,
    "claimed_at": null, "claim_expires_at": null, "execution_attempts": 0, "rekor_entry_id": null}'::jsonb`;

const birth = `(${bornAlike}
    || jsonb_build_object('status', ${born}, 'updated_at', created_at at time zone 'UTC'))`;

/** Of a receipt's first three changes. */
const documents = ["before_1", "before_2", "before_3", "after_1", "after_2", "after_3"];

/** Each of them as it is at birth. */
const asBorn = (name: string) =>
  ({ status: `status = ${born}`, updated_at: "updated_at = created_at", execution_attempts: "execution_attempts = 0" })[
    name
  ] ?? `${name} is null`;

/**
 * Enough to say that a receipt's one, two or three changes explain all of it, by what they name alone. To put its whole state together, and
 * what it should be, took half of this statement's time; that is done for what is not explained so, and it alone makes findings.
 */
const explained = `first_seq is not null
    and ${names.map((name) => `case when after ? '${name}' then after -> '${name}' = coalesce(${values[name]}, 'null') else ${asBorn(name)} end`).join("\n    and ")}
    and after - '{${names.join(",")}}'::text[] = '{}'
    and ${bornAlike} @> (before - '{status,updated_at}'::text[])
    and case when before ? 'status' then before -> 'status' = to_jsonb(${born}) else true end
    and case when before ? 'updated_at' then before -> 'updated_at' = to_jsonb(created_at at time zone 'UTC') else true end
    and case when seq_2 is null then true else before_2 || first_state = first_state || before_2 end
    and case when seq_3 is null then true
             else before_3 || (first_state || before_2 || after_2) = first_state || before_2 || after_2 || before_3 end`;

/** By how much the clock may have been ahead that a receipt was sealed by: another server's, before a failover. */
const mostAhead = "interval '1 hour'";

/** Stored bytes, compressed, up to which documents are put together; the others are compared one by one. */
const [smallChange, smallReceipt] = [16_384, 65_536];
const stored = ["approval", "execution", "result", "error", "rekor_entry_id"];

/**
 * Parameters: since, until[, agent]. One row per receipt or change that does not match:
 * `problem` is 'state' (columns differ from birth and changes), 'before' (a change starts from what was not there), 'foreign' (a change is in
 * another agent's chain), 'early' (it was stored long before its receipt) or 'orphan' (a change of a receipt that is not there).
 */
export const stateMismatches = (agent: string | undefined): string => `
  with history as materialized (
    select agent, receipt_id, receipt_created_at, seq, changed_at, before, after,
           row_number() over (partition by receipt_id, receipt_created_at order by seq) as n,
           (pg_column_size(before) + pg_column_size(after) <= ${smallChange}) is true as small
      from audit.receipt_history
     where receipt_created_at >= $1 and receipt_created_at < $2${agentIs("history", agent, 3)}
  ), grouped as (
    select min(agent) as agent, max(agent) as other_agent, receipt_id, receipt_created_at, min(seq) as first_seq, min(changed_at) as changed_at,
           count(*) <= 3 and bool_and(small) as short, min(seq) filter (where n = 2) as seq_2, min(seq) filter (where n = 3) as seq_3,
           -- Each by its number: in an array_agg with an order every receipt's would be sorted by itself.
           ${documents.map((name) => `(array_agg(${name.slice(0, -2)}) filter (where n = ${name.slice(-1)} and small))[1] as ${name}`).join(",\n           ")}
      from history group by receipt_id, receipt_created_at
  ), joined as materialized (
    select r.id, r.created_at, coalesce(r.actor_id, '') as agent, ${receiptChain("r")} as chain, r.chain_seq, r.decision_outcome, ${names.map((name) => `r.${name}`).join(", ")},
           g.first_seq, g.seq_2, g.seq_3, g.agent as history_agent, g.receipt_id, g.receipt_created_at, ${documents.map((name) => `g.${name}`).join(", ")}, g.changed_at < r.sealed_at - ${mostAhead} as early,
           case when g.agent <> coalesce(r.actor_id, '') then g.agent when g.other_agent <> coalesce(r.actor_id, '') then g.other_agent end as foreign_agent,
           g.short is not false and ${stored.map((name) => `coalesce(pg_column_size(r.${name}), 0)`).join(" + ")} <= ${smallReceipt} as short
      from (select * from public.receipts where created_at >= $1 and created_at < $2${agentIs("receipts", agent, 3)}) r
      full join grouped g on g.receipt_id = r.id and g.receipt_created_at = r.created_at
     where (${plain}) is not true or g.receipt_id is not null
  ), receipt as not materialized (
    select * from joined where created_at is not null
  ), short as (
    -- Nearly all receipts: a claim, an end, something late.
    select id, created_at, agent, chain, chain_seq, first_seq, state, birth, before, after,
           case when first_state || before_2 <> first_state then seq_2
                when first_state || after_2 || before_3 <> first_state || after_2 then seq_3 end as broken_seq
      from (select id, created_at, agent, chain, chain_seq, first_seq, seq_2, seq_3, ${documents.join(", ")}, before, after, ${state} as state, ${birth} as birth,
                   coalesce(before_3, '{}') || coalesce(before_2, '{}') || first_state as first_state
              from (select *, coalesce(before_3, '{}') || coalesce(before_2, '{}') || coalesce(before_1, '{}') as before,
                           coalesce(after_1, '{}') || coalesce(after_2, '{}') || coalesce(after_3, '{}') as after,
                           before_1 || after_1 as first_state
                      from receipt where short offset 0) r
             where (${explained}) is not true offset 0) r
  ), entry as materialized (
    -- The others: which change follows which, column by column. A change of nothing, or that is no object, has no column.
    select h.receipt_id, h.receipt_created_at, h.seq, k.key, lag(h.seq) over same_key as previous, lead(h.seq) over same_key is null as last
      from receipt r join history h on h.receipt_id = r.id and h.receipt_created_at = r.created_at
      left join lateral (select jsonb_object_keys(case jsonb_typeof(h.after) when 'object' then h.after else '{}' end)
                          union select jsonb_object_keys(case jsonb_typeof(h.before) when 'object' then h.before else '{}' end)) k (key) on true
     where not r.short
    window same_key as (partition by h.receipt_id, h.receipt_created_at, k.key order by h.seq)
  ), link as (
    select id, created_at, seq, key,
           (case when previous is null then ${birth} -> key else previous_after -> key end = before -> key) is not true as broken,
           last and (after -> key = ${valueOf("key")}) is not true as differs
      from (select r.*, e.seq, e.key, e.last, e.previous, h.before, h.after, p.after as previous_after
              from entry e join receipt r on r.id = e.receipt_id and r.created_at = e.receipt_created_at
              join history h on h.receipt_id = e.receipt_id and h.receipt_created_at = e.receipt_created_at and h.seq = e.seq
              left join history p on p.receipt_id = e.receipt_id and p.receipt_created_at = e.receipt_created_at and p.seq = e.previous) l
  ), linked as (
    select id as of, created_at as at, min(seq) filter (where broken) as broken_seq,
           array_agg(key) filter (where differs) as differing, array_agg(key) as changed
      from link group by id, created_at
  ), found as (
    select id, created_at, agent, chain, chain_seq, first_seq, broken_seq, not birth @> before or broken_seq is not null as broken,
           case when birth || after = state then '{}' else array(
             select s.key from jsonb_each(state) s where s.value is distinct from (birth || after) -> s.key order by 1) end as columns,
           birth || after <> state as differs
      from short
    union all
    select id, created_at, agent, chain, chain_seq, first_seq, broken_seq, broken_seq is not null, columns, cardinality(columns) > 0
      from (select r.*, l.broken_seq, array(
                     select unnest(l.differing) union
                     select k from unnest(array[${names.map((name) => `'${name}'`).join(", ")}]) k
                      where k <> all (coalesce(l.changed, '{}')) and ${valueOf("k")} is distinct from ${birth} -> k order by 1) as columns
              from receipt r left join linked l on l.of = r.id and l.at = r.created_at where not r.short) r
  )
  select case when differs then 'state' else 'before' end as problem, case when differs then chain else agent end as agent, id, created_at::text as at, chain_seq as seq,
         coalesce(broken_seq, first_seq) as change_seq, columns
    from found where differs or broken
  union all
  select case when early then 'early' else 'foreign' end, coalesce(foreign_agent, agent), id, created_at::text, chain_seq, first_seq, '{}'
    from receipt where early or foreign_agent is not null
  union all
  select 'orphan', history_agent, receipt_id, receipt_created_at::text, null, first_seq, '{}'
    from joined g where created_at is null and not exists (
      select from public.receipts r
       where r.id = g.receipt_id and r.created_at = g.receipt_created_at and r.created_at >= $1 and r.created_at < $2)`;

export interface StateMismatch {
  problem: "state" | "before" | "foreign" | "early" | "orphan";
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
  // Of a month that left without its other half (which is a finding of its own) nothing more is to be said. Where both are gone, what
  // came later by an import is whole in itself.
  const alone = (table: string, other: string) =>
    month !== null &&
    snapshot.partitions.has(`${table}_${month[1]}_${month[2]}`) &&
    snapshot.archived.has(`${other}_${month[1]}_${month[2]}`);
  const place = { agent, receipt: id, at };
  const change = row.change_seq === null ? undefined : Number(row.change_seq);
  switch (problem) {
    case "state":
      if (alone("receipts", "receipt_history")) return [];
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
    case "foreign":
      return [
        {
          kind: "altered-history",
          message: `${named(agent)} has a change of receipt ${row.seq} of another agent in its chain`,
          ...place,
        },
      ];
    case "early":
      return [
        {
          kind: "disordered",
          message: `change ${change} of ${named(agent)} says that it was stored before its receipt, ${row.seq}, was`,
          ...place,
          ...(change === undefined ? {} : { seq: change }),
        },
      ];
    case "orphan":
      if (alone("receipt_history", "receipts")) return [];
      return [
        {
          kind: "removed-row",
          message: `change ${change} of ${named(agent)} is of a receipt that is not there`,
          ...place,
        },
      ];
  }
}
