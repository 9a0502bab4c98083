/**
 * Whether a search finds every receipt: what is said to be indexed is in the index, as many as there are (sql/015_search.sql). As
 * queries.ts: PostgreSQL's own functions only.
 */
import type pg from "pg";
import type { Finding } from "./findings";

const unindexed = `
  select i.indexed_until::text as until, l.last_value < extract(epoch from i.line) as unguarded,
         (select count(*) from public.receipts r where r.created_at < i.indexed_until)
           - (select coalesce(sum(c.receipts), 0) from audit.search_chunks c where c.newest < i.indexed_until) as missing
    from audit.search_index i, audit.search_line l`;

const anew =
  "have it made anew, as the owner: begin; truncate audit.search_chunks; update audit.search_index set indexed_until = '-infinity'; commit";

export async function searchIndexFindings(client: pg.Client): Promise<Finding[]> {
  const { rows } = await client.query<{ until: string; unguarded: boolean; missing: string }>(unindexed);
  const found = (message: string): Finding => ({ kind: "unsearchable", message });
  return rows.flatMap(({ until, unguarded, missing }) => [
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
  ]);
}
