/** Tells the monitor how a verification ended. */
import { databaseUrl, withConnection } from "../database";
import { Failure } from "../program";
import { reportRun } from "../reportRun";
import { scopes, type Scope } from "./overdue";
import { failure, summary, type Report } from "./report";

export function scopeNamed(text: string): Scope {
  const scope = scopes.find((one) => one === text);
  if (scope === undefined) throw new Failure(`--record must be one of ${scopes.join(", ")}, not "${text}"`, [], 2);
  return scope;
}

export async function record(report: Report, scope: Scope, signal: AbortSignal): Promise<void> {
  await withConnection({ url: databaseUrl(), applicationName: "authensor-verify", signal }, (client) =>
    reportRun(client, "report_verification", [
      scope,
      report.verified.receipts,
      report.findings.length + report.more,
      report.unverified.length,
      failure(report)?.message ?? summary(report),
    ]),
  );
}
