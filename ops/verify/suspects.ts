/** From suspects to findings: fetches the rows around them and says what happened there. */
import type pg from "pg";
import type { Snapshot } from "./snapshot";
import { chainKinds } from "./chainKinds";
import { diagnose, foundIn, type ChainRow } from "./diagnose";
import { named, type Finding } from "./findings";
import { linkHolds, receiptsWithSeqs } from "./queries";
import type { End, Suspect } from "./chain";
import type { Progress } from "./progress";

const neighbours = 2;
/** Agents whose places are looked into one by one; of further ones each suspect is reported as it stands. */
const mostAgents = 50;

export async function explainSuspects(client: pg.Client, progress: Progress, snapshot: Snapshot): Promise<Finding[]> {
  const findings: Finding[] = [];
  const byAgent = new Map<string, Suspect[]>();
  for (const suspect of [...progress.suspects, ...progress.unsent]) {
    if (suspect.from) {
      const { chain, agent, seq, at, from } = suspect;
      const { rows } = await client.query<{ holds: boolean }>(linkHolds(chain, agent), [
        at,
        agent,
        seq,
        from.id,
        from.seal,
      ]);
      if (rows.length === 1 && rows[0]?.holds === true) continue;
    }
    if (suspect.disordered === true) {
      const { agent, seq, at } = suspect;
      const { noun } = chainKinds[suspect.chain];
      findings.push({
        kind: "disordered",
        message: `${noun} ${seq} of ${named(agent)} says that it was stored before the one it follows, or in the future`,
        agent,
        seq,
        at,
      });
      continue;
    }
    // What happened to a receipt is looked into; of a change it is enough that it does not follow.
    if (suspect.chain !== "receipts") {
      const { agent, seq, at } = suspect;
      findings.push({
        kind: chainKinds[suspect.chain].findings.missing,
        message: `${chainKinds[suspect.chain].noun} ${seq} of ${named(agent)} does not follow: it, or the one before it, was altered, added or moved`,
        agent,
        seq,
        at,
      });
    } else byAgent.set(suspect.agent, [...(byAgent.get(suspect.agent) ?? []), suspect]);
  }
  let agents = 0;
  for (const [agent, suspects] of byAgent) {
    if (++agents > mostAgents) {
      findings.push(
        ...suspects.map(({ seq, at }): Finding => ({
          kind: "altered-column",
          message: `receipt ${seq} of ${named(agent)} does not follow`,
          agent,
          seq,
          at,
        })),
      );
      continue;
    }
    findings.push(...(await explainAgent(client, agent, suspects, snapshot, progress)));
  }
  return findings;
}

async function explainAgent(
  client: pg.Client,
  agent: string,
  suspects: Suspect[],
  snapshot: Snapshot,
  progress: Progress,
): Promise<Finding[]> {
  const places = [...new Set(suspects.map(({ seq }) => seq))].sort((a, b) => a - b).slice(0, 200);
  const around = Array.from({ length: 2 * neighbours + 1 }, (_, i) => i - neighbours);
  const seqs = [...new Set(places.flatMap((seq) => around.map((offset) => seq + offset)))];
  const { rows } = await client.query<ChainRow>(receiptsWithSeqs(agent), ["-infinity", "infinity", agent, seqs]);
  const ends = new Map<number, End>();
  for (const { last, seal, hash } of snapshot.checkpoints.receipts.get(agent) ?? []) ends.set(last, { seal, hash });
  const base = progress.base?.chains.find((chain) => chain.agent === agent);
  if (base && base.seq > 0) ends.set(base.seq, { seal: Buffer.from(base.seal, "hex"), hash: undefined });
  const findings = diagnose(agent, rows, places, ends);
  if (findings.length > 0) return findings;
  // Suspicious, yet explained by nothing known: never to be passed over in silence.
  return suspects.slice(0, 1).map(({ seq, at }) => ({
    kind: "altered-column",
    message: `receipt ${seq} of ${named(agent)} does not follow from the one before it`,
    agent,
    seq,
    at,
    found: rows
      .filter((row) => Number(row.seq) === seq)
      .map(foundIn)
      .join(" "),
  }));
}
