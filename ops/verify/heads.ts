/** What the heads say of the ends of chains. */
import type pg from "pg";
import type { Chain } from "./chain";
import type { Heads } from "./chainHeads";
import { chainKinds, type ChainName } from "./chainKinds";
import { isAgents } from "./chainName";
import { named, type Finding } from "./findings";
import type { Progress } from "./progress";
import type { Snapshot } from "./snapshot";

/** Heads as they were before the first row was read, and after the last. Writers go on meanwhile, and no head ever goes back. */
export interface HeadsAround {
  before: Heads;
  after: Heads;
}

/** Whether a chain ends where its head says, and has reached what the anchor says that was started from. */
export function headFindings(
  name: ChainName,
  agent: string,
  { stretches }: Chain,
  around: HeadsAround,
  progress: Progress,
): Finding[] {
  const head = around.after[name].get(agent);
  const earlier = around.before[name].get(agent);
  const end = stretches.at(-1);
  if (!end || end.last === 0) return [];
  const { noun, headHash, findings } = chainKinds[name];
  const anchored = progress.anchored[name].get(agent) ?? 0;
  if (anchored > 0 && (head?.seq ?? 0) < anchored) {
    const message = `the chain of ${named(agent)} ends at ${noun} ${head?.seq ?? 0}; at ${progress.base?.as_of} it reached ${anchored}`;
    return [{ kind: findings.cutOff, message, agent, seq: (head?.seq ?? 0) + 1, lastSeq: anchored }];
  }
  if (!head)
    return [
      {
        kind: findings.head,
        message: `the head of ${named(agent)} is gone: its last ${noun} is ${end.last}`,
        agent,
        seq: end.last,
      },
    ];
  if (end.last > head.seq) {
    const message = `${noun} ${head.seq + 1} of ${named(agent)} is beyond its head: it was not put there by the database`;
    return [{ kind: findings.beyondHead, message, agent, seq: head.seq + 1, lastSeq: end.last, at: end.endAt }];
  }
  if (earlier && earlier.seq > head.seq) {
    const message = `the head of ${named(agent)} went back from ${noun} ${earlier.seq} to ${head.seq} while it was verified`;
    return [{ kind: findings.head, message, agent, seq: head.seq }];
  }
  // Between the two the chain has grown, and what it grew by follows from what is here.
  const known = [head, ...(earlier ? [earlier] : [])].find(({ seq }) => seq === end.last);
  if (!known) return [];
  const same =
    end.end.seal.equals(known.seal) &&
    (headHash === undefined || end.end.hash === undefined || end.end.hash === known.hash) &&
    (end.end.clock === undefined || end.end.clock === known.clock);
  if (!same && end.last === anchored) {
    const message = `the head of ${named(agent)} is not the ${noun} ${anchored} that was anchored at ${progress.base?.as_of}`;
    return [{ kind: findings.rewrittenHead, message, agent, seq: anchored }];
  }
  const suspected = progress.suspects.some((suspect) => suspect.chain === name && suspect.agent === agent);
  if (same || suspected) return [];
  return [
    {
      kind: findings.head,
      message: `the head of ${named(agent)} is not its last ${noun}, ${end.last}`,
      agent,
      seq: end.last,
    },
  ];
}

/** Agents of whom nothing was found in a range without an end: the row that the head names is before it, or is gone. */
export async function goneBeforeRange(
  client: pg.Client,
  name: ChainName,
  progress: Progress,
  { before }: HeadsAround,
  checkpoints: Snapshot["checkpoints"],
  only: string | undefined,
): Promise<Finding[]> {
  const unseen = [...before[name].values()].filter(
    ({ agent, seq }) =>
      seq > 0 &&
      isAgents(only, agent) &&
      (progress.chains[name].get(agent)?.stretches.length ?? 0) === 0 &&
      !checkpoints[name].get(agent)?.some(({ last }) => last === seq),
  );
  const { noun, table, isOf, isNameless, seq: place, findings } = chainKinds[name];
  const rowOf = (agentMatches: string) =>
    `exists (select from ${table} r where ${agentMatches} and r.${place} = h.seq)`;
  const exists = `case when h.agent = '' then ${rowOf(isNameless("r"))} else ${rowOf(isOf("h.agent", "r"))} end`;
  const { rows } = await client.query<{ agent: string; seq: string }>(
    `select h.agent, h.seq from unnest($1::text[], $2::int8[]) h (agent, seq) where not (${exists})`,
    [unseen.map(({ agent }) => agent), unseen.map(({ seq }) => seq)],
  );
  return rows.map(({ agent, seq }) => ({
    kind: findings.cutOff,
    message: `${noun} ${seq} of ${named(agent)} is missing: its head names it`,
    agent,
    seq: Number(seq),
  }));
}
