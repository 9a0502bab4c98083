/** Tells the monitor how a verification ended. */
import type pg from "pg";
import { databaseUrl, withConnection } from "../database";
import { Failure } from "../program";
import { reportRun } from "../reportRun";
import { scopes } from "./overdue";
import { failure, summary, type Report } from "./report";

/** What is told of: for each there is a program on schedule, `verify-<name>` (sql/018_monitor.sql). */
const recordable = [...scopes, "archived"] as const;
export type Recorded = (typeof recordable)[number];

export function recordedAs(text: string): Recorded {
  const found = recordable.find((one) => one === text);
  if (found === undefined) throw new Failure(`--record must be one of ${recordable.join(", ")}, not "${text}"`, [], 2);
  return found;
}

/** What it found has alarms of its own; of the archive's verification, which has none, findings are the run's failure. */
export async function record(report: Report, recorded: Recorded, signal: AbortSignal): Promise<void> {
  const failed = failure(report);
  const said = failed?.message ?? summary(report);
  await tell(signal, async (client) => {
    if (recorded !== "archived")
      await reportRun(client, "report_verification", [
        recorded,
        report.verified.receipts,
        report.findings.length + report.more,
        report.unverified.length,
        said,
      ]);
    await reportRun(client, "report_run", [
      `verify-${recorded}`,
      recorded !== "archived" || failed?.exitCode !== 1,
      said,
    ]);
  });
}

/** Of a run that did not come to its end. Where the database cannot be told, the next report is awaited: it gets overdue. */
export async function recordFailure(error: unknown, recorded: Recorded): Promise<void> {
  const said = error instanceof Error ? error.message : String(error);
  // What has ended the run, such as a signal, does not end this.
  await tell(AbortSignal.timeout(10_000), (client) =>
    reportRun(client, "report_run", [`verify-${recorded}`, false, said]),
  ).catch(() => undefined);
}

const tell = (signal: AbortSignal, work: (client: pg.Client) => Promise<unknown>) =>
  withConnection({ url: databaseUrl(), applicationName: "authensor-verify", signal }, work);
