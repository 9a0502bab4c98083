/** What a drill has shown: kept in the locked bucket as JSON, and printed for people. */
import { randomBytes } from "node:crypto";
import type { Bucket } from "../archive/bucket";
import { drillKey } from "../archive/keys";
import type { Verification } from "./verification";

export interface DrillReport {
  format: 1;
  environment: string;
  ok: boolean;
  /** What was wrong, one sentence each. */
  problems: string[];
  /** By the primary's clock: when the restore was asked for. */
  startedAt: string;
  from: { copies: string; newestRestorable?: string };
  instance: { identifier: string; region: string; removed: boolean; leftOverRemoved: boolean };
  /** Since the restore was asked for, each as far as it got. */
  seconds: { available?: number; receiptAccepted?: number; verified?: number };
  /** Until the restored server took a receipt of the application's. */
  rtoSeconds?: number;
  /** From the newest write that was restored to the moment at which the restore was asked for. */
  rpoSeconds?: number;
  /** The newest write that was restored. */
  newestWrite?: string;
  verification?: Verification;
}

/** Returns its key. */
export async function storeReport(bucket: Bucket, report: DrillReport): Promise<string> {
  const key = drillKey(report.startedAt, randomBytes(4).toString("hex"));
  await bucket.putNew(key, Buffer.from(`${JSON.stringify(report, undefined, 2)}\n`), "application/json");
  return key;
}

/** 75 s, 12 min, 3 h 20 min */
function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (seconds < 120) return `${Math.round(seconds * 10) / 10} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** In one line. */
export function summaryOf({ ok, problems, rtoSeconds, rpoSeconds, verification }: DrillReport): string {
  if (!ok) return `the drill failed: ${problems.join("; ")}`;
  const unverified = verification?.unverified.length ?? 0;
  const proven =
    unverified === 0
      ? "the copies are proven"
      : `the copies are proven as far as they could be verified (not verified: ${unverified}; the report has what)`;
  return `${proven}: RTO ${duration(rtoSeconds ?? 0)}, RPO ${duration(rpoSeconds ?? 0)}`;
}

export function render(report: DrillReport, key: string | undefined): string {
  const { from, instance, seconds, rtoSeconds, rpoSeconds, newestWrite, verification } = report;
  const { verified, archive, findings = [], unverified = [] } = verification ?? {};
  const restored = archive?.restored;
  const rows: [string, string | undefined][] = [
    ["result", report.ok ? "passed" : "FAILED"],
    ["started", report.startedAt],
    ["restored from", `${from.copies}${from.newestRestorable ? `, which leads to ${from.newestRestorable}` : ""}`],
    ["newest write", newestWrite],
    ["RPO", rpoSeconds === undefined ? undefined : `${duration(rpoSeconds)} from the newest write to the start`],
    ["RTO", rtoSeconds === undefined ? undefined : `${duration(rtoSeconds)} from the start to the first receipt taken`],
    ["server there", seconds.available === undefined ? undefined : `after ${duration(seconds.available)}`],
    ["verified", seconds.verified === undefined ? undefined : `after ${duration(seconds.verified)}`],
    [
      "trail",
      verified &&
        `${verified.receipts} receipts, ${verified.changes} changes, ${verified.agents} chains; ${findings.length} findings`,
    ],
    [
      "compared with",
      archive &&
        restored &&
        `${archive.manifests} manifests, up to ${restored.manifest ?? "none"}; ${restored.archivedLater} receipts were archived later`,
    ],
    ...(restored?.months ?? []).map(({ month, inBucket, restored: has }): [string, string] => [
      month,
      `${inBucket} receipts in the bucket, ${has} restored`,
    ]),
    ["not verified", unverified.length === 0 ? undefined : unverified.join("; ")],
    [
      "scratch instance",
      `${instance.identifier} in ${instance.region}, ${instance.removed ? "removed" : "NOT REMOVED"}`,
    ],
    ["left over", instance.leftOverRemoved ? "by an earlier drill, and removed by this one" : undefined],
    ["report", key ?? "NOT STORED"],
    ...report.problems.map((problem): [string, string] => ["problem", problem]),
  ];
  const shown = rows.filter((row): row is [string, string] => row[1] !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return ["Drill of the backups", ...shown.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`), ""].join("\n");
}
