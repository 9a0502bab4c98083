/** Tells the monitor how a run ended, by a row on the primary: what was read may have been a replica. */
import type pg from "pg";

export interface ArchiveReport {
  /** All that was sealed before is in the bucket; undefined after a run that failed: nothing new is known. */
  until?: string;
  manifest?: number | undefined;
  problems?: number;
  summary: string;
}

export async function reportArchive(primary: pg.Client, report: ArchiveReport): Promise<void> {
  const { until, manifest, problems, summary } = report;
  // An auditor's sessions are read-only unless one says otherwise; its rights end at this function.
  await primary.query("begin read write");
  await primary.query("select audit.report_archive($1, $2, $3, $4)", [until, manifest, problems, summary]);
  await primary.query("commit");
}

/** The number of the newest manifest, as the archiver has told the database. To be asked for before the bucket is read. */
export async function toldManifest(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ manifest: string }>("select manifest from audit.archive");
  return Number(rows[0]?.manifest ?? 0);
}
