/** What of a chain only another timeline has: its rows after the last place that it and this database both have. */
import type pg from "pg";
import { archivedKinds, ownerOf } from "../archive/chains";
import { Follower, genesis, type Place } from "../archive/follow";
import { readLine, type Line } from "../archive/lines";
import type { ChainName } from "../verify/chainKinds";
import { chainIs } from "../verify/queries";

export interface BranchRow {
  bytes: Buffer;
  line: Line;
  /** Where it was read: a manifest's key, or a server. */
  from: string;
}

export interface Branch {
  chain: ChainName;
  agent: string;
  /** The last place that both have. */
  base: Place;
  /** All that follow it, in their order. */
  rows: BranchRow[];
  /** Why it cannot be taken for what was sealed: a sentence each. */
  problems: string[];
}

/** Rows that one run keeps in memory. */
export const mostRows = 200_000;

export const rowOf = (bytes: Buffer, from: string): BranchRow => ({
  // What it is part of would stay in memory with it.
  bytes: Buffer.from(bytes),
  line: readLine(bytes).line,
  from,
});

/**
 * A branch whose rows follow from the place that both have, one from another, up to the end that is known of it.
 * @param end the seal of its last row, as the manifest or the head has it
 */
export function followed(
  chain: ChainName,
  agent: string,
  base: Place,
  rows: BranchRow[],
  end: { seq: number; seal: Buffer },
): Branch {
  const follower = new Follower({
    chain,
    agent,
    from: base,
    last: end.seq,
    head: { ...end, hash: rows.at(-1)?.line.hash ?? null },
    beyond: 0,
    checkpoints: [],
    repeated: false,
  });
  for (const { line } of rows) follower.take(line);
  follower.finish();
  return { chain, agent, base, rows, problems: follower.flaws.map(({ says }) => says) };
}

/**
 * The seals that this database has at places of a chain, in hex; those of rows that have left with a month where a
 * checkpoint ends with them.
 */
export async function sealsAt(
  client: pg.Client,
  { chain, agent }: Pick<Branch, "chain" | "agent">,
  places: readonly number[],
  since = "-infinity",
): Promise<Map<number, string>> {
  const { table, seq, seal } = archivedKinds[chain];
  const time = chain === "receipts" ? "created_at" : "receipt_created_at";
  const { rows } = await client.query<{ seq: string; seal: string }>(
    `select ${seq} as seq, encode(${seal}, 'hex') as seal from ${table}
      where ${seq} = any ($2::int8[]) and ${time} >= $3${chainIs(chain, agent, 1)}
      union all
     select last_seq, encode(last_seal, 'hex') from audit.checkpoints
      where chain = '${chain}' and agent = $1 and last_seq = any ($2::int8[])`,
    [agent, places, since],
  );
  return new Map(rows.map((row) => [Number(row.seq), row.seal]));
}

/** The last of some rows that this database has too; the chain's beginning where it is to begin here. */
export async function commonPlace(
  client: pg.Client,
  of: Pick<Branch, "chain" | "agent">,
  rows: readonly BranchRow[],
): Promise<Place | undefined> {
  const here = await sealsAt(
    client,
    of,
    rows.map(({ line }) => line.seq),
  );
  const last = rows.findLast(({ line }) => here.get(line.seq) === line.seal.toString("hex"));
  if (last) return { seq: last.line.seq, seal: last.line.seal, hash: last.line.hash };
  return rows[0]?.line.seq === 1 ? genesis : undefined;
}

/** What left this database with its month has no row to be compared: a place before it may be in both all the same. */
export async function assertComparable(client: pg.Client, branch: Branch): Promise<void> {
  const { chain, agent, base } = branch;
  const { rows } = await client.query<{ last: string | null }>(
    `select max(last_seq) as last from audit.checkpoints where chain = '${chain}' and agent = $1`,
    [agent],
  );
  const last = Number(rows[0]?.last ?? 0);
  if (last > base.seq)
    branch.problems.push(
      `${archivedKinds[chain].noun}s up to ${last} of ${ownerOf(branch)} have left this database with their month: where the two chains part cannot be told`,
    );
}
