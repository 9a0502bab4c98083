/** Chains of two databases that were restored in different ways, up to the last place that both have. */
import type pg from "pg";
import { archivedKinds } from "../archive/chains";
import { readHeads, type Head } from "../verify/chainHeads";
import { chainKinds, chainNames, type ChainName } from "../verify/chainKinds";
import { actorOf } from "../verify/chainName";
import { named } from "../verify/findings";
import { archivedMonths } from "../verify/restored";
import { drillAgent } from "./usable";

/** A database, and what it is called in messages. */
export interface Side {
  client: pg.Client;
  name: string;
}

export interface ChainsCompared {
  /** That both have, of each kind. */
  chains: Record<string, number>;
  /** Rows up to there, by kind and month. */
  months: { chain: ChainName; month: string; rows: number }[];
  /** Rows beyond, which one side alone has: it shows a later moment. */
  beyond: { chain: ChainName; in: string; rows: number }[];
  differences: string[];
}

/** Places of a chain that both have. */
interface Stretch {
  agent: string;
  first: number;
  last: number;
}

/** @param whole whether the bucket has each chain from its first place on: older segments expire */
export async function compareChains(copies: Side, bucket: Side, whole: boolean): Promise<ChainsCompared> {
  const [ofCopies, ofBucket] = [(await readHeads(copies.client)).heads, (await readHeads(bucket.client)).heads];
  const gone = [...(await archivedMonths(copies.client)), ...(await archivedMonths(bucket.client))];
  const result: ChainsCompared = { chains: {}, months: [], beyond: [], differences: [] };
  for (const chain of chainNames) {
    const [here, there] = [ofCopies[chain], ofBucket[chain]];
    const firsts = whole ? new Map<string, number>() : await firstPlaces(bucket.client, chain);
    const both = [...here.values()].flatMap(({ agent, seq }): Stretch[] => {
      const other = there.get(agent)?.seq ?? 0;
      const last = actorOf(agent) === drillAgent ? 0 : Math.min(seq, other);
      return last > 0 ? [{ agent, first: firsts.get(agent) ?? 1, last }] : [];
    });
    result.chains[chain] = both.length;
    for (const [side, ends, others] of [
      [copies, here, there],
      [bucket, there, here],
    ] as const)
      result.beyond.push({ chain, in: side.name, rows: rowsBeyond(ends, others) });
    result.differences.push(...headDifferences(chain, both, [copies.name, here], [bucket.name, there]));
    const months = await compareMonths(chain, both, gone, copies, bucket);
    result.months.push(...months.months);
    result.differences.push(...months.differences);
  }
  result.differences.push(...(await importDifferences(copies, bucket)));
  return result;
}

function rowsBeyond(heads: ReadonlyMap<string, Head>, others: ReadonlyMap<string, Head>): number {
  const beyond = ({ agent, seq }: Head) =>
    actorOf(agent) === drillAgent ? 0 : Math.max(0, seq - (others.get(agent)?.seq ?? 0));
  return [...heads.values()].reduce((sum, head) => sum + beyond(head), 0);
}

type Named = readonly [name: string, heads: ReadonlyMap<string, Head>];

/** Chains that end at the same place must end with the same seal. */
function headDifferences(chain: ChainName, both: readonly Stretch[], [a, here]: Named, [b, there]: Named): string[] {
  return both.flatMap(({ agent }) => {
    const [one, other] = [here.get(agent), there.get(agent)];
    if (!one || !other || one.seq !== other.seq || one.seal.equals(other.seal)) return [];
    return `${chainKinds[chain].noun} ${one.seq}, the last of ${named(agent)}, has the seal ${one.seal.toString("hex")} in ${a} and ${other.seal.toString("hex")} in ${b}`;
  });
}

/** The one chain of imports, up to the last place that both have. */
async function importDifferences(a: Side, b: Side): Promise<string[]> {
  const { table, seq, seal } = archivedKinds.imports;
  const ask = async ({ client }: Side, upTo?: number) => {
    const { rows } = await client.query<Rows & { last: string }>(
      `select count(*)::int as rows, coalesce(max(${seq}), 0) as last, sum(hashtextextended(encode(${seal}, 'hex'), ${seq})) as digest
         from ${table} where ${seq} <= coalesce($1, ${seq})`,
      [upTo],
    );
    return rows[0];
  };
  const last = Math.min(Number((await ask(a))?.last), Number((await ask(b))?.last));
  const [one, other] = [await ask(a, last), await ask(b, last)];
  if (isSame(one, other)) return [];
  return [`imports up to place ${last}: ${inWhichWay(a, one, b, other)}`];
}

interface Rows {
  rows: number;
  /** Changes with each seal among them. */
  digest: string;
}

async function compareMonths(
  chain: ChainName,
  both: readonly Stretch[],
  gone: readonly string[],
  a: Side,
  b: Side,
): Promise<Pick<ChainsCompared, "months" | "differences">> {
  const [here, there] = [await rowsBy("month", a, chain, both), await rowsBy("month", b, chain, both)];
  const months = [...new Set([...here.keys(), ...there.keys()])].filter((month) => !gone.includes(month)).sort();
  const unlike = months.filter((month) => !isSame(here.get(month), there.get(month)));
  const differences: string[] = [];
  for (const month of unlike) {
    const [ofA, ofB] = [await rowsBy("agent", a, chain, both, month), await rowsBy("agent", b, chain, both, month)];
    for (const { agent, last } of both) {
      const [one, other] = [ofA.get(agent), ofB.get(agent)];
      if (isSame(one, other)) continue;
      const where = `${chainKinds[chain].noun}s of ${named(agent)} of ${month}, up to its place ${last}`;
      differences.push(`${where}: ${inWhichWay(a, one, b, other)}`);
    }
  }
  const rows = (month: string) => ({ chain, month, rows: here.get(month)?.rows ?? 0 });
  return { months: months.filter((month) => !unlike.includes(month)).map(rows), differences };
}

const isSame = (one: Rows | undefined, other: Rows | undefined): boolean =>
  one?.rows === other?.rows && one?.digest === other?.digest;

/** In which way, of two that are. */
const inWhichWay = (a: Side, one: Rows | undefined, b: Side, other: Rows | undefined): string =>
  one?.rows === other?.rows
    ? `both have ${one?.rows}, and their seals are not the same in ${a.name} and in ${b.name}`
    : `${a.name} has ${one?.rows ?? 0}, and ${b.name} ${other?.rows ?? 0}`;

/** How many rows there are in these stretches, and which: by month, or of one month by agent. */
async function rowsBy(
  key: "month" | "agent",
  { client }: Side,
  chain: ChainName,
  stretches: readonly Stretch[],
  month?: string,
): Promise<Map<string, Rows>> {
  const { table, chainOf, seq, seal, time } = chainKinds[chain];
  const monthOf = `to_char(r.${time} at time zone 'UTC', 'YYYY-MM')`;
  const { rows } = await client.query<{ key: string; rows: string; digest: string }>(
    `select ${key === "month" ? monthOf : "s.agent"} as key, count(*) as rows,
            sum(hashtextextended(encode(r.${seal}, 'hex'), r.${seq})) as digest
       from unnest($1::text[], $2::int8[], $3::int8[]) s (agent, first, last)
       join ${table} r on ${chainOf("r")} = s.agent and r.${seq} between s.first and s.last
      where $4::text is null or ${monthOf} = $4
      group by 1`,
    [stretches.map((one) => one.agent), stretches.map(({ first }) => first), stretches.map(({ last }) => last), month],
  );
  return new Map(rows.map(({ key: of, rows: count, digest }) => [of, { rows: Number(count), digest }]));
}

/** Where each chain begins in what the bucket still has. */
async function firstPlaces(client: pg.Client, chain: ChainName): Promise<Map<string, number>> {
  const { table, chainOf, seq } = chainKinds[chain];
  const { rows } = await client.query<{ agent: string; first: string }>(
    `select ${chainOf()} as agent, min(${seq}) as first from ${table} group by 1`,
  );
  return new Map(rows.map((row) => [row.agent, Number(row.first)]));
}
