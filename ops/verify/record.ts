/** Tells the monitor how a verification ended, by a row on the primary: what it read itself may have been a replica. */
import { databaseUrl, withConnection } from "../database";
import { Failure } from "../program";
import { scopes, type Scope } from "./overdue";
import { failure, summary, type Report } from "./report";

export function scopeNamed(text: string): Scope {
  const scope = scopes.find((one) => one === text);
  if (scope === undefined) throw new Failure(`--record must be one of ${scopes.join(", ")}, not "${text}"`, [], 2);
  return scope;
}

export async function record(report: Report, scope: Scope, signal: AbortSignal): Promise<void> {
  const url = databaseUrl();
  await withConnection({ url, applicationName: "authensor-verify", signal }, async (client) => {
    // An auditor's sessions are read-only unless one says otherwise; its rights end at this function.
    await client.query("begin read write");
    await client.query("select audit.report_verification($1, $2, $3, $4, $5)", [
      scope,
      report.verified.receipts,
      report.findings.length + report.more,
      report.unverified.length,
      failure(report)?.message ?? summary(report),
    ]);
    await client.query("commit");
  });
}
