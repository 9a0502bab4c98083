/** One verification, from the question to the report. */
import { anchorDigest } from "../anchorFormat";
import { conclude } from "./conclusion";
import { sortFindings } from "./findings";
import { Progress } from "./progress";
import { scope, type Report } from "./report";
import { isRanged, type Request } from "./request";
import { ResumeFile } from "./resumeFile";
import { scan } from "./scan";
import { openSession, snapshotLost } from "./session";
import { readSnapshot } from "./snapshot";

const mostFindings = 100;
const mostSnapshots = 20;

export async function verify(request: Request): Promise<Report> {
  const started = Date.now();
  const everything = request.from ? [...request.anchors, request.from] : request.anchors;
  const progress = new Progress(!isRanged(request), request.from);
  for (const anchor of everything) {
    if (anchorDigest(anchor) !== anchor.digest)
      progress.findings.push({
        kind: "altered-anchor",
        message: `the anchor of ${anchor.as_of} (${anchor.source}) is not what its digest says`,
      });
    progress.addAnchor(anchor);
  }
  const resumeFile =
    request.resumeFile === undefined ? undefined : new ResumeFile(request.resumeFile, question(request));
  const saved = resumeFile?.read();
  if (saved) progress.restore(saved);

  let snapshots = saved ? 1 : 0;
  for (;;) {
    snapshots++;
    const session = await openSession(request.url, request.connections, request.signal);
    try {
      const [client] = session.clients;
      if (!client) throw new Error("no connection");
      const snapshot = await readSnapshot(client, everything);
      const verifiedBefore = progress.counted.receipts;
      await scan(session.clients, progress, request, snapshot, resumeFile);
      const findings = await conclude(client, progress, snapshot, request, snapshots > 1);
      resumeFile?.remove();
      const seconds = (Date.now() - started) / 1000;
      const sorted = sortFindings(findings);
      return {
        ok: sorted.length === 0,
        asOf: snapshot.asOf,
        standby: snapshot.standby,
        scope: scope(request),
        verified: {
          receipts: progress.counted.receipts,
          changes: progress.counted.history,
          agents: progress.chains.receipts.size,
          checkpoints: snapshot.checkpointCount,
        },
        archived: [...snapshot.archived].sort(),
        ...(sorted[0] ? { first: sorted[0] } : {}),
        findings: sorted.slice(0, mostFindings),
        more: Math.max(0, sorted.length - mostFindings) + progress.uncounted,
        seconds,
        receiptsPerSecond: Math.round((progress.counted.receipts - verifiedBefore) / seconds),
      };
    } catch (error) {
      request.signal.throwIfAborted();
      // A standby replays over what a long snapshot still sees. What was verified stays verified.
      if (!snapshotLost(error) || snapshots > mostSnapshots) throw error;
    } finally {
      await session.close();
    }
  }
}

const question = (request: Request) => ({
  ...scope(request),
  digests: [...request.anchors, ...(request.from ? [request.from] : [])].map((anchor) => anchor.digest),
});
