/** Checkpoints: the ends of what was archived. They are a chain themselves. */
import type pg from "pg";
import type { Anchor } from "../anchorFormat";
import { longestUnseen } from "../unseen";
import type { Heads } from "./chainHeads";
import { chainKinds, chainNames, ofEachChain, type ChainName } from "./chainKinds";
import { named, type Finding } from "./findings";

export interface Checkpoint {
  place: number;
  ownSeal: string;
  chain: ChainName;
  agent: string;
  first: number;
  last: number;
  seal: Buffer;
  hash: string | null;
  /** The partition that was archived. */
  source: string;
  /** Milliseconds since 1970. */
  madeAt: number;
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
  made_at: number;
  seal: Buffer;
  follows: boolean;
}

const partitionNames = chainNames
  .map(
    (name) =>
      `select c.relname::text as name from pg_partition_tree('${chainKinds[name].table}') t join pg_class c on c.oid = t.relid where t.isleaf`,
  )
  .join(" union all ");

const checkpointRows = `
  select seq, chain, agent, first_seq, last_seq, last_seal, last_hash, source, seal,
         (extract(epoch from made_at) * 1000)::float8 as made_at,
         seq = row_number() over chain_order and seal = sha256(record_send(row(
           coalesce(lag(seal) over chain_order, ''::bytea), seq, textsend(chain), textsend(agent), first_seq, last_seq,
           last_seal, textsend(last_hash), textsend(source), made_at))) is true as follows
    from audit.checkpoints window chain_order as (order by seq) order by seq`;

export interface Checkpoints {
  checkpoints: Record<ChainName, Map<string, Checkpoint[]>>;
  archived: Set<string>;
  /** Partitions that are here. */
  partitions: Set<string>;
  checkpointCount: number;
  findings: Finding[];
}

export async function readCheckpoints(client: pg.Client): Promise<Checkpoints> {
  const { rows } = await client.query<CheckpointRow>(checkpointRows);
  const partitions = new Set((await client.query<{ name: string }>(partitionNames)).rows.map(({ name }) => name));
  const checkpoints: Checkpoints["checkpoints"] = ofEachChain(() => new Map());
  for (const row of rows) {
    const { chain, agent, source } = row;
    const list = checkpoints[chain].get(agent) ?? [];
    checkpoints[chain].set(agent, list);
    list.push({
      place: Number(row.seq),
      ownSeal: row.seal.toString("hex"),
      chain,
      agent,
      source,
      madeAt: row.made_at,
      first: Number(row.first_seq),
      last: Number(row.last_seq),
      seal: row.last_seal,
      hash: row.last_hash,
    });
  }
  for (const name of chainNames) for (const list of checkpoints[name].values()) list.sort((a, b) => a.first - b.first);
  const findings: Finding[] = [];
  const altered = (message: string) => findings.push({ kind: "altered-checkpoint", message });
  const broken = rows.find((row) => !row.follows);
  if (broken) altered(`checkpoint ${broken.seq} (${broken.source}) does not follow from the one before it`);
  const early = rows.find(({ source }) => partitions.has(source));
  if (early) altered(`checkpoint ${early.seq} says that ${early.source} was archived, and it is still here`);
  return {
    checkpoints,
    archived: new Set(rows.map(({ source }) => source).filter((source) => !partitions.has(source))),
    partitions,
    checkpointCount: rows.length,
    findings,
  };
}

/** Checkpoints of chains that are not known, or not so long: the database makes them of what is here, and no head goes away. */
export function beyondHeads({ checkpoints }: Pick<Checkpoints, "checkpoints">, heads: Heads): Finding[] {
  return chainNames.flatMap((name) =>
    [...checkpoints[name].values()].flat().flatMap(({ place, agent, last, source }): Finding[] => {
      const { seq = 0 } = heads[name].get(agent) ?? {};
      if (last <= seq) return [];
      const message = `checkpoint ${place} (${source}) says that ${chainKinds[name].noun} ${last} of ${named(agent)} was archived; its head has place ${seq}`;
      return [{ kind: "altered-checkpoint", message, agent }];
    }),
  );
}

/** Checkpoints that anchors name, and that are not those; and those that anchors should name, by when they say they were made. */
export function againstAnchors(
  { checkpoints }: Pick<Checkpoints, "checkpoints">,
  anchors: readonly Anchor[],
): Finding[] {
  const all = chainNames.flatMap((name) => [...checkpoints[name].values()].flat());
  const seals = new Map(all.map(({ place, ownSeal }) => [place, ownSeal]));
  const gone = anchors.flatMap(({ checkpoint, as_of, source }): Finding[] => {
    const seal = seals.get(checkpoint.seq);
    if (checkpoint.seq === 0 || seal === checkpoint.seal) return [];
    const what = seal === undefined ? "is gone" : "is not the one";
    return [
      {
        kind: "altered-checkpoint",
        message: `checkpoint ${checkpoint.seq} ${what} that was anchored at ${as_of} (${source})`,
      },
    ];
  });
  return [...gone, ...unknownToAnchors(all, anchors)];
}

/** Checkpoints are made one after another: one that came after an anchor's was not made long before that anchor. */
export function unknownToAnchors(
  checkpoints: readonly Checkpoint[],
  anchors: readonly Pick<Anchor, "checkpoint" | "as_of" | "source">[],
): Finding[] {
  return checkpoints.flatMap(({ place, agent, source, madeAt }): Finding[] => {
    const anchor = anchors.find(
      ({ checkpoint, as_of }) => checkpoint.seq < place && madeAt < Date.parse(as_of) - longestUnseen,
    );
    if (!anchor) return [];
    const at = Number.isFinite(madeAt) ? new Date(madeAt).toISOString() : "no time";
    const message = `checkpoint ${place} (${source}) says that it was made at ${at}; the anchor of ${anchor.as_of} does not know it (${anchor.source})`;
    return [{ kind: "altered-checkpoint", message, agent }];
  });
}
