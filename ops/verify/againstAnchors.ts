/** What anchors name, and the database does not hold so. */
import type pg from "pg";
import type { Anchor } from "../anchorFormat";
import type { StretchRow } from "./chain";
import { chainKinds, chainNames, type ChainName } from "./chainKinds";
import { isAgents } from "./chainName";
import { named, type Finding } from "./findings";
import type { Disagreement, Progress } from "./progress";
import { stretchesInGaps } from "./queries";
import { inRecovered, type AnchoredPlace } from "./recovered";
import type { Request } from "./request";
import { afterPromotion, mayHaveLost, type Server } from "./server";
import type { Snapshot } from "./snapshot";

export async function anchorFindings(
  client: pg.Client,
  progress: Progress,
  snapshot: Snapshot,
  request: Request,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of chainNames) {
    for (const [agent, places] of progress.anchorPlaces[name]) {
      if (!isAgents(request.agent, agent)) continue;
      const last = progress.chains[name].get(agent)?.stretches.at(-1)?.last ?? 0;
      const checkpoints = snapshot.checkpoints[name].get(agent) ?? [];
      for (const point of checkpoints) progress.compare(name, agent, point.last, point.seal);
      const beyond = [...places].flatMap(([seq, { seal, anchor }]) => (seq > last ? [{ seq, seal, anchor }] : []));
      const isLeft = ({ anchor }: { anchor: Anchor }) => mayHaveLost(anchor, { chain: name, agent }, snapshot.server);
      const removed = beyond.filter((one) => !isLeft(one));
      const left = beyond.filter(isLeft);
      const others = await notRecovered(client, progress, name, agent, left);
      const lost = [...removed, ...others].sort((a, b) => b.seq - a.seq)[0];
      if (lost) findings.push(cutOff(name, agent, last, lost.seq, lost.anchor, snapshot));
      // What was started from is followed from, by the next row or the head.
      const within = [...places.keys()].filter((seq) => seq <= last && progress.anchored[name].get(agent) !== seq);
      for (const seq of within) {
        const anchor = places.get(seq)?.anchor;
        const archived = checkpoints.find((point) => point.first <= seq && seq < point.last);
        if (archived)
          progress.unverified.add(
            `${chainKinds[name].noun} ${seq} of ${named(agent)}, archived with ${archived.source}`,
          );
        else if (anchor && !(await comparedNow(client, progress, name, agent, seq)))
          findings.push({
            kind: "not-compared",
            message: `${chainKinds[name].noun} ${seq} of ${named(agent)} was anchored at ${anchor.as_of} (${anchor.source}) and is not there to be compared`,
            agent,
            seq,
          });
      }
    }
  }
  return [
    ...(await disagreementFindings(client, progress, snapshot.server)),
    ...progress.afterAnchors.findings(progress.disagreements),
    ...findings,
  ];
}

/** A place that was read by nothing else: before the anchor that is started from, or done by an earlier run. */
async function comparedNow(
  client: pg.Client,
  progress: Progress,
  name: ChainName,
  agent: string,
  seq: number,
): Promise<boolean> {
  const parameters = ["-infinity", "infinity", agent, seq, seq, [seq], [seq]];
  const { rows } = await client.query<StretchRow>(stretchesInGaps(name, agent), parameters);
  for (const row of rows) progress.compare(name, agent, Number(row.seq), row.seal);
  return rows.length > 0;
}

/** What was left behind when a server was promoted, and has been brought in since, is told, and no finding. */
async function notRecovered<P extends AnchoredPlace>(
  client: pg.Client,
  progress: Progress,
  name: ChainName,
  agent: string,
  places: readonly P[],
): Promise<P[]> {
  if (name !== "receipts" || places.length === 0) return [...places];
  const { says, others } = await inRecovered(client, agent, places);
  for (const one of says) progress.recovered.add(one);
  return others;
}

async function disagreementFindings(client: pg.Client, progress: Progress, server: Server): Promise<Finding[]> {
  const forks = new Map<string, Disagreement[]>();
  const findings: Finding[] = [];
  for (const other of progress.disagreements) {
    const key = `${other.chain}\n${other.agent}`;
    if (afterPromotion(other.anchor, other, server) === undefined) findings.push(rewritten(other));
    else forks.set(key, [...(forks.get(key) ?? []), other]);
  }
  for (const places of forks.values()) {
    const { chain, agent } = places[0]!;
    const anchored = places.map((here) => ({ seq: here.seq, seal: anchoredSeal(here), here }));
    const [first] = (await notRecovered(client, progress, chain, agent, anchored)).sort((a, b) => a.seq - b.seq);
    if (!first) continue;
    const { seq, anchor, seal } = first.here;
    const { noun } = chainKinds[chain];
    const common = progress.agreed[chain].get(agent) ?? 0;
    const since = common > 0 ? `; both have the same up to ${noun} ${common} at least` : "";
    findings.push({
      kind: "forked",
      message: `the chain of ${named(agent)} forked at ${noun} ${seq} or before: another one was anchored at ${anchor.as_of} (${anchor.source}). It was sealed by a server that this one is not the continuation of: ${afterPromotion(anchor, first.here, server)}${since}`,
      agent,
      seq,
      found: seal,
    });
  }
  return findings;
}

const anchoredSeal = ({ anchor, agent }: Disagreement): string =>
  anchor.chains.find((chain) => chain.agent === agent)?.seal ?? "";

const rewritten = ({ chain, agent, seq, anchor, seal }: Disagreement): Finding => ({
  kind: "rewritten",
  message: `${chainKinds[chain].noun} ${seq} of ${named(agent)} is not the one that was anchored at ${anchor.as_of} (${anchor.source})`,
  agent,
  seq,
  found: seal,
});

function cutOff(
  name: ChainName,
  agent: string,
  last: number,
  seq: number,
  anchor: Anchor,
  snapshot: Snapshot,
): Finding {
  const replayed =
    snapshot.standby && snapshot.asOf < anchor.as_of ? `; this standby has replayed up to ${snapshot.asOf}` : "";
  const promoted = afterPromotion(anchor, { chain: name, agent }, snapshot.server);
  const lost =
    promoted === undefined ? "" : `; ${promoted}: what was not replicated when this one was promoted is lost to it`;
  return {
    kind: chainKinds[name].findings.cutOff,
    message: `the chain of ${named(agent)} ends at ${chainKinds[name].noun} ${last}; at ${anchor.as_of} it reached ${seq} (${anchor.source})${replayed}${lost}`,
    agent,
    seq: last + 1,
    lastSeq: seq,
  };
}
