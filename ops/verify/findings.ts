/** What the verifier finds, and how it is told. */

export type FindingKind =
  | "altered-column"
  | "removed-row"
  | "inserted-row"
  | "reordered"
  | "forked"
  | "cut-off-tail"
  | "rewritten"
  | "altered-history"
  | "altered-head"
  | "altered-checkpoint"
  | "altered-anchor"
  | "guard-off"
  | "nothing-verified";

export interface Finding {
  kind: FindingKind;
  /** One sentence for people. */
  message: string;
  agent?: string;
  /** Place in the agent's chain: of receipts, or for altered-history of changes. */
  seq?: number;
  /** Last place, where the finding covers several. */
  lastSeq?: number;
  receipt?: string;
  /** When the receipt was made; where it is missing, the one before it. */
  at?: string;
  columns?: string[];
  /** Where a reordered receipt belongs. */
  belongsAt?: number;
}

/** `agent 'x'`, whatever its name holds. */
export const named = (agent: string): string => (agent === "" ? "no agent" : `agent ${JSON.stringify(agent)}`);

const order = (finding: Finding): [number, string, number] => [
  // What is wrong with the evidence itself, or with everything, comes before single places.
  finding.agent === undefined ? 0 : 1,
  finding.at ?? "9",
  finding.seq ?? 0,
];

/** The earliest broken place first. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => {
    const [x, y] = [order(a), order(b)];
    return x[0] - y[0] || (x[1] < y[1] ? -1 : x[1] > y[1] ? 1 : 0) || x[2] - y[2];
  });
}
