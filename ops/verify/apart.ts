/**
 * Agents that have receipts in another deployment as well (docs/scaling.md). An agent that began a second chain leaves both databases
 * whole: it shows only where the chains of the one are compared with what was anchored of the other.
 */
import { createHash } from "node:crypto";
import type pg from "pg";
import type { Anchor } from "../anchorFormat";
import { actorOf, isAgents } from "./chainName";
import { named, type Finding } from "./findings";
import type { Progress } from "./progress";
import { chainIs } from "./queries";
import type { Request } from "./request";
import type { Snapshot } from "./snapshot";

type End = Pick<Anchor["chains"][number], "agent" | "seq" | "seal">;

/** What one deployment has of an agent: how many receipts there ever were, and where their chains end. */
interface Held {
  receipts: number;
  ends: string[];
}

interface Elsewhere {
  anchor: Anchor;
  held: Held;
}

/** Rows are looked up for so many chains of an anchor, each among so many receipts up to its time: one that is the same says all. */
const [mostChains, mostReceipts] = [20, 1000];

export async function apartFindings(
  client: pg.Client,
  progress: Pick<Progress, "unverified">,
  { heads, checkpoints }: Pick<Snapshot, "heads" | "checkpoints">,
  { apartFrom = [], agent, allowEmpty }: Pick<Request, "apartFrom" | "agent" | "allowEmpty">,
): Promise<Finding[]> {
  if (apartFrom.length === 0) return [];
  const ofHeads = [...heads.receipts.values()].map((head) => ({ ...head, seal: head.seal.toString("hex") }));
  const here = heldBy(ofHeads, agent);
  /** By agent and deployment; of a deployment's anchors the newest that names the agent. */
  const elsewhere = new Map<string, Map<string, Elsewhere>>();
  /** By deployment, where its newest anchor did not reach all. */
  const incomplete = new Map<string, Anchor>();
  const findings: Finding[] = [];
  for (const anchor of apartFrom.toSorted((a, b) => Date.parse(a.as_of) - Date.parse(b.as_of))) {
    const deployment = deploymentOf(anchor);
    if (anchor.archive?.complete === false) incomplete.set(deployment, anchor);
    else incomplete.delete(deployment);
    if (anchor.chains.length === 0 && !allowEmpty) findings.push(namesNone(anchor));
    const same = await sameChain(client, heads.receipts, checkpoints.receipts, anchor);
    if (same) {
      findings.push(ofThisDeployment(anchor, same));
      // Once that is acknowledged, it was compared with nothing all the same.
      progress.unverified.add(`agents that are in ${said(anchor)} too: it is of this deployment, or of a copy of it`);
    } else
      for (const [name, held] of heldBy(anchor.chains, agent))
        if (here.has(name)) {
          const others = elsewhere.get(name) ?? new Map<string, Elsewhere>();
          elsewhere.set(name, others.set(deployment, { anchor, held }));
        }
  }
  for (const anchor of incomplete.values())
    progress.unverified.add(
      `agents that ${said(anchor)} may not name: it did not reach every chain of its database; give a later one`,
    );
  return [
    ...findings,
    ...[...elsewhere].map(([name, others]) => notApart(name, here.get(name)!, [...others.values()])),
  ];
}

function heldBy(ends: readonly End[], only: string | undefined): Map<string, Held> {
  const all = new Map<string, Held>();
  for (const { agent, seq, seal } of ends) {
    // Without a receipt: an agent whose receipts are in other lanes has its changes there.
    if (seq < 1 || !isAgents(only, agent)) continue;
    const name = actorOf(agent);
    const held = all.get(name) ?? { receipts: 0, ends: [] };
    held.receipts += seq;
    held.ends.push(JSON.stringify([agent, seq, seal]));
    all.set(name, held);
  }
  return all;
}

/** A file may have anchors of several. */
const deploymentOf = ({ source, database, server }: Anchor): string =>
  JSON.stringify([source, database, server.system]);

/** A chain that this database has up to where the anchor names it, of whatever agent. Two deployments never seal the same. */
async function sameChain(
  client: pg.Client,
  heads: Snapshot["heads"]["receipts"],
  checkpoints: Snapshot["checkpoints"]["receipts"],
  { chains, as_of }: Anchor,
): Promise<End | undefined> {
  const behind: End[] = [];
  for (const end of chains) {
    const head = end.seq > 0 ? heads.get(end.agent) : undefined;
    if (!head || head.seq < end.seq) continue;
    const known = [head, ...(checkpoints.get(end.agent) ?? []).map(({ last, seal }) => ({ seq: last, seal }))];
    if (known.some(({ seq, seal }) => seq === end.seq && seal.toString("hex") === end.seal)) return end;
    if (head.seq > end.seq) behind.push(end);
  }
  const justAfter = new Date(Date.parse(as_of) + 1).toISOString();
  for (const end of behind.slice(0, mostChains)) {
    // By time, for which there is an index.
    const { rows } = await client.query(
      `select from (select chain_seq, chain_seal from public.receipts where created_at <= $1${chainIs("receipts", end.agent, 2)}
                     order by created_at desc limit ${mostReceipts}) r
        where chain_seq = $3 and chain_seal = $4`,
      [justAfter, end.agent, end.seq, Buffer.from(end.seal, "hex")],
    );
    if (rows.length > 0) return end;
  }
  return undefined;
}

const said = ({ source, as_of }: Anchor): string => `${source} (${as_of})`;

const namesNone = (anchor: Anchor): Finding => ({
  kind: "nothing-verified",
  message: `${said(anchor)} names no chain: no agent could be compared with it (--allow-empty accepts that)`,
});

const ofThisDeployment = (anchor: Anchor, { agent, seq }: End): Finding => ({
  kind: "not-apart",
  message: `${said(anchor)} is of this deployment, or of a copy of it: receipt ${seq} of ${named(agent)} is the same in both. Which agents have receipts in two deployments was not compared: give --apart-from an anchor or manifest of the other deployment`,
});

/** The finding is another one when more than the longest goes on: once it is acknowledged, receipts may come to one deployment only. */
function notApart(agent: string, here: Held, others: readonly Elsewhere[]): Finding {
  const counts = others.map(({ anchor, held }) => `${held.receipts} in that of ${said(anchor)}`);
  const settled = [here, ...others.map(({ held }) => held)]
    .map(({ receipts, ends }) => ({ receipts, ends: ends.toSorted().join("\n") }))
    .sort((a, b) => b.receipts - a.receipts || (a.ends < b.ends ? -1 : 1))
    .slice(1);
  return {
    kind: "not-apart",
    message: `receipts of ${named(agent)} are in more than one deployment, each with a chain of its own: ${here.receipts} in this one, ${counts.join(", ")}. Let these requests go to one deployment again; every chain stays true, and only sealed_at says which of two receipts in them came first. Then acknowledge this finding (docs/scaling.md)`,
    agent,
    found: createHash("sha256")
      .update(settled.map(({ ends }) => ends).join("\n\n"))
      .digest("hex"),
  };
}
