/**
 * What the verifier asks the server. Hashes are computed where the rows are, by PostgreSQL's built-in functions alone: none of the
 * functions that migrations made is called, so that one altered there explains nothing away. docs/chain.md is the definition.
 */

/** Half-open range of `receipts.created_at`, as timestamptz literals. */
export interface Range {
  since: string;
  until: string;
}

/** An agent's rows, by the index on it; '' are those of no agent. */
export const agentIs = (column: string, agent: string | undefined, parameter: number): string => {
  if (agent === undefined) return "";
  const same = `${column} = $${parameter}`;
  return agent === "" && column === "actor_id" ? ` and (actor_id is null or ${same})` : ` and ${same}`;
};

const content = `sha256(textsend(json_build_array(
    id, envelope_id, parent_receipt_id, created_at at time zone 'UTC', decision_outcome, tool_name, actor_id, envelope, decision)::text))`;

const authensorHash = `encode(sha256(textsend(format(
    '{"id":"%s","envelopeId":"%s","timestamp":"%s","decisionOutcome":"%s","prevReceiptHash":"%s"}',
    id, envelope_id, to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), decision_outcome, prev_receipt_hash))), 'hex')`;

const receiptRows = (where: string) => `
  select coalesce(actor_id, '') collate "C" as agent, coalesce(chain_seq, 0) as seq, coalesce(chain_seal, '') as seal, id, created_at,
         receipt_hash as hash, prev_receipt_hash as prev_hash, ${content} as content, ${authensorHash} = receipt_hash as hash_right
    from public.receipts where ${where} offset 0`;

// All but the first two fields of the record that is hashed; those hold the predecessor's seal, known only once it is found.
const historyRows = (where: string) => `
  select agent collate "C" as agent, coalesce(seq, 0) as seq, coalesce(seal, '') as seal, receipt_id as id, receipt_created_at as created_at,
         substring(record_send(row(
           seq, textsend(agent), receipt_id, receipt_created_at, changed_at, textsend(changed_by), textsend(application),
           textsend(before::text), textsend(after::text))) from 5) as content
    from audit.receipt_history where ${where} offset 0`;

const receiptSeal = `sha256(before_seal || int8send(seq) || content || textsend(coalesce(prev_hash, '')))`;
const historySeal = `sha256(int4send(10) || int4send(17) || int4send(octet_length(before_seal)) || before_seal || content)`;

/**
 * Of all rows in a range only those that say something: where a run of consecutive seqs starts, where it ends, what does not
 * follow from the row before it, and what an anchor names. `$pointAgents`/`$pointSeqs` are parameter numbers.
 */
function runs(rows: string, wrong: string, points?: { agents: number; seqs: number }): string {
  const point = points
    ? `(agent, seq) in (select * from unnest($${points.agents}::text[] , $${points.seqs}::int8[]))`
    : "false";
  return `
  select agent, seq, seal, id, created_at::text as at, hash, prev_hash, content,
         before_seq is distinct from seq - 1 as starts, next_seq is distinct from seq + 1 as ends, ${wrong} as suspect
    from (select *, lag(seq) over chain as before_seq, lag(seal) over chain as before_seal, lag(hash) over chain as before_hash,
                 lead(seq) over chain as next_seq
            from (${rows}) r window chain as (partition by agent order by seq, seal)) w
   where before_seq is distinct from seq - 1 or next_seq is distinct from seq + 1 or ${wrong} or ${point}
   order by agent, seq`;
}

// Every comparison is one that NULL cannot pass: whoever can alter a seal can also drop NOT NULL and take it away. A missing
// seq reads as 0, a missing seal as an empty one, and neither is ever right.
const placed = (link: string) => `(seq < 1 or (before_seq is not distinct from seq - 1 and (${link})))`;
const receiptWrong = `(hash_right is not true or ${placed(`prev_hash is distinct from before_hash or seal is distinct from ${receiptSeal}`)})`;
const historyWrong = placed(`seal is distinct from ${historySeal}`);
const inRange = (column: string) => `${column} >= $1 and ${column} < $2`;
const withoutHash = (rows: string) => `select *, null::text as hash, null::text as prev_hash from (${rows}) h`;

export interface RunQuery {
  agent?: string | undefined;
  points?: boolean | undefined;
}

/** Parameters: since, until[, agent][, point agents, point seqs]. */
export const receiptRuns = ({ agent, points }: RunQuery): string =>
  runs(
    receiptRows(inRange("created_at") + agentIs("actor_id", agent, 3)),
    receiptWrong,
    pointParameters(agent, points),
  );

export const historyRuns = ({ agent, points }: RunQuery): string =>
  runs(
    withoutHash(historyRows(inRange("receipt_created_at") + agentIs("agent", agent, 3))),
    historyWrong,
    pointParameters(agent, points),
  );

function pointParameters(agent: string | undefined, points: boolean | undefined) {
  const next = agent === undefined ? 3 : 4;
  return points ? { agents: next, seqs: next + 1 } : undefined;
}

const inGaps = (seq: string) =>
  ` and ${seq} between $4 and $5 and exists (select from unnest($6::int8[], $7::int8[]) gap (first, last) where ${seq} between gap.first and gap.last)`;

/** One agent's runs in certain gaps. Parameters: since, until, agent, lowest and highest seq, first and last seq of each gap. */
export const receiptRunsIn = (agent: string): string =>
  runs(receiptRows(inRange("created_at") + agentIs("actor_id", agent, 3) + inGaps("chain_seq")), receiptWrong);

export const historyRunsIn = (agent: string): string =>
  runs(
    withoutHash(historyRows(inRange("receipt_created_at") + agentIs("agent", agent, 3) + inGaps("seq"))),
    historyWrong,
  );

/** One agent's rows with certain seqs. Parameters: since, until, agent, seqs. */
export const receiptsWithSeqs = (agent: string): string =>
  `select *, created_at::text as at from (${receiptRows(`${inRange("created_at")}${agentIs("actor_id", agent, 3)} and chain_seq = any ($4::int8[])`)}) r
    order by seq, created_at`;

/** Where the next chunk ends: the time of the row that many rows on. Parameters: since, until, rows[, agent]. */
export const chunkEnd = (agent: string | undefined): string =>
  `select created_at::text as at, created_at > $1::timestamptz as moved from public.receipts
    where ${inRange("created_at")}${agentIs("actor_id", agent, 4)} order by created_at offset $3 limit 1`;

/** When more rows than a chunk's share one time. */
export const nextTime = (agent: string | undefined): string =>
  `select min(created_at)::text as at from public.receipts where created_at > $1 and created_at < $2${agentIs("actor_id", agent, 3)}`;
