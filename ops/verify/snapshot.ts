/** What is read once per snapshot: heads, checkpoints, and whether the guards that keep the trail are in place. */
import type pg from "pg";
import { Failure } from "../program";
import { sqlState } from "../database";
import type { Anchor } from "../anchorFormat";
import type { Finding } from "./findings";
import { guardFindings } from "./guards";
import { chainKinds, chainNames, ofEachChain, type ChainName } from "./chainKinds";

export interface Head {
  agent: string;
  seq: number;
  seal: Buffer;
  hash: string | null;
}

export interface Checkpoint {
  chain: ChainName;
  agent: string;
  first: number;
  last: number;
  seal: Buffer;
  hash: string | null;
}

export interface Snapshot {
  heads: Record<ChainName, Map<string, Head>>;
  checkpoints: Record<ChainName, Map<string, Checkpoint[]>>;
  /** Partitions that were archived: named by checkpoints, and no longer here. */
  archived: Set<string>;
  checkpointCount: number;
  findings: Finding[];
  estimate: number;
  /** What the snapshot shows the state of. */
  asOf: string;
  standby: boolean;
}

interface HeadRow extends Omit<Head, "seq"> {
  seq: string;
}

/** Reads it, or fails with a clear line where something is not there or not to be read: never an empty answer instead. */
export async function readSnapshot(client: pg.Client, anchors: readonly Anchor[]): Promise<Snapshot> {
  try {
    await assertReadable(client);
    const heads = ofEachChain(() => new Map<string, Head>());
    for (const name of chainNames) {
      const { heads: table, headHash } = chainKinds[name];
      const { rows } = await client.query<HeadRow>(
        `select agent, seq, coalesce(seal, '') as seal, ${headHash ?? "null"} as hash from ${table}`,
      );
      for (const row of rows) heads[name].set(row.agent, { ...row, seq: Number(row.seq) });
    }
    const about = await client.query<{ as_of: string; standby: boolean; estimate: string }>(
      `select case when pg_is_in_recovery() then coalesce(pg_last_xact_replay_timestamp(), now()) else now() end::text as as_of,
              pg_is_in_recovery() as standby,
              (select coalesce(sum(greatest(c.reltuples, 0)), 0)::int8
                 from pg_partition_tree('public.receipts') t join pg_class c on c.oid = t.relid and t.isleaf) as estimate`,
    );
    const { rows: checkpoints } = await client.query<CheckpointRow>(checkpointRows);
    const byAgent: Snapshot["checkpoints"] = ofEachChain(() => new Map());
    for (const row of checkpoints) {
      const { chain, agent } = row;
      const list = byAgent[chain].get(agent) ?? [];
      byAgent[chain].set(agent, list);
      list.push({
        chain,
        agent,
        first: Number(row.first_seq),
        last: Number(row.last_seq),
        seal: row.last_seal,
        hash: row.last_hash,
      });
    }
    for (const name of chainNames) for (const list of byAgent[name].values()) list.sort((a, b) => a.first - b.first);
    return {
      heads,
      checkpoints: byAgent,
      archived: new Set(checkpoints.filter((row) => !row.present).map((row) => row.source)),
      checkpointCount: checkpoints.length,
      findings: [
        ...checkpointFindings(checkpoints, anchors),
        ...(await dateless(client)),
        ...(await guardFindings(client)),
      ],
      estimate: Number(about.rows[0]?.estimate),
      asOf: about.rows[0]?.as_of ?? "",
      standby: about.rows[0]?.standby ?? false,
    };
  } catch (error) {
    const code = sqlState(error);
    if (code === "42501" || code === "42P01" || code === "3F000")
      throw new Failure(`the trail cannot be verified: ${(error as Error).message}`, [
        "verify needs what authensor_auditor may read: receipts, and in schema audit the history, heads and checkpoints",
      ]);
    throw error;
  }
}

async function assertReadable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string; kind: string | null }>(
    `select name, (select relkind::text from pg_class where oid = to_regclass(name)) as kind
       from unnest($1::text[]) name`,
    [chainNames.map((name) => chainKinds[name].table)],
  );
  for (const { name, kind } of rows) {
    if (kind === null) throw new Failure(`the trail cannot be verified: there is no table ${name} here`);
    if (kind !== "p")
      throw new Failure(`the trail cannot be verified: ${name} is not the partitioned table it should be`);
  }
}

interface CheckpointRow {
  seq: string;
  chain: ChainName;
  agent: string;
  first_seq: string;
  last_seq: string;
  last_seal: Buffer;
  last_hash: string | null;
  source: string;
  seal: Buffer;
  follows: boolean;
  /** Its source is still a partition: nothing was archived. */
  present: boolean;
}

const partOf = chainNames.map(
  (name) =>
    `exists (select from pg_partition_tree('${chainKinds[name].table}') t join pg_class c on c.oid = t.relid where c.relname = source)`,
);

const checkpointRows = `
  select seq, chain, agent, first_seq, last_seq, last_seal, last_hash, source, seal,
         seq = row_number() over chain_order and seal = sha256(record_send(row(
           coalesce(lag(seal) over chain_order, ''::bytea), seq, textsend(chain), textsend(agent), first_seq, last_seq,
           last_seal, textsend(last_hash), textsend(source), made_at))) is true as follows,
         (${partOf.join(" or ")}) as present
    from audit.checkpoints window chain_order as (order by seq) order by seq`;

function checkpointFindings(rows: readonly CheckpointRow[], anchors: readonly Anchor[]): Finding[] {
  const findings: Finding[] = [];
  const broken = rows.find((row) => !row.follows);
  if (broken)
    findings.push({
      kind: "altered-checkpoint",
      message: `checkpoint ${broken.seq} (${broken.source}) does not follow from the one before it`,
    });
  const early = rows.find((row) => row.present);
  if (early)
    findings.push({
      kind: "altered-checkpoint",
      message: `checkpoint ${early.seq} says that ${early.source} was archived, and it is still here`,
    });
  for (const { checkpoint, as_of, source } of anchors) {
    if (checkpoint.seq === 0) continue;
    const row = rows.find((other) => Number(other.seq) === checkpoint.seq);
    if (row?.seal.toString("hex") === checkpoint.seal) continue;
    findings.push({
      kind: "altered-checkpoint",
      message: `checkpoint ${checkpoint.seq} ${row ? "is not the one" : "is gone"} that was anchored at ${as_of} (${source})`,
    });
  }
  return findings;
}

/** Rows at infinity, where no range ends: the database refuses them, so someone has taken its refusal away. */
async function dateless(client: pg.Client): Promise<Finding[]> {
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
