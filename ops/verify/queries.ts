/**
 * What the verifier asks the server. Hashes are computed where the rows are, by PostgreSQL's built-in functions alone: none of the
 * functions that migrations made is called, so that one altered there explains nothing away. docs/chain.md is the definition.
 */
import { chainKinds, type ChainName } from "./chainKinds";

/** Half-open range of `receipts.created_at`, as timestamptz literals. */
export interface Range {
  since: string;
  until: string;
}

/** One chain's rows, by the index on agents; '' is the chain of those of no agent. */
export const chainIs = (name: ChainName, chain: string, parameter: number): string => {
  const { isOf, isNameless } = chainKinds[name];
  // Named in either case: a parameter that is not used has no type.
  return chain === "" ? ` and ${isNameless()} and $${parameter}::text = ''` : ` and ${isOf(`$${parameter}::text`)}`;
};

/** An agent's rows, of all its lanes, by the index on it; '' are those of no agent. */
export const agentIs = (name: ChainName, agent: string | undefined, parameter: number): string => {
  if (agent === undefined) return "";
  const { agent: column, namelessIsNull } = chainKinds[name];
  const same = `${column} = $${parameter}`;
  return agent === "" && namelessIsNull ? ` and (${column} is null or ${same})` : ` and ${same}`;
};

/** Bytes of what is sealed up to which they are sent here; a link of more is checked by the server. */
const mostContent = 1_048_576;

/** By how much a clock may be set back, as at the start of a machine, before it is a finding. */
export const clockMayStep = "interval '1 second'";

// A missing seq reads as 0, a missing seal as an empty one, and neither is ever right.
const rowsWhere = (name: ChainName, where: string) => {
  const { chainOf, seq, time, table, clock, columns } = chainKinds[name];
  return `
  select coalesce(${chainOf()}, '') collate "C" as agent, coalesce(${seq}, 0) as seq, ${time} as created_at, ${clock} as clock, ${columns}
    from ${table} where ${where} offset 0`;
};

/**
 * Of all rows in a range only those that say something: where a stretch of consecutive seqs starts, where it ends, what does not
 * follow from the row before it, and what an anchor names (`anchored`: the first of two parameter numbers).
 */
function stretchesOf(name: ChainName, where: string, anchored?: number): string {
  const { late, wrongAlone, wrongLink } = chainKinds[name];
  const isAnchored =
    anchored === undefined
      ? "false"
      : `(agent, seq) in (select * from unnest($${anchored}::text[], $${anchored + 1}::int8[]))`;
  // Every comparison is one that NULL cannot pass: whoever can alter a seal can also drop NOT NULL and take it away.
  const wrong = `(${wrongAlone} or seq < 1 or (before_seq is not distinct from seq - 1 and (${wrongLink})))`;
  // Of a right row two comparisons are made and no sum: of its predecessor's clock, and of now, which is asked for once.
  const early = `(before_clock > clock and before_clock > clock + ${clockMayStep}
         or clock > (select now() + interval '1 minute') or clock = '-infinity')`;
  return `
  select agent, seq, seal, id, created_at::text as at, hash, prev_hash,
         case when octet_length(content) <= ${mostContent} then content end as content, case when isfinite(clock) then (extract(epoch from clock) * 1000000)::int8 end as clock,
         before_seq is distinct from seq - 1 as starts, next_seq is distinct from seq + 1 as ends, ${wrong} as suspect, ${early} is true as disordered
    from (select w.*${late} from (select *, lag(seq) over chain as before_seq, lag(seal) over chain as before_seal, lag(hash) over chain as before_hash,
                 lag(clock) over chain as before_clock, lead(seq) over chain as next_seq
            from (${rowsWhere(name, where)}) r window chain as (partition by agent order by seq, seal)) w offset 0) w
   where before_seq is distinct from seq - 1 or next_seq is distinct from seq + 1 or ${wrong} or ${early} or ${isAnchored}
   order by agent, seq`;
}

/** Whether a row follows from a seal. Parameters: time, agent, seq, id, seal of the row before. For what is too large to be sent. */
export function linkHolds(name: ChainName, agent: string): string {
  const { late, wrongLink, seq, time } = chainKinds[name];
  const where = `${time} = $1${chainIs(name, agent, 2)} and ${seq} = $3`;
  return `select (${wrongLink}) is false as holds from (select w.*${late}, $5::bytea as before_seal, prev_hash as before_hash
            from (${rowsWhere(name, where)}) w where id = $4 offset 0) w`;
}

const inRange = (name: ChainName) => `${chainKinds[name].time} >= $1 and ${chainKinds[name].time} < $2`;

/** Parameters: since, until[, agent][, agents and seqs that anchors name]. */
export const stretches = (
  name: ChainName,
  { agent, anchored }: { agent: string | undefined; anchored: boolean },
): string =>
  stretchesOf(name, inRange(name) + agentIs(name, agent, 3), anchored ? (agent === undefined ? 3 : 4) : undefined);

/** One chain's stretches in certain gaps. Parameters: since, until, agent, lowest and highest seq, first and last seq of each gap. */
export function stretchesInGaps(name: ChainName, agent: string): string {
  const { seq } = chainKinds[name];
  const inGaps = `${seq} between $4 and $5 and exists (
           select from unnest($6::int8[], $7::int8[]) gap (first, last) where ${seq} between gap.first and gap.last)`;
  return stretchesOf(name, `${inRange(name)}${chainIs(name, agent, 3)} and ${inGaps}`);
}

/** One chain's rows with certain seqs. Parameters: since, until, agent, seqs. */
export const receiptsWithSeqs = (agent: string): string =>
  `select *, created_at::text as at
     from (${rowsWhere("receipts", `${inRange("receipts")}${chainIs("receipts", agent, 3)} and chain_seq = any ($4::int8[])`)}) r
    order by seq, created_at`;

/** Where the next chunk ends: the time of the row that many rows on. Parameters: since, until, rows[, agent]. */
export const chunkEnd = (agent: string | undefined): string =>
  `select created_at::text as at, created_at > $1::timestamptz as moved from public.receipts
    where ${inRange("receipts")}${agentIs("receipts", agent, 4)} order by created_at offset $3 limit 1`;

/** When more rows than a chunk's share one time. */
export const nextTime = (agent: string | undefined): string =>
  `select min(created_at)::text as at from public.receipts where created_at > $1 and created_at < $2${agentIs("receipts", agent, 3)}`;
