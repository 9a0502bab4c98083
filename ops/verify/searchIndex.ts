/**
 * Whether a search finds every receipt: what is said to be indexed is in the index, as many as there are, and with
 * their words (sql/012_search.sql). As queries.ts, PostgreSQL's own functions only, but for the words themselves: what
 * makes them was compared with the catalog before.
 */
import type pg from "pg";
import { receiptChain } from "./chainName";
import { named, type Finding } from "./findings";

const unindexed = `
  select indexed_until::text as until, unguarded, said,
         said - (select coalesce(sum(c.receipts), 0) from audit.search_chunks c where c.newest < indexed_until) as missing
    from (select i.indexed_until, not l.is_called or l.last_value < extract(epoch from i.line) as unguarded,
                 (select count(*) from public.receipts r where r.created_at < i.indexed_until) as said
            from audit.search_index i, audit.search_line l offset 0) i`;

/**
 * To compare a receipt's words takes about twice the time that indexing them did: of more than these a random sample is
 * asked for.
 */
const mostSampled = 20_000;

const mostFindings = 10;

// The first row that ends at or after a receipt's time has it, or one soon after: the index on that time is followed until then.
// The receipts first: joined with the time up to which they are indexed, the words of all of them were made before that time was looked at.
const withoutWords = `
  select r.id, ${receiptChain("r")} as agent, r.chain_seq as seq, r.created_at::text as at
    from (select * from public.receipts tablesample system ($1)
           where created_at < (select max(indexed_until) from audit.search_index) offset 0) r
   cross join lateral (
     select strip(audit.receipt_words(r.tool_name, r.actor_id, r.envelope)) as words offset 0) own
   where (select true from audit.search_chunks c
           where c.newest >= r.created_at and c.oldest <= r.created_at and (c.words is null or c.words || own.words = c.words)
           order by c.newest limit 1) is null
   limit ${mostFindings}`;

/** No TRUNCATE: a search whose snapshot is older would see the rows gone, and not that nothing is indexed. */
export const makeAnew =
  "begin; delete from audit.search_chunks; update audit.search_index set indexed_until = '-infinity'; commit";
const anew = `have it made anew, as the owner: ${makeAnew}`;

export async function searchIndexFindings(client: pg.Client): Promise<Finding[]> {
  const { rows } = await client.query<{ until: string; unguarded: boolean; said: string; missing: string }>(unindexed);
  const found = (message: string): Finding => ({ kind: "unsearchable", message });
  const { rows: wordless } = await client.query<{ id: string; agent: string; seq: string; at: string }>(withoutWords, [
    // Of all that are there, whatever part of the trail is verified.
    Math.min(100, (100 * mostSampled) / Math.max(Number(rows[0]?.said ?? 0), 1)),
  ]);
  return [
    ...rows.flatMap(({ until, unguarded, missing }) => [
      ...(Number(missing) > 0
        ? [
            found(
              `a search may not find all: ${missing} receipts made before ${until} are not in the index, which is said to have all of them; ${anew}`,
            ),
          ]
        : []),
      ...(unguarded
        ? [found(`a search may not find receipts that came late: audit.search_line was set back; ${anew}`)]
        : []),
    ]),
    ...wordless.map(({ id, agent, seq, at }): Finding => ({
      ...found(
        `a search may not find receipt ${seq} of ${named(agent)}, made at ${at}: the rows of audit.search_chunks of that time lack words of it; ${anew}`,
      ),
      ...{ agent, seq: Number(seq), receipt: id, at },
    })),
  ];
}
