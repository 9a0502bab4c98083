/** Tells the monitor how a verification ended. */
import type pg from "pg";
import { databaseUrl, withConnection } from "../database";
import { Failure } from "../program";
import { reportRun } from "../reportRun";
import { scopes, type Scope } from "./overdue";
import { failure, summary, type Report } from "./report";

export function recordedAs(text: string): Scope {
  const found = scopes.find((scope) => scope === text);
  if (found === undefined) throw new Failure(`--record must be one of ${scopes.join(", ")}, not "${text}"`, [], 2);
  return found;
}

/** What it found has alarms of its own: the run itself has succeeded. */
export async function record(report: Report, scope: Scope, signal: AbortSignal): Promise<void> {
  const said = failure(report)?.message ?? summary(report);
  await tell(signal, async (client) => {
    await reportRun(client, "report_verification", [
      scope,
      report.verified.receipts,
      report.findings.length + report.more,
      // What has left is verified by verify-archived, or by none any more: an alarm that is always on would hide the rest.
      report.unverified.length - report.left.length,
      said,
    ]);
    await reportRun(client, "report_run", [programOf(scope), true, said]);
  });
}

/** Of a run that did not come to its end. Where the database cannot be told, the next report is awaited: it gets overdue. */
export async function recordFailure(error: unknown, scope: Scope): Promise<void> {
  const said = error instanceof Error ? error.message : String(error);
  // What has ended the run, such as a signal, does not end this.
  await tell(AbortSignal.timeout(10_000), (client) =>
    reportRun(client, "report_run", [programOf(scope), false, said]),
  ).catch(() => undefined);
}

/** As sql/018_monitor.sql knows it. */
const programOf = (scope: Scope) => `verify-${scope}`;

const tell = (signal: AbortSignal, work: (client: pg.Client) => Promise<unknown>) =>
  withConnection({ url: databaseUrl(), applicationName: "authensor-verify", signal }, work);
