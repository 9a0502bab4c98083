/** What the verifier finds, and how it is told. */
import { actorOf, laneOf } from "./chainName";

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
  | "altered-import"
  | "misdated"
  | "altered-anchor"
  | "altered-archive"
  | "flawed-archive"
  | "misplaced-row"
  | "disordered"
  | "half-archived"
  | "not-restored"
  | "not-compared"
  | "not-apart"
  | "unreadable"
  | "unsearchable"
  | "guard-off"
  | "unknown-release"
  | "nothing-verified";

export interface Finding {
  kind: FindingKind;
  /** One sentence for people. */
  message: string;
  /** The chain's name: the agent's, or of a lane the agent's, U+001F and its number. */
  agent?: string;
  /** Place in the agent's chain: of receipts, or for altered-history of changes; without an agent in that of imports. */
  seq?: number;
  /** Last place, where the finding covers several. */
  lastSeq?: number;
  receipt?: string;
  /** When the receipt was made; where it is missing, the one before it. */
  at?: string;
  columns?: string[];
  /** What is there: its seal, or a digest of it. Once it is altered again, it is another finding. */
  found?: string;
  /** Where a reordered receipt belongs. */
  belongsAt?: number;
}

/** Whose chain it is: `agent "x"`, whatever its name holds, or `agent "x", lane 3`. What was put there as a lane may be no number. */
export function named(chain: string): string {
  if (chain === "") return "no agent";
  const [agent, lane] = [actorOf(chain), laneOf(chain)];
  const inLane = chain === agent ? "" : `, lane ${/^\d+$/.test(lane) ? lane : JSON.stringify(lane)}`;
  return `agent ${JSON.stringify(agent)}${inLane}`;
}

/** The earliest broken place first: what is wrong with everything, then agent by agent in order of time, along each chain. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  const begin = new Map<string, string>();
  for (const { agent = "", at = "9" } of findings) if (at < (begin.get(agent) ?? "~")) begin.set(agent, at);
  const key = ({ agent, seq = 0 }: Finding) =>
    [agent === undefined ? "" : (begin.get(agent) ?? ""), agent ?? "", seq] as const;
  const compare = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0);
  return findings
    .map((finding) => ({ finding, key: key(finding) }))
    .sort((a, b) => compare(a.key[0], b.key[0]) || compare(a.key[1], b.key[1]) || compare(a.key[2], b.key[2]))
    .map(({ finding }) => finding);
}
