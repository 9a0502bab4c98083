/** What a drill has shown: kept in the locked bucket as JSON, and told in one line. */
import { randomBytes } from "node:crypto";
import type { Bucket } from "../archive/bucket";
import { drillKey } from "../archive/keys";
import type { Comparison } from "./compare";
import type { FromBucket } from "./fromBucket";
import type { FromCopies } from "./fromCopies";

export interface DrillReport {
  format: 2;
  environment: string;
  ok: boolean;
  /** What was wrong, one sentence each. */
  problems: string[];
  /** By the primary's clock. */
  startedAt: string;
  instance: { identifier: string; region: string; removed: boolean; leftOverRemoved: boolean };
  /** Both ways back, each as far as it got. The RTO and RPO that the monitor is told, and alarms watch, are those of the copies. */
  copies: FromCopies;
  bucket: FromBucket;
  /** Of what came of both. */
  comparison?: Comparison;
}

/** Returns its key. */
export async function storeReport(bucket: Bucket, report: DrillReport): Promise<string> {
  const key = drillKey(report.startedAt, randomBytes(4).toString("hex"));
  await bucket.putNew(key, Buffer.from(`${JSON.stringify(report, undefined, 2)}\n`), "application/json");
  return key;
}

/** 75 s, 12 min, 3 h 20 min */
export function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (seconds < 120) return `${Math.round(seconds * 10) / 10} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** In one line. */
export function summaryOf({ ok, problems, copies, bucket }: DrillReport): string {
  if (!ok) return `the drill failed: ${problems.join("; ")}`;
  const unverified = [copies, bucket].reduce((sum, way) => sum + (way.verification?.unverified.length ?? 0), 0);
  const proven =
    unverified === 0
      ? "both ways back are proven"
      : `both ways back are proven as far as they could be verified (not verified: ${unverified}; the report has what)`;
  const times = ({ rtoSeconds, rpoSeconds }: FromCopies | FromBucket) =>
    `RTO ${duration(rtoSeconds ?? 0)}, RPO ${duration(rpoSeconds ?? 0)}`;
  return `${proven}: from the copies ${times(copies)}; from the bucket alone ${times(bucket)}`;
}
