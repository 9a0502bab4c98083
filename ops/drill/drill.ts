/** One drill: restores the copies, proves that they are whole and can be written to, and removes what it has made. */
import type { Log } from "../log";
import { Failure } from "../program";
import type { DrillReport } from "./report";
import type { Scratch } from "./scratch";
import { newPassword, takeOver, writeReceipt } from "./usable";
import { verifyRestored } from "./verification";

export interface Drill {
  environment: string;
  scratch: Scratch;
  /** Certificates that the restored server's is verified by. */
  caFile: string;
  /** The bundled ops/verify. */
  verifyProgram: string;
  /** How long RDS and the new server may take for one step. */
  waitSeconds: number;
  /** The primary's clock. */
  now: () => Promise<Date>;
  log: Log;
  signal: AbortSignal;
}

/** Once it is to end: with what follows, the report, it is over before Kubernetes kills it (the drill's gracePeriod). */
const removalMs = 20_000;

/** Whatever happens, the scratch instance is removed, and the report says what happened. */
export async function drill(options: Drill): Promise<DrillReport> {
  const { environment, scratch, now, log, signal } = options;
  const { identifier, region, settings } = scratch;
  const report: DrillReport = {
    format: 1,
    environment,
    ok: false,
    problems: [],
    startedAt: (await now()).toISOString(),
    from: { copies: settings.copiesArn },
    instance: { identifier, region, removed: false, leftOverRemoved: false },
    seconds: {},
  };
  try {
    if (await scratch.remove()) {
      log.warn("an earlier drill has left its instance: it is removed first", { instance: identifier, region });
      await scratch.removed();
      report.instance.leftOverRemoved = true;
    }
    report.from.newestRestorable = (await scratch.newestRestorable()).toISOString();
    await restoreAndProve(options, report);
  } catch (error) {
    report.problems.push(...sentences(signal.aborted ? signal.reason : error));
  }
  report.problems.push(...(await remove(options, report)));
  report.ok = report.problems.length === 0;
  return report;
}

async function restoreAndProve(options: Drill, report: DrillReport): Promise<void> {
  const { scratch, caFile, verifyProgram, waitSeconds, now, log, signal } = options;
  const { identifier, region } = scratch;
  report.startedAt = (await now()).toISOString();
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  await scratch.restore();
  log.info("the newest moment of the copies is restored", { instance: identifier, region, ...report.from });
  const { host, port, master } = await scratch.available();
  report.seconds.available = seconds();

  const password = newPassword();
  await scratch.setMasterPassword(password);
  const using = { applicationName: "authensor-drill", signal, waitSeconds };
  const { moment, urls } = await takeOver({ host, port, caFile }, { user: master, password }, using);
  report.newestWrite = moment;
  report.rpoSeconds = (Date.parse(report.startedAt) - Date.parse(moment)) / 1000;
  await writeReceipt(urls.app, using);
  report.seconds.receiptAccepted = report.rtoSeconds = seconds();
  log.info("the restored server has taken a receipt; it is verified now", { seconds: report.rtoSeconds });

  const verification = await verifyRestored({ program: verifyProgram, url: urls.auditor, moment, signal });
  report.verification = verification;
  report.seconds.verified = seconds();
  report.problems.push(...verification.findings.map(({ kind, message }) => `${kind}: ${message}`));
  if (verification.more > 0) report.problems.push(`${verification.more} findings more`);
}

/** Waits until it is gone, unless the program itself is to end. @returns what is wrong */
async function remove({ scratch, log, signal }: Drill, report: DrillReport): Promise<string[]> {
  const { identifier, region } = scratch;
  const ending = signal.aborted;
  try {
    const there = await scratch.remove(ending ? AbortSignal.timeout(removalMs) : undefined);
    if (there && !ending) await scratch.removed();
    report.instance.removed = true;
    log.info("the scratch instance is removed", { instance: identifier });
    return [];
  } catch (error) {
    // A stop while it was waited for: it is being deleted, or is asked once more.
    if (signal.aborted && !ending && (await scratch.remove(AbortSignal.timeout(removalMs)).catch(() => false))) {
      report.instance.removed = true;
      return [];
    }
    return [
      `${identifier} in ${region} could not be removed: ${sentences(error).join("; ")}. The next drill tries again; until then it costs`,
    ];
  }
}

const sentences = (error: unknown): string[] =>
  error instanceof Failure
    ? [error.message, ...error.details]
    : [error instanceof Error ? error.message : String(error)];
