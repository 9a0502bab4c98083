/** The archive in the locked bucket, as part of a verification: what is wrong in it, what it tells itself, and the anchor that it is. */
import type { Anchor } from "../anchorFormat";
import type { AcceptedFork } from "../archive/acceptFork";
import type { Bucket } from "../archive/bucket";
import { checkArchive } from "../archive/check";
import type { Checked, Taker } from "../archive/checkSegment";
import { endsBefore, endsOf } from "../archive/ends";
import type { Flaw } from "../archive/follow";
import { dumpFolder, manifestFolder, manifestKey, monthFolder } from "../archive/keys";
import type { Manifest } from "../archive/manifest";
import { sayUnknown, unknownIn } from "../archive/newest";
import type { Ends } from "../archive/plan";
import { unknownToAnchors, type Checkpoint } from "./checkpoints";
import { unlockedInDump } from "../dump/locks";
import { checkByMonths } from "../months/archive";
import { compareDepartures } from "./departures";
import type { Finding } from "./findings";
import { toldMonthFindings, type ToldMonths } from "./toldMonths";
import { Witness } from "./witness";
import type { RestoredTrail, RestoredReport } from "./restored";

export interface Archived {
  /** The newest manifest, if there is one: the database must reach it, with the same seals. Of a restored one: that of its moment. */
  anchors: Anchor[];
  /** Where the log of the server stood by then. */
  lsn: string | undefined;
  findings: Finding[];
  /** What the bucket says of checkpoints. */
  witness: Witness;
  /** What the bucket should tell and does not. */
  unverified: string[];
  /** What has left the bucket by its age, and can be verified no more. */
  left: string[];
  report: {
    bucket: string;
    manifests: number;
    oldest?: number;
    newest?: number;
    rows: number;
    until?: string;
    forks: AcceptedFork[];
    restored?: RestoredReport;
  };
}

/**
 * @param knownFlaws of archived rows: so many, the oldest, were looked into
 * @param checkpoints which the database has in place of rows: compared with the rows in the bucket
 * @param how `segments`: by each segment, also where a month has its archive; `restored`: the database that it is to be compared with, where that one shows an earlier moment; `months`: what
 * the database says of archives of months
 */
export async function verifyArchive(
  bucket: Bucket,
  told: number,
  knownFlaws: number,
  checkpoints: readonly Checkpoint[] = [],
  {
    restored,
    segments = false,
    months,
  }: { restored?: RestoredTrail; segments?: boolean | undefined; months?: ToldMonths } = {},
): Promise<Archived> {
  const findings: Finding[] = [];
  const wrong = (message: string) => findings.push({ kind: "altered-archive", message });
  const flaws: { number: number; flaw: Flaw }[] = [];
  const forks: AcceptedFork[] = [];
  const expired = { segment: [] as Manifest[], marked: [] as Manifest[] };
  const gaps: NonNullable<Checked["left"]>[] = [];
  let [oldest, newest]: [Manifest | undefined, Manifest | undefined] = [undefined, undefined];
  let [manifests, rows] = [0, 0];
  const witness = new Witness(checkpoints);
  /** Of the manifests that know the same checkpoints, the newest. */
  const anchors = new Map<number, Pick<Anchor, "checkpoint" | "as_of" | "source">>();
  const taker: Taker = {
    manifest: ({ archive: { forks = [] } }) => forks.forEach((fork) => witness.fork(fork)),
    row(chain, line) {
      witness.take(chain, line);
      restored?.take(chain, line);
    },
  };
  const read = segments ? checkArchive : checkByMonths;
  for await (const checked of read(bucket, checkpoints.length > 0 || restored ? taker : undefined)) {
    bucket.signal.throwIfAborted();
    [...checked.problems, ...(checked.unlocked ?? [])].forEach(wrong);
    if (checked.left) gaps.push(checked.left);
    const { manifest } = checked;
    if (!manifest) continue;
    restored?.next(manifest);
    oldest ??= manifest;
    newest = manifest;
    const { checkpoint, as_of, archive } = manifest;
    anchors.set(checkpoint.seq, { checkpoint, as_of, source: manifestKey(archive.number) });
    manifests++;
    forks.push(...(manifest.archive.forks ?? []));
    if (checked.expired) expired[checked.expired].push(manifest);
    if (checked.expired !== "segment") rows += manifest.archive.segment.rows;
    for (const flaw of manifest.archive.flaws) flaws.push({ number: manifest.archive.number, flaw });
  }
  for (const folder of [manifestFolder, dumpFolder, monthFolder])
    for await (const key of unknownIn(bucket, folder)) wrong(sayUnknown(key));
  (await unlockedInDump(bucket)).forEach(wrong);
  const number = newest?.archive.number ?? 0;
  if (told > number)
    wrong(
      `the archiver has written manifest ${told}, and the newest in the bucket ${bucket.name} is ${newest ? number : "none"}: what it wrote later was removed${newest ? "" : " (or, where nothing came for as long as the bucket keeps it, has expired)"}, or this is another bucket`,
    );
  else if (!newest)
    findings.push({
      kind: "nothing-verified",
      message: `there is no manifest in the bucket ${bucket.name}: nothing is archived`,
    });
  const departures = await compareDepartures(bucket, checkpoints);
  findings.push(
    ...flawFindings(flaws, newest, knownFlaws),
    ...witness.findings(),
    ...unknownToAnchors(checkpoints, [...anchors.values()]),
    ...departures.findings,
    ...(months ? await toldMonthFindings(bucket, months) : []),
  );
  witness.gone = gaps.at(-1)?.ends ?? goneBefore(oldest, expired.segment.at(-1));
  const anchor = restored ? restored.reached : newest;
  return {
    anchors: anchor ? [anchorOf(anchor)] : [],
    lsn: newest?.archive.lsn,
    findings,
    witness,
    unverified: departures.unverified,
    left: [
      ...departures.left,
      ...[
        ...(oldest && oldest.archive.previous !== null
          ? [`manifests before ${manifestKey(oldest.archive.number)}`]
          : []),
        ...expired.segment
          .slice(-1)
          .map(({ as_of, archive }) => `segments up to that of ${manifestKey(archive.number)} (${as_of})`),
      ].map((what) => `${what}, which have left the bucket ${bucket.name}`),
      ...gaps.map(({ what }) => `${what}, which has left the bucket ${bucket.name} though something older is held`),
    ],
    report: {
      bucket: bucket.name,
      manifests,
      rows,
      forks,
      ...(oldest && newest && { oldest: oldest.archive.number, newest: number, until: newest.as_of }),
    },
  };
}

const anchorOf = (manifest: Manifest): Anchor => ({ ...manifest, source: manifestKey(manifest.archive.number) });

/** A fork is told by every manifest for as long as it is there: the newest counts. Other flaws are told once, with their rows. */
function flawFindings(
  flaws: readonly { number: number; flaw: Flaw }[],
  newest: Manifest | undefined,
  known: number,
): Finding[] {
  const ofRows = flaws.filter(({ flaw }) => flaw.kind !== "fork");
  const expired = (newest?.archive.flawsSoFar ?? 0) - ofRows.length;
  const forks = flaws.filter(({ flaw, number }) => flaw.kind === "fork" && number === newest?.archive.number);
  return [...ofRows.slice(Math.max(0, known - expired)), ...forks].map(({ number, flaw }) => ({
    kind: "flawed-archive",
    message: `${manifestKey(number)} says: ${flaw.kind}: ${flaw.says}`,
  }));
}

/** Up to where each chain has left the bucket. @param expired the newest manifest whose segment has left it */
function goneBefore(oldest: Manifest | undefined, expired: Manifest | undefined): Ends {
  return expired || !oldest ? endsOf(expired) : endsBefore(oldest);
}
