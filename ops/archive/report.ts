/** What the database is told of the archive: the monitor reads it, and so does who verifies the archive. */
import type pg from "pg";
import { reportRun } from "../reportRun";

export interface ArchiveReport {
  /** All that was sealed before is in the bucket; undefined after a run that failed: nothing new is known. */
  until?: string;
  manifest?: number | undefined;
  problems?: number;
  summary: string;
}

export async function reportArchive(primary: pg.Client, report: ArchiveReport): Promise<void> {
  const { until, manifest, problems, summary } = report;
  await reportRun(primary, "report_archive", [until, manifest, problems, summary]);
}

/** The number of the newest manifest, as the archiver has told the database. To be asked for before the bucket is read. */
export async function toldManifest(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ manifest: string }>("select manifest from audit.archive");
  return Number(rows[0]?.manifest ?? 0);
}
