/** What a verification answers, for programs and for people. */
import type { Anchor } from "../anchorFormat";
import { Failure } from "../program";
import { findingId, type Acknowledgement } from "./acknowledgements";
import { sayForks } from "../archive/acceptFork";
import type { Archived } from "./archived";
import { named, sortFindings, type Finding } from "./findings";
import type { Progress } from "./progress";
import type { Request } from "./request";
import type { Snapshot } from "./snapshot";

const mostFindings = 100;

export type Reported = Finding & { id: string };

export interface Report {
  /** Nothing was found, or all that was found is acknowledged. */
  ok: boolean;
  /** What was not verified: months that have left the database, anchored places in them, what has left the bucket, an unknown release. */
  unverified: string[];
  /** What of that is not for this run to verify: it left the database, and the bucket was not read, or it has left the bucket as well. */
  left: string[];
  asOf: string;
  standby: boolean;
  scope: {
    since?: string;
    until?: string;
    agent?: string;
    from?: string;
    anchors: number;
    /** Files of other deployments, each with the time of its newest anchor. */
    apartFrom?: Record<string, string>;
  };
  verified: { receipts: number; changes: number; agents: number; checkpoints: number };
  /** Partitions that checkpoints stand for: their rows are elsewhere, and only their ends were verified. */
  archived: string[];
  /** What anchors name, and is not in its own chain but in that of recovered receipts. */
  recovered: string[];
  /** Receipts of another timeline that the archive has and this database has not, by id; where it was verified too. */
  lost?: string[];
  /** The archive in the bucket, where it was verified too. */
  archive?: Archived["report"];
  /** The earliest broken place. */
  first?: Reported;
  findings: Reported[];
  acknowledged: (Reported & { acknowledgement: Acknowledgement })[];
  /** Broken places beyond those that are listed. */
  more: number;
  seconds: number;
  receiptsPerSecond: number;
}

export const scope = ({ since, until, agent, from, anchors, apartFrom }: Request): Report["scope"] => ({
  ...(since === undefined ? {} : { since }),
  ...(until === undefined ? {} : { until }),
  ...(agent === undefined ? {} : { agent }),
  ...(from === undefined ? {} : { from: from.as_of }),
  anchors: anchors.length,
  ...(apartFrom?.length ? { apartFrom: newestOfEach(apartFrom) } : {}),
});

const newestOfEach = (anchors: readonly Anchor[]): Record<string, string> =>
  Object.fromEntries(
    anchors.toSorted((a, b) => Date.parse(a.as_of) - Date.parse(b.as_of)).map(({ source, as_of }) => [source, as_of]),
  );

/** @param countedBefore receipts that an earlier run had read */
export function makeReport(
  request: Request,
  progress: Progress,
  snapshot: Snapshot | undefined,
  findings: readonly Finding[],
  started: number,
  countedBefore: number,
): Report {
  const seconds = (Date.now() - started) / 1000;
  const { archived } = request;
  const all = sortFindings([...findings, ...(archived?.findings ?? [])]).map((finding): Reported => ({
    id: findingId(finding),
    ...finding,
  }));
  const known = new Map((request.acknowledgements ?? []).map((one) => [one.finding, one]));
  const open = all.filter(({ id }) => !known.has(id));
  const sorted = open.filter(({ kind }) => kind !== "unknown-release");
  const unknown = open.filter(({ kind }) => kind === "unknown-release");
  const left = [
    ...[...progress.left].filter((what) => !progress.unverified.has(what)),
    ...(archived?.left ?? []),
  ].sort();
  return {
    ok: sorted.length === 0 && progress.uncounted === 0,
    unverified: [
      ...progress.unverified,
      ...(archived?.unverified ?? []),
      ...left,
      ...unknown.map(({ id, message }) => `${message}: finding ${id}, to be acknowledged once it was looked into`),
    ].sort(),
    left,
    asOf: snapshot?.asOf ?? new Date(started).toISOString(),
    standby: snapshot?.standby ?? false,
    scope: scope(request),
    verified: {
      receipts: progress.counted.receipts,
      changes: progress.counted.history,
      agents: progress.chains.receipts.size,
      checkpoints: snapshot?.checkpointCount ?? 0,
    },
    archived: [...(snapshot?.archived ?? [])].sort(),
    recovered: [...progress.recovered].sort(),
    ...(archived && { archive: archived.report }),
    ...(sorted[0] ? { first: sorted[0] } : {}),
    findings: sorted.slice(0, mostFindings),
    acknowledged: all.flatMap((finding) => {
      const acknowledgement = known.get(finding.id);
      return acknowledgement ? [{ ...finding, acknowledgement }] : [];
    }),
    more: Math.max(0, sorted.length - mostFindings) + progress.uncounted,
    seconds,
    receiptsPerSecond: Math.round((progress.counted.receipts - countedBefore) / seconds),
  };
}

const counted = (number: number, thing: string) => `${number} ${thing}${number === 1 ? "" : "s"}`;

/** One line for people. */
export function summary(report: Report): string {
  const { receipts, changes, agents } = report.verified;
  const what = `${counted(receipts, "receipt")}, ${counted(changes, "change")}, ${counted(agents, "chain")} in ${report.seconds.toFixed(1)} s (${report.receiptsPerSecond}/s), as of ${report.asOf}`;
  if (!report.ok) return `verified ${what}`;
  const { since, until, agent, from } = report.scope;
  const limits = [
    ...(agent === undefined ? [] : [`of ${named(agent)}`]),
    ...(since === undefined ? [] : [`since ${since}`]),
    ...(until === undefined ? [] : [`until ${until}`]),
    ...(from === undefined ? [] : [`after the anchor of ${from}`]),
  ];
  const { archive } = report;
  const inBucket = archive
    ? `, and so is the archive: ${archive.rows} rows in ${archive.manifests} segments, up to ${archive.until ?? "now"}`
    : "";
  const forked = archive && archive.forks.length > 0 ? `; ${sayForks(archive.forks)}` : "";
  const recovered =
    report.recovered.length === 0 ? "" : `; not in their own chain, but recovered: ${report.recovered.join("; ")}`;
  const lost = report.lost?.length
    ? `; ${counted(report.lost.length, "receipt")} of another timeline not here: see reconcile`
    : "";
  const others = Object.entries(report.scope.apartFrom ?? {}).map(([source, at]) => `${source} (${at})`);
  const apart = others.length === 0 ? "" : `; its agents were compared with those of ${others.join(", ")}`;
  const forks = `${forked}${recovered}${lost}${apart}`;
  const accepted = report.acknowledged.length === 0 ? "" : `; ${report.acknowledged.length} acknowledged, not counted`;
  const gone = report.unverified.length === 0 ? "" : `; not verified: ${report.unverified.join("; ")}`;
  if (gone !== "") return `what could be verified is whole: ${what}${inBucket}${forks}${accepted}${gone}`;
  return `${limits.length === 0 ? "the trail is whole" : `the trail ${limits.join(", ")} is whole`}: ${what}${inBucket}${forks}${accepted}`;
}

/** The failure that a report with findings is, or one that could not verify all. */
export function failure(report: Report): Failure | undefined {
  if (report.ok && report.unverified.length === 0) return undefined;
  if (report.ok)
    return new Failure(
      `not all could be verified: ${report.unverified.join("; ")}`,
      report.archived.length > 0
        ? ["Of months that have left the database give the manifests (--manifests), or read the bucket (--archived)."]
        : [],
      3,
    );
  const count = report.findings.length + report.more;
  const [first, ...others] = report.findings;
  const which = first
    ? `; the first: ${first.kind}: ${first.message}`
    : " more than are listed; all that are listed are acknowledged";
  return new Failure(`${count} ${count === 1 ? "finding" : "findings"}${which}`, [
    ...others.slice(0, 9).map(({ kind, message }) => `${kind}: ${message}`),
    ...(report.lost ?? []).map((receipt) => `not in this timeline: ${receipt}`),
  ]);
}
