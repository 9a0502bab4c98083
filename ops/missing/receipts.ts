/** Names receipts that only the bucket has: what was archived before a failover and never reached the replica. */
import type { Bucket } from "../archive/bucket";
import { readLine } from "../archive/lines";
import type { Manifest } from "../archive/manifest";
import { manifestNumbered } from "../archive/newest";
import { readSegment } from "../archive/segment";

export interface MissingReceipt {
  id: string;
  agent: string;
  seq: number;
  sealedAt: string;
}

/** By agent: the first place that only the bucket has. */
type Gaps = ReadonlyMap<string, { from: number }>;

/** From the newest segment back, until each gap's first receipt was read. What was found is kept where a segment cannot be read. */
export async function nameReceipts(
  bucket: Bucket,
  newest: Manifest,
  gaps: Gaps,
  found: MissingReceipt[],
): Promise<void> {
  const open = new Set(gaps.keys());
  for (let manifest = newest; open.size > 0; manifest = await manifestNumbered(bucket, manifest.archive.number - 1)) {
    const pieces = manifest.archive.pieces.filter(({ chain, agent }) => chain === "receipts" && open.has(agent));
    if (pieces.length > 0)
      for await (const lines of readSegment(bucket, manifest.archive.segment))
        found.push(...lines.flatMap((line) => missingIn(line, gaps) ?? []));
    for (const { agent, first } of pieces) if (first <= gaps.get(agent)!.from) open.delete(agent);
  }
  found.sort((a, b) => (a.agent === b.agent ? a.seq - b.seq : a.agent < b.agent ? -1 : 1));
}

function missingIn(bytes: Buffer, gaps: Gaps): MissingReceipt | undefined {
  const { chain, line } = readLine(bytes);
  if (chain !== "receipts" || line.seq < (gaps.get(line.agent)?.from ?? Infinity)) return undefined;
  const id = /"statement":\t\["([0-9a-f-]{36})"/.exec(bytes.toString("latin1"))?.[1];
  return { id: id ?? "(unreadable)", agent: line.agent, seq: line.seq, sealedAt: line.sealedAt };
}
