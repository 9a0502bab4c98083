/** Where a chain has places without a row. */
import type { Chain, Stretch } from "./chain";
import { chainKinds, type ChainName } from "./chainKinds";
import { named, type Finding } from "./findings";

export interface Gap {
  first: number;
  last: number;
  /** The stretches around it. */
  before: Stretch | undefined;
  after: Stretch | undefined;
}

/** The gaps of a chain up to a head; what came after it is not expected to be whole. */
export function gapsOf({ stretches }: Chain, head: number): Gap[] {
  const gaps: Gap[] = [];
  const [first] = stretches;
  // A stretch without a start stands on its own: what it follows from is known.
  if (first?.start && first.first > 1)
    gaps.push({ first: first.first - 1, last: first.first - 1, before: undefined, after: first });
  for (const [i, before] of stretches.entries()) {
    const after = stretches[i + 1];
    const first = before.last + 1;
    if (after && first <= head) gaps.push({ first, last: Math.min(after.first - 1, head), before, after });
    else if (after) continue;
    else if (before.last < head) gaps.push({ first, last: head, before, after: undefined });
  }
  return gaps;
}

/** @param tail whether the chain ends in it, by its head */
export function gapFinding(
  name: ChainName,
  agent: string,
  { first, last, before, after }: Gap,
  tail: boolean,
): Finding {
  const { noun, findings } = chainKinds[name];
  const count = last - first + 1;
  const places = count === 1 ? `${first}` : `${first} to ${last}`;
  const at = before && !Number.isNaN(Date.parse(before.endAt)) ? before.endAt : after?.start?.at;
  const place = { agent, seq: first, ...(count > 1 ? { lastSeq: last } : {}), ...(at === undefined ? {} : { at }) };
  const message = `${noun}${count === 1 ? "" : "s"} ${places} of ${named(agent)} ${count === 1 ? "is" : "are"} missing`;
  return tail
    ? { kind: findings.cutOff, message: `${message}: its head has place ${last}`, ...place }
    : { kind: findings.missing, message, ...place };
}
