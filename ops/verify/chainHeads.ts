/** Heads: where each chain ends, as the database keeps it. */
import type pg from "pg";
import { chainKinds, chainNames, ofEachChain, type ChainName } from "./chainKinds";
import { named, type Finding } from "./findings";

export interface Head {
  agent: string;
  seq: number;
  seal: Buffer;
  hash: string | null;
  /** When its last row was stored, in microseconds since 1970; undefined at no time. */
  clock: number | undefined;
}

export type Heads = Record<ChainName, Map<string, Head>>;

export async function readHeads(client: pg.Client): Promise<{ heads: Heads; doubles: Finding[] }> {
  const heads = ofEachChain(() => new Map<string, Head>());
  const doubles: Finding[] = [];
  for (const name of chainNames) {
    const { heads: table, headHash, clock, noun, findings } = chainKinds[name];
    const { rows } = await client.query<Omit<Head, "seq" | "clock"> & { seq: string; clock: string | null }>(
      `select agent, seq, coalesce(seal, '') as seal, ${headHash ?? "null"} as hash,
              case when isfinite(${clock}) then (extract(epoch from ${clock}) * 1000000)::int8 end as clock from ${table}`,
    );
    for (const row of rows) {
      if (heads[name].has(row.agent)) {
        const message = `${named(row.agent)} has more than one head: the next ${noun} would follow from any of them`;
        doubles.push({ kind: findings.head, message, agent: row.agent });
      }
      heads[name].set(row.agent, {
        ...row,
        // No chain is so long that this says less than the number itself.
        seq: Math.min(Number(row.seq), Number.MAX_SAFE_INTEGER),
        clock: row.clock === null ? undefined : Number(row.clock),
      });
    }
  }
  return { heads, doubles };
}

/** Chains that were begun (audit.begin_chain) and have no head, and heads of chains that were not. */
export async function headless(client: pg.Client, heads: Heads): Promise<Finding[]> {
  const { rows } = await client.query<{ heads: string; agent: string }>(
    "select heads, agent from audit.chains order by heads, agent",
  );
  return chainNames.flatMap((name) => {
    const { heads: table, noun, findings } = chainKinds[name];
    const begun = new Set(rows.flatMap((row) => (`audit.${row.heads}` === table ? [row.agent] : [])));
    const says = (agent: string, what: string): Finding => ({
      kind: findings.head,
      message: `the chain of ${noun}s of ${named(agent)} ${what}`,
      agent,
    });
    return [
      ...[...begun]
        .filter((agent) => !heads[name].has(agent))
        .map((agent) => says(agent, "was begun and has no head: all that is to be stored of it is refused")),
      ...[...heads[name].keys()]
        .filter((agent) => !begun.has(agent))
        .map((agent) =>
          says(agent, "has a head and is not in audit.chains: without its head a second one would begin at 1"),
        ),
    ];
  });
}

/** The database makes a head together with its first row. One without a row would be what the next row follows from. */
export const emptyHeads = (heads: Heads): Finding[] =>
  chainNames.flatMap((name) =>
    [...heads[name].values()]
      .filter(({ seq }) => seq < 1)
      .map(({ agent, seq }) => ({
        kind: chainKinds[name].findings.head,
        message: `the head of ${named(agent)} has place ${seq}, at which there is no ${chainKinds[name].noun}: it was not put there by the database`,
        agent,
      })),
  );
