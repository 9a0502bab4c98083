/** What the bucket has of chains beyond where they end in a database: what was archived before a failover and never reached the replica. */
import type pg from "pg";
import type { Bucket } from "../archive/bucket";
import { readLine } from "../archive/lines";
import type { Manifest } from "../archive/manifest";
import { manifestNumbered, newestManifest } from "../archive/newest";
import { readSegment } from "../archive/segment";
import { takeAnchor } from "../takeAnchor";

export interface MissingReceipt {
  id: string;
  agent: string;
  seq: number;
  sealedAt: string;
}

export interface Compared {
  /** The newest manifest, and when it was written. */
  upTo: { number: number; at: string };
  receipts: MissingReceipt[];
  /** Changes of receipts that only the bucket has. */
  changes: number;
}

/** By agent: the last place in the bucket, and in the database. */
type Gaps = Map<string, { from: number; to: number }>;

/** Undefined where the bucket has no manifest: then it cannot be told. */
export async function compare(client: pg.Client, bucket: Bucket): Promise<Compared | undefined> {
  const newest = await newestManifest(bucket);
  if (!newest) return undefined;
  const { manifest } = newest;
  const heads = new Map((await takeAnchor(client)).chains.map((chain) => [chain.agent, chain]));
  const gaps: Gaps = new Map();
  let changes = 0;
  for (const { agent, seq, history_seq } of manifest.chains) {
    const head = heads.get(agent) ?? { seq: 0, history_seq: 0 };
    if (seq > head.seq) gaps.set(agent, { from: head.seq + 1, to: seq });
    changes += Math.max(0, history_seq - head.history_seq);
  }
  const upTo = { number: manifest.archive.number, at: manifest.as_of };
  return { upTo, receipts: await read(bucket, manifest, gaps), changes };
}

/** From the newest segment back, until each gap's first receipt was read. */
async function read(bucket: Bucket, newest: Manifest, gaps: Gaps): Promise<MissingReceipt[]> {
  const found: MissingReceipt[] = [];
  const open = new Set(gaps.keys());
  for (let manifest = newest; open.size > 0; manifest = await manifestNumbered(bucket, manifest.archive.number - 1)) {
    const pieces = manifest.archive.pieces.filter(({ chain, agent }) => chain === "receipts" && open.has(agent));
    if (pieces.length > 0)
      for await (const lines of readSegment(bucket, manifest.archive.segment))
        found.push(...lines.flatMap((line) => missingIn(line, gaps) ?? []));
    for (const { agent, first } of pieces) if (first <= gaps.get(agent)!.from) open.delete(agent);
  }
  return found.sort((a, b) => (a.agent === b.agent ? a.seq - b.seq : a.agent < b.agent ? -1 : 1));
}

function missingIn(bytes: Buffer, gaps: Gaps): MissingReceipt | undefined {
  const { chain, line } = readLine(bytes);
  if (chain !== "receipts" || line.seq < (gaps.get(line.agent)?.from ?? Infinity)) return undefined;
  const id = /"statement":\t\["([0-9a-f-]{36})"/.exec(bytes.toString("latin1"))?.[1];
  return { id: id ?? "(unreadable)", agent: line.agent, seq: line.seq, sealedAt: line.sealedAt };
}
