/** One drill: tries both ways back, proves what came of each, compares them, and removes what it has made. */
import { Failure } from "../program";
import { compareRestored } from "./compare";
import { fromBucket } from "./fromBucket";
import { fromCopies } from "./fromCopies";
import type { Means } from "./means";
import type { DrillReport } from "./report";
import { prove, type RestoredDatabase } from "./way";

/** Once it is to end: with what follows, the report, it is over before Kubernetes kills it (the drill's gracePeriod). */
const removalMs = 20_000;

/** Whatever happens, the scratch instance is removed, unless it has become another drill's, and the report says what happened. */
export async function drill(means: Means): Promise<DrillReport> {
  const { environment, scratch, bucket, now, log, signal } = means;
  const { identifier, region, settings } = scratch;
  const report: DrillReport = {
    format: 2,
    environment,
    ok: false,
    problems: [],
    startedAt: (await now()).toISOString(),
    instance: { identifier, region, removed: false, leftOverRemoved: false },
    copies: { arn: settings.copiesArn, seconds: {} },
    bucket: { name: bucket.name, seconds: {} },
  };
  try {
    if (await scratch.remove()) {
      log.warn("an earlier drill has left its instance: it is removed first", { instance: identifier, region });
      await scratch.removed();
      report.instance.leftOverRemoved = true;
    }
    await tryBothWays(means, report);
  } catch (error) {
    report.problems.push(...sentences(signal.aborted ? signal.reason : error));
  }
  report.problems.push(...(await remove(means, report)));
  report.ok = report.problems.length === 0;
  return report;
}

/** The server of the first way is the second one's too. Each is tried whatever came of the other. */
async function tryBothWays(means: Means, report: DrillReport): Promise<void> {
  const copies = await fromCopies(report.copies, means);
  await attempt("the copies", means, report, () => prove(report.copies, copies, means));
  let bucket: RestoredDatabase | undefined;
  await attempt("the bucket", means, report, async () => {
    const { problems, ...restored } = await fromBucket(report.bucket, copies.server, copies.owner, means);
    bucket = restored;
    return [...problems, ...(await prove(report.bucket, restored, means))];
  });
  const { made } = report.bucket;
  if (!bucket || !made) return;
  const restored = bucket;
  await attempt("the copies and the bucket compared", means, report, async () => {
    const { differences, more } = (report.comparison = await compareRestored(copies, restored, made, means));
    return [...differences, ...(more > 0 ? [`${more} differences more`] : [])];
  });
}

/** Its problems are the report's, under its name. */
async function attempt(
  what: string,
  { signal }: Means,
  report: DrillReport,
  work: () => Promise<string[]>,
): Promise<void> {
  const found = await work().catch((error: unknown) => {
    signal.throwIfAborted();
    return sentences(error);
  });
  report.problems.push(...found.map((problem) => `${what}: ${problem}`));
}

/** Waits until it is gone, unless the program itself is to end. @returns what is wrong */
async function remove({ lease, scratch, log, signal }: Means, report: DrillReport): Promise<string[]> {
  const { identifier, region } = scratch;
  if (!(await lease.renew()))
    return [
      `${identifier} in ${region} is left to the drill that has begun since, or to the next one; until that removes it, it costs`,
    ];
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
