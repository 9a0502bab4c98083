/** Receipts by their words, by id, or the latest. */
import { find } from "../../../ops/search/find";
import { parseTime } from "../../../ops/times";
import type { Searched } from "../answers";
import { asAuditor } from "./auditor";
import type { Asked } from "./asked";

const most = 50;

export async function search({ url, signal }: Asked): Promise<Searched> {
  const query = (url.searchParams.get("q") ?? "").trim();
  const since = parseTime("since", url.searchParams.get("since") ?? "30d");
  const question = { query, latest: query === "", since, until: null, limit: most };
  const { by, rows } = await asAuditor(signal, (client) => find(client, question));
  return {
    by,
    since,
    more: rows.length === most,
    rows: rows.map((row) => ({ ...row, created_at: row.created_at.toISOString() })),
  };
}
