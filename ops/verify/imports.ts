/**
 * Whether what is recorded of imports is what was recorded, and whether every receipt that is dated far from when it was sealed came by
 * one. As queries.ts: PostgreSQL's own functions only.
 */
import type pg from "pg";
import type { Anchor } from "../anchorFormat";
import { isNameless, isOfChain, receiptChain } from "./chainName";
import { named, type Finding } from "./findings";
import { agentIs, clockMayStep, type Range } from "./queries";
import { afterPromotion, type Server } from "./server";

/** The bounds of sql/009_bounds.sql: no function of the database's is asked for them. */
export const [lateness, earliness] = ["15 minutes", "5 minutes"];

/**
 * A receipt whose clock was behind its predecessor's has the predecessor's `sealed_at`: it waited for its head, or the clock was set
 * back. By so much it may seem to be late.
 */
const mostWait = "1 day";

const mostFindings = 100;

/** SQL: when the receipt before one was sealed; NULL where there is none. */
const sealedBefore = `case when r.actor_id <> ''
     then (select max(p.sealed_at) from public.receipts p
            where p.actor_id = r.actor_id and p.lane = r.lane and p.chain_seq = r.chain_seq - 1)
     else (select max(p.sealed_at) from public.receipts p where ${isNameless("p")} and p.chain_seq = r.chain_seq - 1) end`;

const misdated = (agent: string | undefined): string => `
  select ${receiptChain("r")} as agent, r.chain_seq as seq, r.id as receipt, r.created_at::text as at, r.sealed_at::text as sealed,
         r.created_at > r.sealed_at as ahead, count(*) over () as count
    from public.receipts r
   where r.created_at >= $1 and r.created_at < $2${agentIs("receipts", agent, 3)}
     and (r.created_at < r.sealed_at - interval '${lateness}' or r.created_at > r.sealed_at + interval '${earliness}')
     and coalesce((select i.last_seq from audit.imports i where i.agent = ${receiptChain("r")} and i.first_seq <= r.chain_seq
                    order by i.first_seq desc limit 1), 0) < r.chain_seq
     and (r.created_at < r.sealed_at - interval '${mostWait}' or r.created_at > r.sealed_at or
          r.sealed_at is distinct from ${sealedBefore})
   order by agent, seq limit ${mostFindings}`;

interface Misdated {
  agent: string;
  seq: string;
  receipt: string;
  at: string;
  sealed: string;
  ahead: boolean;
  /** Of all, those that are not listed too. */
  count: string;
}

/** Receipts of a range of time that no import brought. */
export async function misdatedReceipts(
  client: pg.Client,
  { since, until }: Range,
  agent: string | undefined,
): Promise<{ findings: Finding[]; more: number }> {
  const { rows } = await client.query<Misdated>(misdated(agent), [
    since,
    until,
    ...(agent === undefined ? [] : [agent]),
  ]);
  const findings = rows.map(({ agent: of, seq, receipt, at, sealed, ahead }): Finding => ({
    kind: "misdated",
    message: `receipt ${seq} of ${named(of)} is dated ${at}, more than ${ahead ? `${earliness} after` : `${lateness} before`} it was sealed, at ${sealed}, and no import is recorded that brought it`,
    agent: of,
    seq: Number(seq),
    receipt,
    at,
  }));
  return { findings, more: Number(rows[0]?.count ?? 0) - rows.length };
}

/** SQL: when the receipts at the ends of imports were sealed, of each agent in one pass, by the index on agents, whose collation is not that of imports. */
const sealedAtEnds = `
  ends as materialized (select agent, first_seq as seq from audit.imports union select agent, last_seq from audit.imports),
  spans as materialized (select agent, min(seq) as first, max(seq) as last from ends group by agent),
  sealed as materialized (
    select e.agent, e.seq, max(p.sealed_at) as at
      from (select s.agent, p.* from spans s cross join lateral (
              select chain_seq, sealed_at from public.receipts
               where ${isOfChain('s.agent collate "default"')} and chain_seq between s.first and s.last offset 0) p where s.agent <> ''
            union all
            select s.agent, p.* from spans s cross join lateral (
              select chain_seq, sealed_at from public.receipts
               where ${isNameless()} and chain_seq between s.first and s.last offset 0) p where s.agent = '') p
      join ends e on e.agent = p.agent and e.seq = p.chain_seq
     group by e.agent, e.seq)`;

const importsThatDiffer = `
  with ${sealedAtEnds},
  chain as (
    select i.*, seq = row_number() over chain and seal = sha256(record_send(row(
             coalesce(lag(seal) over chain, ''::bytea), seq, textsend(reason), textsend(opened_by), textsend(application), opened_at,
             textsend(agent), first_seq, last_seq, sealed_at))) is true as follows,
           sealed_at < lag(sealed_at) over chain - ${clockMayStep} as runs_back
      from audit.imports i window chain as (order by seq)
  ),
  import as (
    select i.*, (select max(h.seq) from audit.chain_heads h where h.agent = i.agent) as head,
           f.at as first_sealed, l.at as last_sealed
      from chain i
      left join sealed f on f.agent = i.agent and f.seq = i.first_seq
      left join sealed l on l.agent = i.agent and l.seq = i.last_seq
  )
  select seq, agent, first_seq, last_seq, opened_at::text as opened, first_sealed::text as first, follows, runs_back,
         coalesce(head, 0) as head, first_sealed < opened_at - ${clockMayStep} as later,
         sealed_at::text as sealed, last_sealed::text as last, last_sealed > sealed_at + ${clockMayStep} as earlier
    from import
   where not follows or runs_back or coalesce(head, 0) < last_seq and last_sealed is null
      or first_sealed < opened_at - ${clockMayStep} or last_sealed > sealed_at + ${clockMayStep}
   order by seq limit ${mostFindings}`;

interface ImportRow {
  seq: string;
  agent: string;
  first_seq: string;
  last_seq: string;
  opened: string;
  /** When the first receipt was sealed; null where it is not here. */
  first: string | null;
  follows: boolean;
  runs_back: boolean | null;
  head: string;
  later: boolean | null;
  sealed: string;
  last: string | null;
  earlier: boolean | null;
}

function wrongWith(row: ImportRow): string {
  const whose = `of ${named(row.agent)}`;
  if (!row.follows) return "does not follow from the one before it";
  if (row.runs_back) return "says that it was recorded before the one it follows";
  if (row.later) return `began at ${row.opened}, after receipt ${row.first_seq} ${whose} was sealed, at ${row.first}`;
  if (row.earlier) return `ended at ${row.sealed}, before receipt ${row.last_seq} ${whose} was sealed, at ${row.last}`;
  return `says that it brought receipt ${row.last_seq} ${whose}, whose head has place ${row.head}`;
}

/** What anchors name of it: the import at a place, and that there was none beyond it. */
const anchoredImports = `
  select a.n, i.seal is distinct from decode(a.seal, 'hex') as differs, encode(i.seal, 'hex') as here,
         (select min(l.seq) from audit.imports l where l.seq > a.seq and l.sealed_at < a.as_of - interval '1 hour') as later
    from unnest($1::int8[], $2::text[], $3::timestamptz[]) with ordinality a (seq, seal, as_of, n)
    left join audit.imports i on i.seq = a.seq and a.seq > 0 order by a.seq`;

interface Compared {
  n: string;
  differs: boolean;
  /** The seal that is at its place; null where there is none. */
  here: string | null;
  later: string | null;
}

/** What is wrong with the chain of imports, by itself and against anchors. */
export async function importFindings(
  client: pg.Client,
  anchors: readonly Anchor[],
  server: Server,
): Promise<Finding[]> {
  const { rows } = await client.query<ImportRow>(importsThatDiffer);
  const compared = await client.query<Compared>(anchoredImports, [
    anchors.map(({ imports }) => imports.seq),
    anchors.map(({ imports }) => imports.seal),
    anchors.map(({ as_of }) => as_of),
  ]);
  let forked = false;
  const against = compared.rows.flatMap(({ n, differs, here, later }): Finding[] => {
    const anchor = anchors[Number(n) - 1]!;
    const { imports, as_of, source } = anchor;
    const findings: Finding[] = [];
    if (imports.seq > 0 && differs) {
      const fork = unlike(anchor, here, afterPromotion(anchor, { chain: "imports", agent: "" }, server));
      // Those after it are of the branch that this server has not.
      if (fork.kind !== "forked" || !forked) findings.push(fork);
      forked ||= fork.kind === "forked";
    }
    if (later !== null)
      findings.push(
        altered(
          `import ${later} says that it was recorded before ${as_of}, when an anchor was made that does not know it (${source})`,
        ),
      );
    return findings;
  });
  return [...rows.map((row) => altered(`import ${row.seq} ${wrongWith(row)}`)), ...against];
}

const altered = (message: string): Finding => ({ kind: "altered-import", message });

/** The import that an anchor names is not here, or another one. */
function unlike(
  { imports: { seq }, as_of, source }: Anchor,
  here: string | null,
  promoted: string | undefined,
): Finding {
  const place = { seq, ...(here !== null && { found: here }) };
  if (promoted !== undefined && here !== null)
    return {
      kind: "forked",
      message: `the chain of imports forked at import ${seq} or before: another one was anchored at ${as_of} (${source}). It was recorded by a server that this one is not the continuation of: ${promoted}`,
      ...place,
    };
  const lost =
    promoted === undefined ? "" : `; ${promoted}: what was not replicated when this one was promoted is lost to it`;
  const what = here === null ? "is gone" : "is not the one";
  return { ...altered(`import ${seq} ${what} that was anchored at ${as_of} (${source})${lost}`), ...place };
}
