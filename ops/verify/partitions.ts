/** Whether each partition holds what its bounds say, and the months of receipts and of their history are the same. */
import type pg from "pg";
import list from "../../sql/catalog.json";
import { chainKinds, chainNames, type ChainName } from "./chainKinds";
import type { Finding } from "./findings";

interface Partition {
  oid: number;
  name: string;
  /** NULL where the partition has no such end. */
  since: string | null;
  until: string | null;
  bound: string;
  /** The constraint by which ATTACH believes where the past ends (audit.bound_past). */
  pastBound: string | null;
  /** The column that the table is partitioned by. */
  key: string;
}

const bounds = /^FOR VALUES FROM \((?:'([^']+)'|MINVALUE)\) TO \((?:'([^']+)'|MAXVALUE)\)$/;

/** Tables by month, of which those of the trail are two. */
const monthly = Object.keys(list).flatMap((name) => (name.endsWith("_*") ? [name.slice(0, -2)] : []));

/** In order of time; the bounds as the catalog has them, which decides where a query looks for rows of a time. */
async function partitionsOf(client: pg.Client, table: string): Promise<Partition[]> {
  const { rows } = await client.query<Omit<Partition, "since" | "until">>(
    `select c.oid, format('%I.%I', n.nspname, c.relname) as name, pg_get_expr(c.relpartbound, c.oid) as bound,
            (select pg_get_constraintdef(k.oid) from pg_constraint k where k.conrelid = c.oid and k.conname = 'past_bound') as "pastBound",
            substring(pg_get_partkeydef(i.inhparent) from '\\((.*)\\)') as key
       from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
      where i.inhparent = to_regclass($1)`,
    [table],
  );
  return rows
    .map((row) => {
      const [, since, until] = bounds.exec(row.bound) ?? [];
      return { ...row, since: since ?? null, until: until ?? null };
    })
    .sort((a, b) => ((a.since ?? "") < (b.since ?? "") ? -1 : 1));
}

export async function partitionFindings(client: pg.Client): Promise<Finding[]> {
  const findings: Finding[] = [];
  const off = (message: string) => findings.push({ kind: "guard-off", message });
  /** Up to where months have left. */
  const begins = new Map<ChainName, string>();
  for (const table of monthly) {
    const name = chainNames.find((chain) => chainKinds[chain].table === table);
    const partitions = await partitionsOf(client, table);
    const past = partitions[0]?.until;
    if (name && past) begins.set(name, past);
    let end: string | null = null;
    for (const [i, { name: partition, since, until, bound, pastBound, key }] of partitions.entries()) {
      if (!bounds.test(bound)) off(`${partition} has bounds that no migration makes: ${bound}`);
      else if (i === 0 ? since !== null : since === null || since !== end)
        off(`${table} has no partition from ${end ?? "the beginning of time"} on: ${partition} begins at ${since}`);
      const ends = `CHECK ((${key} < '${until}'::timestamp with time zone))`;
      if (i === 0 && pastBound?.replace(/ NOT VALID$/, "") !== ends)
        off(`the constraint past_bound of ${partition} is ${pastBound ?? "missing"}, and should be ${ends}`);
      const named = /_(\d{4})_(\d{2})$/.exec(partition);
      if (named && since !== `${named[1]}-${named[2]}-01 00:00:00+00`)
        off(`${partition} holds another month than its name says: ${bound}`);
      end = until;
    }
    if (end !== null) off(`${table} has no partition from ${end} on`);
    if (name) findings.push(...(await misplaced(client, table, chainKinds[name].time, partitions)));
  }
  const [receipts, history] = [begins.get("receipts"), begins.get("history")];
  if (receipts !== undefined && history !== undefined && receipts !== history)
    findings.push({
      kind: "half-archived",
      message: `receipts have months from ${receipts.slice(0, 7)} on and their history from ${history.slice(0, 7)} on: one was archived without the other`,
    });
  if (receipts !== undefined) findings.push(...(await strangeSources(client, receipts)));
  return findings;
}

/**
 * Months leave in order, the oldest first, up to where the past ends. A checkpoint of another month was made up. That a month between them
 * has none says nothing: one without a receipt leaves none. Which months there were is in the bucket's dumps (departures.ts).
 */
async function strangeSources(client: pg.Client, begins: string): Promise<Finding[]> {
  const { rows } = await client.query<{ first: number; last: number; source: string; chain: ChainName }>(
    `select chain, source, min(seq)::float8 as first, max(seq)::float8 as last from audit.checkpoints
      group by chain, source order by first`,
  );
  const sources = rows.map((row) => ({
    ...row,
    month: /_(\d{4}_\d{2})$/.exec(row.source)?.[1]?.replace("_", "-") ?? "",
  }));
  const first = begins.slice(0, 7);
  return sources.flatMap(({ chain, source, month, last }): Finding[] => {
    const later = sources.find((other) => other.chain === chain && other.month > month && other.first < last);
    const wrong =
      source !== `${chainKinds[chain].table.replace(/^\w+\./, "")}_${month.replace("-", "_")}` || month >= first
        ? "which cannot have left"
        : later
          ? `after ${later.source} had left`
          : undefined;
    if (wrong === undefined) return [];
    return [{ kind: "altered-checkpoint", message: `checkpoint ${last} says that rows left with ${source}, ${wrong}` }];
  });
}

/** Rows outside their partition's bounds: a query by time does not find them. All rows are looked at, by no index. */
async function misplaced(
  client: pg.Client,
  table: string,
  time: string,
  partitions: readonly Partition[],
): Promise<Finding[]> {
  const { rows } = await client.query<{ name: string; rows: string; at: string }>(
    `select b.name, count(*) as rows, min(r.${time})::text as at
       from ${table} r join unnest($1::oid[], $2::text[], $3::timestamptz[], $4::timestamptz[]) b (oid, name, since, until) on r.tableoid = b.oid
      where r.${time} < b.since or r.${time} >= b.until
      group by b.name`,
    [
      partitions.map(({ oid }) => oid),
      partitions.map(({ name }) => name),
      partitions.map(({ since }) => since),
      partitions.map(({ until }) => until),
    ],
  );
  return rows.map(({ name, rows: count, at }) => ({
    kind: "misplaced-row",
    message: `${count} ${count === "1" ? "row" : "rows"} of ${table} ${count === "1" ? "is" : "are"} kept in ${name}, whose bounds ${count === "1" ? "it is" : "they are"} not within: no query by time finds ${count === "1" ? "it" : "them"}`,
    at,
  }));
}

/** Rows at infinity, where no range ends: the database refuses them, so someone has taken its refusal away. */
export async function dateless(client: pg.Client): Promise<Finding[]> {
  const counts = chainNames.map((name) => {
    const { table, time } = chainKinds[name];
    return `select '${table}' as place, count(*) from ${table} where ${time} = 'infinity'`;
  });
  const { rows } = await client.query<{ place: string; count: string }>(
    `select * from (${counts.join(" union all ")}) t where count > 0`,
  );
  return rows.map(({ place, count }) => ({
    kind: "inserted-row",
    message: `${count} ${count === "1" ? "row" : "rows"} of ${place} with a time of infinity: not put there by the database`,
  }));
}
