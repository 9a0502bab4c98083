/**
 * The branches that the locked bucket has and this database has not: those of forks that were accepted, and those that
 * nobody has accepted yet.
 */
import type pg from "pg";
import { isOfSource } from "../adopt/mark";
import type { Bucket } from "../archive/bucket";
import { nameOf } from "../archive/chains";
import { endsOf } from "../archive/ends";
import type { Place } from "../archive/follow";
import { manifestFolder, manifestKey } from "../archive/keys";
import { readLine } from "../archive/lines";
import { forksUpTo, type Manifest } from "../archive/manifest";
import {
  assertFollows,
  assertReaches,
  firstVersionOf,
  newestManifest,
  numberedOrGone,
  segmentManifests,
  manifestNumbered,
} from "../archive/newest";
import { toldManifest } from "../archive/report";
import { readSegment } from "../archive/segment";
import { isUnreadable } from "../archive/unreadable";
import { Failure } from "../program";
import { takeAnchor } from "../takeAnchor";
import { chainNames, type ChainName } from "../verify/chainKinds";
import { isAgents } from "../verify/chainName";
import {
  assertComparable,
  commonPlace,
  followed,
  mostRows,
  rowOf,
  sealsAt,
  type Branch,
  type BranchRow,
} from "./branch";

/** A branch that is being read, from its end back. */
interface Open {
  chain: ChainName;
  agent: string;
  /** Undefined until it is found. */
  base: Place | undefined;
  accepted: boolean;
  end: { seq: number; seal: Buffer };
  /** The newest manifest that has rows of it. */
  upTo: number;
  rows: BranchRow[];
  done: boolean;
}

export interface InBucket {
  branches: Branch[];
  /** Why more can be missing than is told: a sentence each. */
  doubts: string[];
}

/** @param agent of this one alone */
export async function branchesInBucket(client: pg.Client, bucket: Bucket, agent?: string): Promise<InBucket> {
  // Of a bucket that this database was restored beside, its archiver has told nothing.
  const told = (await isOfSource(client, bucket.name)) ? 0 : await toldManifest(client);
  const newest = (await newestManifest(bucket))?.manifest;
  if (newest) await assertFollows(bucket, manifestFolder, newest.archive);
  assertReaches(bucket, "manifest", newest?.archive.number ?? 0, told);
  if (!newest)
    throw new Failure(`nothing was archived into the bucket ${bucket.name}`, [
      "There is nothing to compare with. Is it the bucket that the lost server archived into? A new deployment has its first manifest after archiveSchedule.",
    ]);
  const { forks, doubts } = await acceptedForks(bucket, newest);
  const open = [...(await openEnds(client, newest)), ...forks].filter((one) => isAgents(agent, one.agent));
  await readBack(client, bucket, newest, open);
  const branches: Branch[] = [];
  for (const one of open) branches.push(await branchOf(client, one));
  return { branches, doubts };
}

/** What was left of each chain that goes on in another branch. */
async function acceptedForks(bucket: Bucket, newest: Manifest): Promise<{ forks: Open[]; doubts: string[] }> {
  const forks: Open[] = [];
  for (let number = forksUpTo(newest); number !== undefined;) {
    const manifest = number === newest.archive.number ? newest : await numberedOrGone(bucket, segmentManifests, number);
    if (!manifest)
      return {
        forks,
        doubts: [`${manifestKey(number)} and what is older has expired: forks of before it are not looked at`],
      };
    for (const { chain, agent, seq, seal, left } of manifest.archive.forks ?? [])
      if (chain !== "imports")
        forks.push({
          ...{ chain, agent, accepted: true, upTo: number - 1, rows: [], done: false },
          base: { seq, seal: Buffer.from(seal, "hex"), hash: seq === 0 ? null : undefined },
          end: { seq: left.last, seal: Buffer.from(left.seal, "hex") },
        });
    number = manifest.archive.forksBefore;
  }
  return { forks, doubts: [] };
}

/** Chains that end in the bucket at a place that this database has not, or not so. */
async function openEnds(client: pg.Client, newest: Manifest): Promise<Open[]> {
  const [inBucket, here] = [endsOf(newest), endsOf(await takeAnchor(client))];
  const open: Open[] = [];
  for (const chain of chainNames)
    for (const [agent, end] of inBucket[chain]) {
      const head = here[chain].get(agent);
      if (
        head?.seq === end.seq
          ? head.seal.equals(end.seal)
          : head && head.seq > end.seq && (await hasPlace(client, chain, agent, end))
      )
        continue;
      const { seq, seal } = end;
      open.push({
        chain,
        agent,
        base: undefined,
        accepted: false,
        end: { seq, seal },
        upTo: newest.archive.number,
        rows: [],
        done: false,
      });
    }
  return open;
}

/** Where the row has left with its month, it was compared when it left. */
async function hasPlace(client: pg.Client, chain: ChainName, agent: string, { seq, seal }: Place): Promise<boolean> {
  const here = (await sealsAt(client, { chain, agent }, [seq])).get(seq);
  if (here !== undefined) return here === seal.toString("hex");
  const { rows } = await client.query(
    "select from audit.checkpoints where chain = $1 and agent = $2 and $3 between first_seq and last_seq",
    [chain, agent, seq],
  );
  return rows.length > 0;
}

async function readBack(client: pg.Client, bucket: Bucket, newest: Manifest, open: readonly Open[]): Promise<void> {
  const first = Math.max(0, ...open.map(({ upTo }) => upTo));
  let total = 0;
  for (let number = first; open.some(({ done }) => !done); number--) {
    const manifest = number === newest.archive.number ? newest : await manifestNumbered(bucket, number);
    const pieces = new Map(manifest.archive.pieces.map((piece) => [nameOf(piece), piece]));
    const wanted = new Map(
      open.filter((one) => !one.done && one.upTo >= number && pieces.has(nameOf(one))).map((one) => [nameOf(one), one]),
    );
    if (wanted.size === 0) continue;
    const rows = await rowsOf(bucket, manifest, wanted);
    for (const [name, one] of wanted) {
      const before = one.rows[0]?.line.seq ?? one.end.seq + 1;
      const older = (rows.get(name) ?? []).filter(({ line }) => line.seq < before);
      one.base ??= await commonPlace(client, one, older);
      one.rows.unshift(...older.filter(({ line }) => line.seq > (one.base?.seq ?? 0)));
      one.done = one.base !== undefined && pieces.get(name)!.first <= one.base.seq + 1;
      total += older.length;
    }
    if (total > mostRows)
      throw new Failure(`more than ${mostRows} rows are to be looked at, more than one run keeps in memory`, [
        "name one agent after another: --agent",
      ]);
  }
}

/** Of some chains. @throws where the segment is not the one that its manifest names */
async function rowsOf(
  bucket: Bucket,
  { archive: { number, segment } }: Manifest,
  wanted: ReadonlyMap<string, unknown>,
): Promise<Map<string, BranchRow[]>> {
  const read = async (version?: string) => {
    const rows = new Map<string, BranchRow[]>();
    for await (const lines of readSegment(bucket, segment, { version }))
      for (const bytes of lines) {
        const { chain, line } = readLine(bytes);
        const name = nameOf({ chain, agent: line.agent });
        if (!wanted.has(name)) continue;
        if (!rows.has(name)) rows.set(name, []);
        rows.get(name)!.push(rowOf(bytes, manifestKey(number)));
      }
    return rows;
  };
  try {
    return await read();
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    const first = await firstVersionOf(bucket, segment.key);
    if (first?.touched !== undefined) return read(first.version);
    throw new Failure(
      `${segment.key} is not the segment that ${manifestKey(number)} names: nothing of it is brought in`,
      [(error as Error).message],
    );
  }
}

async function branchOf(client: pg.Client, { chain, agent, base, accepted, rows, end }: Open): Promise<Branch> {
  const branch = followed(chain, agent, base!, rows, end);
  if (!accepted) await assertComparable(client, branch);
  return branch;
}
