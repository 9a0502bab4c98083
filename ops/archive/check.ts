/** Reads the bucket from its first manifest to its newest, and checks all of it: without the database, by what is in the bucket alone. */
import { ofEachChain } from "../verify/chainKinds";
import type { Bucket } from "./bucket";
import { chainsOf } from "./ends";
import { Follower, genesis, type Place } from "./follow";
import { manifestFolder, manifestKey } from "./keys";
import { readLine } from "./lines";
import { decodeManifest, sha256Of, type Manifest } from "./manifest";
import { firstNumber, newestManifest } from "./newest";
import { nameOf, type Ends } from "./plan";
import { readSegment } from "./segment";

export interface Checked {
  manifest: Manifest;
  /** What is wrong, one sentence each; what the manifest says itself is none of it. */
  problems: string[];
}

/**
 * Manifest by manifest. Where older ones have expired it begins with the oldest there is, and takes from it where chains stood.
 * @param onLines called with the lines of each segment, as they are read
 */
export async function* checkArchive(bucket: Bucket, onLines?: (lines: Buffer[]) => void): AsyncGenerator<Checked> {
  const newest = await newestManifest(bucket);
  const first = await firstNumber(bucket, manifestFolder);
  if (!newest || first === undefined) return;
  const ends: Ends = ofEachChain(() => new Map<string, Place>());
  let before: string | undefined;
  for (let number = first; number <= newest.manifest.archive.number; number++) {
    const key = manifestKey(number);
    const bytes = await bucket.read(key);
    const manifest = decodeManifest(bytes, number, `${key} in the bucket ${bucket.name}`);
    const { previous } = manifest.archive;
    const problems: string[] = [];
    if (number === 1 ? previous !== null : before !== undefined && previous !== before)
      problems.push(`${key} does not follow from the manifest before it`);
    before = sha256Of(bytes);
    problems.push(...(await checkSegment(bucket, manifest, ends, onLines)));
    const stands = JSON.stringify(
      chainsOf(ends).toSorted((a, b) => Buffer.compare(Buffer.from(a.agent), Buffer.from(b.agent))),
    );
    if (first === 1 && stands !== JSON.stringify(manifest.chains))
      problems.push(`${key} says that chains stand elsewhere than the segments end`);
    yield { manifest, problems };
  }
}

async function checkSegment(
  bucket: Bucket,
  { archive: { segment, pieces, flaws } }: Manifest,
  ends: Ends,
  onLines: ((lines: Buffer[]) => void) | undefined,
): Promise<string[]> {
  const followers = pieces.map(({ chain, agent, first, last, from, elsewhere = [] }) => {
    const start: Place = { seq: first - 1, seal: Buffer.from(from, "hex"), hash: first === 1 ? null : undefined };
    const known = ends[chain].get(agent) ?? (first === 1 ? genesis : undefined);
    const checkpoints = elsewhere.map((one) => ({ ...one, seal: Buffer.from(one.seal, "hex") }));
    return new Follower({ chain, agent, from: known ?? start, last, head: undefined, checkpoints, repeated: false });
  });
  const byName = new Map(followers.map((follower) => [nameOf(follower.piece), follower]));
  for await (const lines of readSegment(bucket, segment)) {
    for (const bytes of lines) {
      const { chain, line } = readLine(bytes);
      byName.get(nameOf({ chain, agent: line.agent }))?.take(line);
    }
    onLines?.(lines);
  }
  const known = new Set(flaws.map((flaw) => `${nameOf(flaw)} ${flaw.kind} ${flaw.seq}`));
  const problems: string[] = [];
  pieces.forEach(({ rows, to }, i) => {
    const follower = followers[i]!;
    follower.finish();
    const { piece, at } = follower;
    ends[piece.chain].set(piece.agent, at);
    for (const flaw of follower.flaws)
      if (!known.has(`${nameOf(flaw)} ${flaw.kind} ${flaw.seq}`)) problems.push(`${segment.key}: ${flaw.says}`);
    if (follower.rows !== rows || at.seal.toString("hex") !== to)
      problems.push(`${segment.key}: ${nameOf(piece)} ends elsewhere than its manifest says`);
  });
  return problems;
}
