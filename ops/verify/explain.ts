/** From suspects to findings: fetches the rows around them and says what happened there. */
import type pg from "pg";
import type { Catalog } from "./catalog";
import { classify, type ChainRow } from "./classify";
import { named, type Finding } from "./findings";
import { receiptsWithSeqs } from "./queries";
import type { End, Suspect } from "./runs";
import type { Unexplained } from "./state";
import type { Trail } from "./trail";

const neighbours = 2;
/** Agents whose places are looked into one by one; of further ones each suspect is reported as it stands. */
const mostAgents = 50;

export async function explain(client: pg.Client, trail: Trail, catalog: Catalog): Promise<Finding[]> {
  const findings: Finding[] = [];
  const byAgent = new Map<string, Suspect[]>();
  for (const suspect of trail.suspects) {
    if (suspect.chain === "history") {
      const { agent, seq, at } = suspect;
      findings.push({
        kind: "altered-history",
        message: `change ${seq} of ${named(agent)} does not follow: it, or the one before it, was altered, added or moved`,
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
    findings.push(...(await explainAgent(client, agent, suspects, catalog, trail)));
  }
  return [...findings, ...trail.unexplained.flatMap((row) => unexplainedFinding(row, catalog))];
}

async function explainAgent(
  client: pg.Client,
  agent: string,
  suspects: Suspect[],
  catalog: Catalog,
  trail: Trail,
): Promise<Finding[]> {
  const places = [...new Set(suspects.map(({ seq }) => seq))].sort((a, b) => a - b).slice(0, 200);
  const around = Array.from({ length: 2 * neighbours + 1 }, (_, i) => i - neighbours);
  const seqs = [...new Set(places.flatMap((seq) => around.map((offset) => seq + offset)))];
  const { rows } = await client.query<ChainRow>(receiptsWithSeqs(agent), ["-infinity", "infinity", agent, seqs]);
  const ends = new Map<number, End>();
  for (const { last, seal, hash } of catalog.checkpoints.receipts.get(agent) ?? []) ends.set(last, { seal, hash });
  const base = trail.base?.chains.find((chain) => chain.agent === agent);
  if (base && base.seq > 0) ends.set(base.seq, { seal: Buffer.from(base.seal, "hex"), hash: undefined });
  const findings = classify(agent, rows, places, ends);
  if (findings.length > 0) return findings;
  // Suspicious, yet explained by nothing known: never to be passed over in silence.
  return suspects.slice(0, 1).map(({ seq, at }) => ({
    kind: "altered-column",
    message: `receipt ${seq} of ${named(agent)} does not follow from the one before it`,
    agent,
    seq,
    at,
  }));
}

function unexplainedFinding(row: Unexplained, catalog: Catalog): Finding[] {
  const { agent, id, at, problem } = row;
  const month = /^(\d{4})-(\d{2})/.exec(at);
  const archived = (table: string) => month !== null && catalog.archived.has(`${table}_${month[1]}_${month[2]}`);
  const place = { agent, receipt: id, at };
  const change = row.change_seq === null ? undefined : Number(row.change_seq);
  switch (problem) {
    case "state":
      if (archived("receipt_history")) return [];
      return [
        {
          kind: "altered-column",
          message: `receipt ${row.seq} of ${named(agent)}: ${row.columns.join(", ")} ${row.columns.length === 1 ? "is" : "are"} not what the recorded changes made`,
          ...place,
          ...(row.seq === null ? {} : { seq: Number(row.seq) }),
          columns: row.columns,
        },
      ];
    case "before":
      return [
        {
          kind: "altered-history",
          message: `change ${change} of ${named(agent)} starts from what its receipt did not hold`,
          ...place,
          ...(change === undefined ? {} : { seq: change }),
        },
      ];
    case "orphan":
      if (archived("receipts")) return [];
      return [
        {
          kind: "removed-row",
          message: `change ${change} of ${named(agent)} is of a receipt that is not there`,
          ...place,
        },
      ];
  }
}
