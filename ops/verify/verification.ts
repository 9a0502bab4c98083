/** One verification, from the question to the report. */
import type pg from "pg";
import { anchorDigest } from "../anchorFormat";
import { builtInFindings } from "./builtIns";
import { compareCatalog, readCatalog } from "./catalog";
import { conclude } from "./conclusion";
import type { Finding } from "./findings";
import { Failure } from "../program";
import { dateless, partitionFindings } from "./partitions";
import { Progress } from "./progress";
import { makeReport, scope, type Report } from "./report";
import { isRanged, type Request } from "./request";
import { ResumeFile } from "./resumeFile";
import { scan } from "./scan";
import { inSnapshot, openSession, snapshotLost } from "./session";
import { assertReadable, readSnapshot, type Snapshot } from "./snapshot";
import { toldFindings } from "./told";

const mostSessions = 20;

export async function verify(request: Request): Promise<Report> {
  const started = Date.now();
  const progress = new Progress(!isRanged(request), request.from);
  const anchors = request.from ? [...request.anchors, request.from] : request.anchors;
  for (const anchor of [...anchors, ...(request.apartFrom ?? [])])
    if (anchorDigest(anchor) !== anchor.digest)
      progress.findings.push({
        kind: "altered-anchor",
        message: `the anchor of ${anchor.as_of} (${anchor.source}) is not what its digest says`,
      });
  for (const anchor of anchors) progress.addAnchor(anchor);
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
      const catalog = await inSnapshot(client, catalogFindings);
      const unreadable = await inSnapshot(client, assertReadable).catch((error: unknown) => {
        // Where rights are what they should be, it is the wrong login; else somebody has hidden the trail.
        if (!(error instanceof Failure) || catalog.length === 0) throw error;
        return [{ kind: "guard-off", message: error.message } as const];
      });
      // What the rows' columns mean is not known: whatever would be read of them would say nothing.
      if (unreadable.length > 0)
        return makeReport(request, progress, undefined, [...unreadable, ...catalog], started, 0);
      const guards = [
        ...catalog,
        ...(await inSnapshot(client, placeFindings)),
        ...(await inSnapshot(client, () => toldFindings(client, request.expectations))),
      ];
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

/** What is open, whatever the rows say. */
async function catalogFindings(client: pg.Client): Promise<Finding[]> {
  return [...(await builtInFindings(client)), ...compareCatalog(await readCatalog(client))];
}

/** What is wrong with the places that rows are kept in. */
async function placeFindings(client: pg.Client): Promise<Finding[]> {
  return [...(await partitionFindings(client)), ...(await dateless(client))];
}

const question = (request: Request) => ({
  ...scope(request),
  digests: [...request.anchors, ...(request.from ? [request.from] : [])].map((anchor) => anchor.digest),
});
