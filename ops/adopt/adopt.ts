/**
 * A restored database becomes a deployment's own: verified against every manifest of the bucket that its source archived
 * into, and then told that its own bucket has nothing yet. Both once: afterwards it has what the source never had.
 */
import type pg from "pg";
import type { Bucket } from "../archive/bucket";
import { toldManifest } from "../archive/report";
import { refusePooler, withConnection } from "../database";
import { setComment } from "../databaseComment";
import { lockMaintenance } from "../maintenance/lock";
import type { Log } from "../log";
import { Failure } from "../program";
import type { Acknowledgement } from "../verify/acknowledgements";
import { readArchive } from "../verify/readArchive";
import { failure, type Report, summary } from "../verify/report";
import { verify } from "../verify/verification";
import { isAdopted, markOf } from "./mark";

export interface Adopt {
  /** The owner's, straight to the server. */
  url: string;
  /** What the source archived into. */
  bucket: Bucket;
  /** What it was restored from, as the settings say it. */
  from: string;
  /** Whether it was restored from that bucket alone. */
  fromBucket: boolean;
  knownFlaws: number;
  acknowledgements: readonly Acknowledgement[];
  log: Log;
  signal: AbortSignal;
}

/** Undefined where it was adopted before. */
export async function adopt(options: Adopt): Promise<Report | undefined> {
  const { url, bucket, from, log, signal } = options;
  return withConnection({ url, applicationName: "authensor-adopt", signal }, async (client) => {
    await refusePooler(client);
    await lockMaintenance(client, { log, signal, waitSeconds: 300 });
    if (await isAdopted(client, from)) return undefined;
    const report = await verifyAll(client, options);
    if (!report.ok) throw notWhole(report, bucket);
    await beginAnew(client, markOf(from, report.asOf, bucket.name));
    return report;
  });
}

async function verifyAll(client: pg.Client, options: Adopt): Promise<Report> {
  const { url, bucket, fromBucket, knownFlaws, acknowledgements, signal } = options;
  // What a dump leaves out, no restored database shows: the monitor's heartbeat, by which its moment is found otherwise.
  const restored = fromBucket ? String(await toldManifest(client)) : true;
  const archived = await readArchive(bucket, { url, knownFlaws, restored });
  return verify({
    url,
    signal,
    anchors: archived.anchors,
    archived,
    acknowledgements,
    connections: 2,
    chunk: 20_000,
    allowEmpty: true,
  });
}

function notWhole(report: Report, { name }: Bucket): Failure {
  const { message, details } = failure(report)!;
  return new Failure(`the restored database is not what the bucket ${name} has: ${message}`, [
    ...details,
    ...report.findings.map(({ id, message }) => `to acknowledge ${id}: ${message}`).slice(0, 10),
    "Nothing writes to it yet. docs/restore.md says how to go on.",
  ]);
}

/** Three intervals of the archive's schedule, as it is by default. */
const stillArchivingMs = 15 * 60_000;

export const inWords = (report: Report): string[] => {
  const later = report.archive?.restored?.archivedLater ?? 0;
  const lost = `receipts that the bucket has and this database has not, since they came after the restored moment: ${later}`;
  const until = report.archive?.until;
  return [
    summary(report),
    ...(until !== undefined && Date.parse(report.asOf) - Date.parse(until) < stillArchivingMs
      ? [
          `the newest manifest in that bucket is of ${until}: see that its source accepts nothing any more, or two databases do (docs/restore.md, step 1)`,
        ]
      : []),
    ...(later > 0 ? [`${lost}. ops/reconcile brings them in from that bucket (docs/failover.md)`] : []),
  ];
};

/** The archiver, the dump and the compaction begin at 1 in the deployment's own bucket, and are awaited from now on. */
async function beginAnew(client: pg.Client, mark: string): Promise<void> {
  await client.query("begin read write");
  await client.query(`
    update audit.archive set manifest = 0, archived_until = now(), problems = 0, summary = null, finished_at = null;
    update audit.dumps set number = 0, dumped_until = now();
    update audit.months set number = 0, compacted_until = null;
    delete from audit.archived_chains`);
  await setComment(client, mark);
  await client.query("commit");
}
