/** The archive in the bucket, read for a database: what that says of it, and where it was restored, up to where. */
import type { Bucket } from "../archive/bucket";
import { toldManifest } from "../archive/report";
import { withConnection } from "../database";
import { parseTime } from "../times";
import { verifyArchive, type Archived } from "./archived";
import { newestMoment, RestoredTrail, type UpTo } from "./restored";
import { allCheckpoints } from "./snapshot";
import { readToldMonths } from "./toldMonths";

export interface ReadArchive {
  /** The database that it is compared with. */
  url: string;
  /** Flaws of archived rows that were looked into. */
  knownFlaws: number;
  /** By each segment, also where a month has its archive. */
  segments?: boolean | undefined;
  /** Where the database was restored: to a time, up to a manifest's number, or (true) to the newest that it shows. */
  restored?: string | true | undefined;
}

/** What the database says of the archive is asked for first: the archiver may go on while the bucket is read. */
export async function readArchive(bucket: Bucket, options: ReadArchive): Promise<Archived> {
  const { url, knownFlaws, segments, restored: restoredTo } = options;
  const from = { url, applicationName: "authensor-verify", signal: bucket.signal };
  const [told, months, checkpoints] = await withConnection(from, async (client) => [
    await toldManifest(client),
    await readToldMonths(client),
    await allCheckpoints(client),
  ]);
  if (restoredTo === undefined) return verifyArchive(bucket, told, knownFlaws, checkpoints, { segments, months });
  const restored = new RestoredTrail(await upToOf(restoredTo, () => withConnection(from, newestMoment)));
  const archived = await verifyArchive(bucket, told, knownFlaws, checkpoints, { restored, segments, months });
  // Counts of a bucket that is not whole would say the same once more, and less clearly.
  if (archived.findings.length > 0) return archived;
  const { findings, report } = await withConnection(from, (client) => restored.compare(client));
  return { ...archived, findings, report: { ...archived.report, restored: report } };
}

async function upToOf(restoredTo: string | true, newest: () => Promise<string>): Promise<UpTo> {
  if (restoredTo === true) return { moment: await newest() };
  return /^\d+$/.test(restoredTo) ? { manifest: Number(restoredTo) } : { moment: parseTime("restored", restoredTo) };
}
