/** What a verification answers, for programs and for people. */
import { Failure } from "../program";
import { named, type Finding } from "./findings";
import type { Request } from "./request";

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
