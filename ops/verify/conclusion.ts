/** The end of a verification: gaps, heads, suspects and anchors become findings. */
import type pg from "pg";
import { chainKinds, chainNames } from "./chainKinds";
import { againstAnchors } from "./checkpoints";
import { closeGaps } from "./closeGaps";
import { named, type Finding } from "./findings";
import type { Progress } from "./progress";
import type { HeadsAround } from "./heads";
import { isRanged, type Request } from "./request";
import { mismatchFinding } from "./stateMismatch";
import type { Snapshot } from "./snapshot";
import { explainSuspects } from "./suspects";

/** What is left to find once every chunk was read. */
export async function conclude(
  client: pg.Client,
  progress: Progress,
  around: HeadsAround,
  snapshot: Snapshot,
  request: Request,
): Promise<Finding[]> {
  const ranged = isRanged(request);
  const gaps = await closeGaps(client, progress, around, snapshot, {
    upTo: request.until === undefined ? "head" : "next",
    everyAgent: !ranged,
    agent: request.agent,
  });
  const explained = await explainSuspects(client, progress, snapshot);
  // A receipt that was moved leaves the place it came from empty: one finding, not two.
  const places = new Set(
    explained.flatMap(({ kind, agent, belongsAt }) =>
      kind === "reordered" && belongsAt !== undefined ? [`${agent}\n${belongsAt}`] : [],
    ),
  );
  const findings = [
    ...progress.findings,
    ...snapshot.findings,
    ...againstAnchors(snapshot, request.from ? [...request.anchors, request.from] : request.anchors),
    ...gaps.filter(
      ({ kind, agent, seq, lastSeq }) =>
        kind === "altered-history" || lastSeq !== undefined || !places.has(`${agent}\n${seq}`),
    ),
    ...explained,
    ...progress.mismatches.flatMap((row) => mismatchFinding(row, snapshot)),
    ...anchoredAway(progress, snapshot, request),
  ];
  if (progress.counted.receipts === 0 && !request.allowEmpty && request.from === undefined && findings.length === 0) {
    const what = request.agent !== undefined ? `of ${named(request.agent)} ` : "";
    findings.push({
      kind: "nothing-verified",
      message: `there is no receipt ${what}${ranged ? "in this time" : "here"}: nothing was verified (--allow-empty accepts that)`,
    });
  }
  return findings;
}

/** Places that anchors name and nothing shows any more. */
function anchoredAway(progress: Progress, snapshot: Snapshot, request: Request): Finding[] {
  const findings: Finding[] = [];
  for (const name of chainNames) {
    for (const [agent, places] of progress.anchorPlaces[name]) {
      if (request.agent !== undefined && request.agent !== agent) continue;
      const last = progress.chains[name].get(agent)?.stretches.at(-1)?.last ?? 0;
      for (const point of snapshot.checkpoints[name].get(agent) ?? [])
        progress.compare(name, agent, point.last, point.seal);
      const beyond = [...places].filter(([seq]) => seq > last).sort(([a], [b]) => b - a)[0];
      if (!beyond) continue;
      const [seq, { anchor }] = beyond;
      const replayed =
        snapshot.standby && snapshot.asOf < anchor.as_of ? `; this standby has replayed up to ${snapshot.asOf}` : "";
      const message = `the chain of ${named(agent)} ends at ${chainKinds[name].noun} ${last}; at ${anchor.as_of} it reached ${seq} (${anchor.source})${replayed}`;
      findings.push({
        kind: chainKinds[name].findings.cutOff,
        message,
        agent,
        seq: last + 1,
        lastSeq: seq,
      });
    }
  }
  return findings;
}
