/** One way back, and what both must show alike: the application is served, and the trail is whole and the bucket's. */
import { roles } from "../roles";
import type { UpTo } from "../verify/restored";
import { usingOf, type Means } from "./means";
import { urlOf, writeReceipt, type Server } from "./usable";
import { verifyRestored, type Verification } from "./verification";

/** What a report says of it, as far as it got. */
export interface Way {
  /** By the primary's clock: when the restore was asked for. */
  startedAt?: string;
  /** Since then. */
  seconds: { available?: number; restored?: number; receiptAccepted?: number; verified?: number };
  /** Until the restored server took a receipt of the application's. */
  rtoSeconds?: number;
  /** From the newest write that can be in it to the moment at which the restore was asked for. */
  rpoSeconds?: number;
  verification?: Verification;
}

/** Begins its time. @returns seconds since then */
export async function begin(way: Way, { now }: Means): Promise<() => number> {
  way.startedAt = (await now()).toISOString();
  const start = performance.now();
  return () => (performance.now() - start) / 1000;
}

/** @param newest the newest write that can be in what is restored */
export function measureRpo(way: Way, newest: string): void {
  way.rpoSeconds = (Date.parse(way.startedAt ?? "") - Date.parse(newest)) / 1000;
}

export interface RestoredDatabase {
  server: Server;
  database: string;
  /** How far the bucket is to be in it. */
  upTo: UpTo;
  /** Since the restore was asked for. */
  seconds: () => number;
}

/** @returns what is wrong */
export async function prove(
  way: Way,
  { server, database, upTo, seconds }: RestoredDatabase,
  means: Means,
): Promise<string[]> {
  const { programs, log, signal } = means;
  await writeReceipt(urlOf(server, roles.app, database), usingOf(means));
  way.seconds.receiptAccepted = way.rtoSeconds = seconds();
  log.info("what was restored has taken a receipt; it is verified now", { database, seconds: way.rtoSeconds });
  const url = urlOf(server, roles.auditor, database);
  way.verification = await verifyRestored({ program: programs.verify, url, signal }, upTo);
  way.seconds.verified = seconds();
  const { findings, more } = way.verification;
  return [
    ...findings.map(({ kind, message }) => `${kind}: ${message}`),
    ...(more > 0 ? [`${more} findings more`] : []),
  ];
}
