/** The end of a verification: gaps, heads, suspects and anchors become findings. */
import type pg from "pg";
import { findingId } from "./acknowledgements";
import { anchorFindings } from "./againstAnchors";
import { apartFindings } from "./apart";
import { againstAnchors } from "./checkpoints";
import { isAgents } from "./chainName";
import { closeGaps } from "./closeGaps";
import { named, type Finding } from "./findings";
import { importFindings } from "./imports";
import { searchIndexFindings } from "./searchIndex";
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
  const anchors = request.from ? [...request.anchors, request.from] : request.anchors;
  const gaps = await closeGaps(client, progress, around, snapshot, {
    upTo: request.until === undefined ? "head" : "next",
    everyAgent: !ranged,
    manifests: request.manifests ?? [],
    witness: request.archived?.witness,
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
    // Where its rows are there, their head was missed already.
    ...snapshot.headless.filter(
      ({ kind, agent }) =>
        (agent === undefined ? request.agent === undefined : isAgents(request.agent, agent)) &&
        !gaps.some((gap) => gap.kind === kind && gap.agent === agent),
    ),
    ...againstAnchors(snapshot, anchors),
    ...(await importFindings(client, anchors, snapshot.server)),
    ...gaps.filter(
      ({ kind, agent, seq, lastSeq }) =>
        kind === "altered-history" || lastSeq !== undefined || !places.has(`${agent}\n${seq}`),
    ),
    ...explained,
    ...progress.mismatches.flatMap((row) => mismatchFinding(row, snapshot)),
    ...(await anchorFindings(client, progress, snapshot, request)),
    ...(await apartFindings(client, progress, snapshot, request)),
    ...(ranged || request.agent !== undefined ? [] : await searchIndexFindings(client)),
  ];
  const known = new Set(request.acknowledgements?.map(({ finding }) => finding));
  const open = findings.some((finding) => !known.has(findingId(finding)));
  if (progress.counted.receipts === 0 && !request.allowEmpty && request.from === undefined && !open) {
    const what = request.agent !== undefined ? `of ${named(request.agent)} ` : "";
    findings.push({
      kind: "nothing-verified",
      message: `there is no receipt ${what}${ranged ? "in this time" : "here"}: nothing was verified (--allow-empty accepts that)`,
    });
  }
  return findings;
}
