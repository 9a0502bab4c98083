/**
 * Reads a month's archive: the manifests of its segments, but for what follows from the others, each before the lines of its segment. All
 * of it is proven as if the segments were read: every row, the segments' hashes, and the manifests' hashes up to the last.
 */
import { createHash, type Hash } from "node:crypto";
import { passForks, passRows, standing, standsAs, wrongCount } from "../archive/advance";
import type { Bucket } from "../archive/bucket";
import { Followers, followersOf, judge, type Checked, type Taker } from "../archive/checkSegment";
import { endsOf } from "../archive/ends";
import { manifestKey } from "../archive/keys";
import { decodeManifest, draftOf, encodeManifest, sha256Of, type Manifest } from "../archive/manifest";
import type { Ends } from "../archive/plan";
import { bytesOf, readSegment } from "../archive/segment";
import { Failure } from "../program";
import type { Month } from "./manifest";

const prefix = Buffer.from('{"manifest":');

/** The line that comes before those of a segment. Where chains stand follows from the manifest before and from the rows. */
export const headerOf = (document: unknown): Buffer =>
  Buffer.from(`${JSON.stringify({ manifest: { ...(document as Manifest), chains: [] } })}\n`);

/** A row begins with `{"chain"`: told by one byte, since a view of the others costs more than reading them. */
const isHeader = (line: Buffer) => line[2] === prefix[2] && line.subarray(0, prefix.length).equals(prefix);

/** A manifest whose segment's lines are being read. */
interface Part {
  manifest: Manifest;
  /** As it was stored, but for its chains. */
  document: object;
  followers: Followers;
  /** What is wrong with what it says itself. */
  problems: string[];
  hash: Hash;
  rows: number;
}

/**
 * Manifest by manifest.
 * @param shown the manifest before the first, where that is known
 * @throws where it cannot be read as what its manifest names, at its end at the latest
 */
export async function* checkMonth(
  bucket: Bucket,
  { object, manifests, from, to }: Pick<Month, "object" | "manifests" | "from" | "to">,
  taker?: Taker,
  version?: string,
  shown?: Manifest,
): AsyncGenerator<Checked> {
  const ends = endsOf(from);
  let part: Part | undefined;
  let [number, before] = [manifests.first - 1, manifests.before];
  const close = (read: Part): Checked => {
    const { checked, sha256 } = closePart(read, ends, object.key);
    [number, before] = [read.manifest.archive.number, sha256];
    return checked;
  };
  for await (const lines of readSegment(bucket, object, { version, provenBy: "compressed" })) {
    let at = 0;
    for (;;) {
      const header = lines.findIndex((line, i) => i >= at && isHeader(line));
      const rows = lines.slice(at, header < 0 ? undefined : header);
      if (rows.length > 0) await take(part, rows, taker, object.key);
      if (header < 0) break;
      if (part) yield close(part);
      part = await openPart(lines[header]!, { ends, before: part?.manifest ?? shown }, taker, object.key);
      const { archive } = part.manifest;
      if (archive.number !== number + 1 || archive.previous !== before)
        throw new Failure(`${manifestKey(archive.number)} in ${object.key} does not follow from the one before it`);
      at = header + 1;
    }
  }
  if (part) yield close(part);
  if (number !== manifests.last || before !== manifests.sha256)
    throw new Failure(`${object.key} does not end with ${manifestKey(manifests.last)} as it was`);
  if (!standsAs(to, ends))
    throw new Failure(`the manifest of ${object.key} says that chains stand elsewhere than its rows end`);
}

async function openPart(
  line: Buffer,
  { ends, before }: { ends: Ends; before: Manifest | undefined },
  taker: Taker | undefined,
  where: string,
): Promise<Part> {
  const { manifest: document } = JSON.parse(line.toString("utf8")) as { manifest: object };
  const manifest = draftOf(document, where);
  const problems = [...passForks(ends, manifest), ...wrongCount(manifest, before)];
  await taker?.manifest?.(manifest, document);
  return {
    manifest,
    document,
    followers: new Followers(followersOf(manifest, ends, before)),
    problems,
    hash: createHash("sha256"),
    rows: 0,
  };
}

async function take(part: Part | undefined, lines: Buffer[], taker: Taker | undefined, where: string): Promise<void> {
  if (!part) throw new Failure(`${where} begins with rows of no manifest`);
  part.hash.update(bytesOf(lines));
  part.rows += lines.length;
  part.followers.take(lines, taker);
  await taker?.lines?.(lines);
}

function closePart(part: Part, ends: Ends, where: string): { checked: Checked; sha256: string } {
  const { segment } = part.manifest.archive;
  const followers = part.followers.finish();
  const { problems } = judge(part.manifest, followers, part.problems);
  if (part.rows !== segment.rows || part.hash.digest("hex") !== segment.sha256)
    problems.push(`${where} has other rows of ${segment.key} than were in it`);
  problems.push(...passRows(ends, part.manifest, followers));
  const bytes = encodeManifest({ ...part.document, chains: standing(ends).chains } as Manifest);
  const manifest = decodeManifest(bytes, part.manifest.archive.number, `a manifest in ${where}`);
  return { checked: { manifest, problems, expired: undefined }, sha256: sha256Of(bytes) };
}
