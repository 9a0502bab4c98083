/** What a verification answers, for programs and for people. */
import { Failure } from "../program";
import { named, sortFindings, type Finding } from "./findings";
import type { Progress } from "./progress";
import type { Request } from "./request";
import type { Snapshot } from "./snapshot";

const mostFindings = 100;

export interface Report {
  ok: boolean;
  asOf: string;
  standby: boolean;
  scope: { since?: string; until?: string; agent?: string; from?: string; anchors: number };
  verified: { receipts: number; changes: number; agents: number; checkpoints: number };
  /** Partitions that checkpoints stand for: their rows are elsewhere, and only their ends were verified. */
  archived: string[];
  /** The earliest broken place. */
  first?: Finding;
  findings: Finding[];
  /** Broken places beyond those that are listed. */
  more: number;
  seconds: number;
  receiptsPerSecond: number;
}

export const scope = ({ since, until, agent, from, anchors }: Request): Report["scope"] => ({
  ...(since === undefined ? {} : { since }),
  ...(until === undefined ? {} : { until }),
  ...(agent === undefined ? {} : { agent }),
  ...(from === undefined ? {} : { from: from.as_of }),
  anchors: anchors.length,
});

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
  const sorted = sortFindings(findings);
  return {
    ok: sorted.length === 0,
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
    ...(sorted[0] ? { first: sorted[0] } : {}),
    findings: sorted.slice(0, mostFindings),
    more: Math.max(0, sorted.length - mostFindings) + progress.uncounted,
    seconds,
    receiptsPerSecond: Math.round((progress.counted.receipts - countedBefore) / seconds),
  };
}

/** One line for people. */
export function summary(report: Report): string {
  const { receipts, changes, agents } = report.verified;
  const what = `${receipts} receipts, ${changes} changes, ${agents} chains in ${report.seconds.toFixed(1)} s (${report.receiptsPerSecond}/s), as of ${report.asOf}`;
  if (!report.ok) return `verified ${what}`;
  const { since, until, agent, from } = report.scope;
  const limits = [
    ...(agent === undefined ? [] : [`of ${named(agent)}`]),
    ...(since === undefined ? [] : [`since ${since}`]),
    ...(until === undefined ? [] : [`until ${until}`]),
    ...(from === undefined ? [] : [`after the anchor of ${from}`]),
  ];
  const gone = report.archived.length === 0 ? "" : `; archived and not verified here: ${report.archived.join(", ")}`;
  return `${limits.length === 0 ? "the trail is whole" : `the trail ${limits.join(", ")} is whole`}: ${what}${gone}`;
}

/** The failure that a report with findings is. */
export function failure(report: Report): Failure {
  const count = report.findings.length + report.more;
  const [first, ...others] = report.findings;
  return new Failure(
    `${count} ${count === 1 ? "finding" : "findings"}; the first: ${first?.kind}: ${first?.message}`,
    others.slice(0, 9).map(({ kind, message }) => `${kind}: ${message}`),
  );
}
