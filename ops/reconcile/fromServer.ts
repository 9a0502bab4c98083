/**
 * The branches that another server has and this database has not: the old primary's, which was written to until the
 * failover and maybe after it.
 */
import type pg from "pg";
import { archivedKinds } from "../archive/chains";
import { endsOf } from "../archive/ends";
import { genesis, type Place } from "../archive/follow";
import { linesOf } from "../archive/rows";
import { Failure } from "../program";
import { takeAnchor } from "../takeAnchor";
import { chainNames } from "../verify/chainKinds";
import { isAgents } from "../verify/chainName";
import { chainIs } from "../verify/queries";
import { readServer } from "../verify/server";
import { inSnapshot } from "../verify/session";
import { assertComparable, followed, mostRows, rowOf, sealsAt, type Branch, type BranchRow } from "./branch";

/** How far back the two are compared, further each time. */
const spans = ["1 hour", "1 day", "31 days", "5000 years"];

/** @param agent of this one alone */
export async function branchesOnServer(client: pg.Client, old: pg.Client, agent?: string): Promise<Branch[]> {
  const [here, there] = [endsOf(await takeAnchor(client)), endsOf(await takeAnchor(old))];
  const { system, timeline } = await readServer(old);
  const from = `server ${system}, timeline ${timeline}`;
  const branches: Branch[] = [];
  let total = 0;
  for (const chain of chainNames)
    for (const [of, end] of there[chain]) {
      const head = here[chain].get(of);
      if (!isAgents(agent, of) || (head?.seq === end.seq && head.seal.equals(end.seal))) continue;
      const base = await baseOf(client, old, { chain, agent: of }, end);
      if (base.seq === end.seq) continue;
      total += end.seq - base.seq;
      if (total > mostRows)
        throw new Failure(`more than ${mostRows} rows are on the old server alone, more than one run keeps in memory`, [
          "name one agent after another: --agent",
        ]);
      const rows: BranchRow[] = [];
      const piece = {
        chain,
        agent: of,
        from: base,
        last: end.seq,
        head: end,
        beyond: 0,
        checkpoints: [],
        repeated: false,
      };
      await inSnapshot(old, async () => {
        for await (const lines of linesOf(old, [piece], new Map()))
          rows.push(...lines.map((bytes) => rowOf(bytes, from)));
      });
      const branch = followed(chain, of, base, rows, end);
      await assertComparable(client, branch);
      branches.push(branch);
    }
  return branches;
}

/** The last place that both have: a chain that has forked has no place in common after it. */
async function baseOf(
  client: pg.Client,
  old: pg.Client,
  of: Pick<Branch, "chain" | "agent">,
  end: Place,
): Promise<Place> {
  for (const span of spans) {
    const there = await newestOf(old, of, end, span);
    const here = await sealsAt(
      client,
      of,
      there.map(({ seq }) => seq),
      there[0]?.since,
    );
    const common = there.findLast(({ seq, seal }) => here.get(seq) === seal.toString("hex"));
    if (common) return { seq: common.seq, seal: common.seal, hash: common.hash };
  }
  return genesis;
}

/** Rows of a chain that were made within a time before its last one, in their order. */
async function newestOf(
  client: pg.Client,
  { chain, agent }: Pick<Branch, "chain" | "agent">,
  end: Place,
  span: string,
): Promise<(Place & { seq: number; since: string })[]> {
  const { table, seq, seal } = archivedKinds[chain];
  const [time, hash] = chain === "receipts" ? ["created_at", "receipt_hash"] : ["receipt_created_at", "null::text"];
  const { rows } = await client.query<{ seq: string; seal: Buffer; hash: string | null; since: string }>(
    `with last as (
       select greatest(max(${time}) - $3::interval, '0001-01-01') as since from ${table} where ${seq} = $2${chainIs(chain, agent, 1)}
     )
     select ${seq} as seq, ${seal} as seal, ${hash} as hash, (select since::text from last) as since
       from ${table} where ${time} >= (select since from last)${chainIs(chain, agent, 1)} order by ${seq}`,
    [agent, end.seq, span],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
}
