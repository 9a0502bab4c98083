/**
 * Stores lost receipts as recovered ones: in chains of their own, as an import of the owner's, each proven in the
 * transaction that stores it.
 */
import type pg from "pg";
import { Failure } from "../program";
import type { LostReceipt } from "./lost";
import { sortByIds, type Sorted } from "./compareIds";
import { origin, originalContent, originOf, recoveredAgent, recoveredKey } from "./recovered";

/** Of one transaction. */
const [mostReceipts, mostBytes] = [200, 8_000_000];

export interface BroughtIn extends Omit<Sorted, "missing"> {
  /** Stored by this run. */
  stored: LostReceipt[];
  /** Too long together with their origin: a sentence each. */
  tooLong: string[];
}

/** A run that was cut off is gone on with by the next; two at once wait for each other. */
export async function bringIn(
  client: pg.Client,
  lost: readonly LostReceipt[],
  signal: AbortSignal,
): Promise<BroughtIn> {
  const all: BroughtIn = { stored: [], recovered: [], sentAgain: [], conflicts: [], gone: [], tooLong: [] };
  for (const some of inBatches(lost)) {
    signal.throwIfAborted();
    await client.query(
      "begin; set local timezone = 'UTC'; set local audit.lanes = '1'; set local search_path = pg_catalog, pg_temp; select pg_advisory_xact_lock(hashtextextended('authensor: receipts are recovered', 0))",
    );
    try {
      const { missing, ...sorted } = await sortByIds(client, some);
      const { stored, tooLong } = await store(client, missing);
      await client.query("commit");
      all.stored.push(...stored);
      all.tooLong.push(...tooLong);
      all.recovered.push(...sorted.recovered);
      all.sentAgain.push(...sorted.sentAgain);
      all.conflicts.push(...sorted.conflicts);
      all.gone.push(...sorted.gone);
    } catch (error) {
      await client.query("rollback").catch(() => undefined);
      throw error;
    }
  }
  return all;
}

function* inBatches(lost: readonly LostReceipt[]): Generator<LostReceipt[]> {
  let [batch, bytes]: [LostReceipt[], number] = [[], 0];
  for (const receipt of lost) {
    batch.push(receipt);
    bytes += receipt.statement.length;
    if (batch.length < mostReceipts && bytes < mostBytes) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

/** SQL: the rows to be stored, from what each said, its origin, and what its changes made of it. */
const given = `
  given as (
    select n, agent, s::jsonb as said, o::jsonb as origin, c::jsonb as changes
      from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality g (agent, s, o, c, n)
  ), dated as (
    select *, (said ->> 3)::timestamp at time zone 'UTC' as at from given
  ), states as (
    select *, audit.birth_state(said ->> 4, at) || coalesce(
             (select jsonb_object_agg(e.key, e.value order by a.n)
                from jsonb_array_elements(changes) with ordinality a (change, n), jsonb_each(a.change) e), '{}') as state
      from dated
  ), origins as (
    select *, said -> 7 as was, origin || jsonb_build_object('actor', said -> 6, 'status', state -> 'status') as whole from states
  ), rows as (
    select *, case when jsonb_typeof(was) = 'object' and not was ? '${recoveredKey}'
                then was || jsonb_build_object('${recoveredKey}', whole)
                else jsonb_build_object('${recoveredKey}', whole || jsonb_build_object('envelope', was)) end as envelope
      from origins
  )`;

/** What was to be done is not to be done by anybody now: whether it was, the lost timeline alone knew. */
const status = "case when r.status = 'pending' then 'cancelled' else r.status end";
const updatedAt = "case when r.status = 'pending' then now() else r.updated_at end";

async function store(
  client: pg.Client,
  missing: readonly LostReceipt[],
): Promise<{ stored: LostReceipt[]; tooLong: string[] }> {
  const agents = [...new Set(missing.map(({ agent }) => recoveredAgent(agent)))];
  const parameters = (of: readonly LostReceipt[]) => [
    of.map(({ agent }) => recoveredAgent(agent)),
    of.map(({ statement }) => statement),
    of.map((receipt) => JSON.stringify(originOf(receipt))),
    of.map(({ changes }) => `[${changes.map(({ after }) => after).join(",")}]`),
  ];
  const { rows: lengths } = await client.query<{ n: string; bytes: number; most: number }>(
    `with ${given} select n, octet_length(envelope::text) as bytes, audit.max_document_bytes() as most from rows
      where octet_length(envelope::text) > audit.max_document_bytes()`,
    parameters(missing),
  );
  const long = new Map(lengths.map((row) => [Number(row.n) - 1, row]));
  const tooLong = [...long].map(
    ([i, { bytes, most }]) =>
      `${missing[i]!.id}: its envelope has ${bytes} bytes together with where it was, at most ${most} are stored; it stays in ${missing[i]!.from}`,
  );
  const stored = missing.filter((_, i) => !long.has(i));
  if (stored.length === 0) return { stored, tooLong };

  await openImport(client, stored, agents);
  const { rows } = await client.query<{ id: string; seal: string; content: string }>(
    `with ${given}, stored as (
       insert into public.receipts (
         id, envelope_id, parent_receipt_id, created_at, decision_outcome, tool_name, actor_id, envelope, decision,
         status, approval, approval_status, execution, result, error, updated_at,
         claim_id, claimed_at, claim_expires_at, execution_attempts, rekor_entry_id)
       select (said ->> 0)::uuid, (said ->> 1)::uuid, (said ->> 2)::uuid, at, said ->> 4, said ->> 5, agent, rows.envelope, said -> 8,
              ${status}, r.approval, r.approval_status, r.execution, r.result, r.error, ${updatedAt},
              r.claim_id, r.claimed_at, r.claim_expires_at, r.execution_attempts, r.rekor_entry_id
         from rows cross join lateral jsonb_populate_record(null::public.receipts, state) r
        order by agent collate "C", n
       returning *
     )
     select id, ${origin} ->> 'seal' as seal, encode(${originalContent}, 'hex') as content from stored`,
    parameters(stored),
  );
  const here = new Map(rows.map((row) => [row.id, row]));
  const unlike = stored.filter(
    ({ id, seal, content }) => here.get(id)?.seal !== seal || here.get(id)?.content !== content,
  );
  if (unlike.length > 0)
    throw new Failure("what would be stored does not say what was sealed; nothing of it was stored", [
      ...unlike.slice(0, 5).map(({ id, from }) => `${id}, of ${from}`),
    ]);
  return { stored, tooLong };
}

/**
 * All of them are the import's, however old they are: audit.record_import tells of those alone that are dated far from
 * their seals.
 */
async function openImport(client: pg.Client, receipts: readonly LostReceipt[], agents: string[]): Promise<void> {
  const sources = [...new Set(receipts.map(({ from }) => from))].join(", ");
  const reason = `recovered: receipts of another timeline, of ${sources}`.slice(0, 1000);
  await client.query("select audit.open_import($1)", [reason]);
  await client.query(
    'select from audit.chain_heads where agent = any ($1::text[]) order by agent collate "C" for no key update',
    [agents],
  );
  await client.query(
    `insert into audit.open_imports (reason, agent, first_seq)
     select $1, a, coalesce((select max(h.seq) from audit.chain_heads h where h.agent = a), 0) + 1 from unnest($2::text[]) a`,
    [reason, agents],
  );
}
