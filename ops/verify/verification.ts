/** One verification, from the question to the report. */
import type pg from "pg";
import { anchorDigest } from "../anchorFormat";
import { builtInFindings } from "./builtIns";
import { compareCatalog, readCatalog } from "./catalog";
import { conclude } from "./conclusion";
import type { Finding } from "./findings";
import { dateless, partitionFindings } from "./partitions";
import { Progress } from "./progress";
import { makeReport, scope, type Report } from "./report";
import { isRanged, type Request } from "./request";
import { ResumeFile } from "./resumeFile";
import { scan } from "./scan";
import { inSnapshot, openSession, snapshotLost } from "./session";
import { assertReadable, readSnapshot, type Snapshot } from "./snapshot";

const mostSessions = 20;

export async function verify(request: Request): Promise<Report> {
  const started = Date.now();
  const progress = new Progress(!isRanged(request), request.from);
  for (const anchor of request.from ? [...request.anchors, request.from] : request.anchors) {
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

  let beginning: Snapshot | undefined;
  for (let sessions = 1; ; sessions++) {
    const session = await openSession(request.url, request.connections, request.signal);
    try {
      const [client] = session.clients;
      if (!client) throw new Error("no connection");
      const unreadable = await inSnapshot(client, assertReadable);
      const guards = await inSnapshot(client, guardFindings);
      // What the rows' columns mean is not known: whatever would be read of them would say nothing.
      if (unreadable.length > 0)
        return makeReport(request, progress, undefined, [...unreadable, ...guards], started, 0);
      // Every place up to these heads is to be found, in whatever snapshot; what is sealed later is not asked for.
      const before = (beginning ??= await inSnapshot(client, readSnapshot));
      const counted = progress.counted.receipts;
      await scan(session.clients, progress, request, before.estimate, resumeFile);
      const [end, findings] = await inSnapshot(client, async () => {
        const after = await readSnapshot(client);
        const around = { before: before.heads, after: after.heads };
        return [after, await conclude(client, progress, around, { ...after, asOf: before.asOf }, request)] as const;
      });
      resumeFile?.remove();
      return makeReport(request, progress, { ...end, asOf: before.asOf }, [...guards, ...findings], started, counted);
    } catch (error) {
      request.signal.throwIfAborted();
      // A standby replays over what a snapshot still sees. What was verified stays verified.
      if (!snapshotLost(error) || sessions > mostSessions) throw error;
    } finally {
      await session.close();
    }
  }
}

/** What is open, or wrong with the places that rows are kept in, whatever the rows say. */
async function guardFindings(client: pg.Client): Promise<Finding[]> {
  return [
    ...(await builtInFindings(client)),
    ...compareCatalog(await readCatalog(client)),
    ...(await partitionFindings(client)),
    ...(await dateless(client)),
  ];
}

const question = (request: Request) => ({
  ...scope(request),
  digests: [...request.anchors, ...(request.from ? [request.from] : [])].map((anchor) => anchor.digest),
});
