/** Runs every source at its own pace. One that fails or hangs is given up, told of, and tried again; the others do not notice. */
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log";
import type { Access, Collected, Source } from "./source";

export interface Outcome {
  source: Source;
  /** Undefined where it failed. */
  collected?: Collected;
}

/** What failed is asked again after this long at most: one bad moment must not be ten minutes of a source that asks rarely. */
const retrySeconds = 10;

export interface SchedulerOptions {
  sources: readonly Source[];
  access: Access;
  log: Log;
  signal: AbortSignal;
  /** Told of each run's end. */
  onOutcome: (outcome: Outcome) => void;
  /** Told once: when each source's first run has ended. */
  onFirstRound?: () => void;
}

/** Until the signal comes. */
export async function runSources({ sources, ...rest }: SchedulerOptions): Promise<void> {
  setMaxListeners(2 * sources.length + 10, rest.signal);
  const waitedFor = new Set(sources);
  const onOutcome = (outcome: Outcome) => {
    rest.onOutcome(outcome);
    if (waitedFor.delete(outcome.source) && waitedFor.size === 0) rest.onFirstRound?.();
  };
  await Promise.all(sources.map((source) => runSource(source, { ...rest, onOutcome })));
}

async function runSource(
  source: Source,
  { access, log, signal, onOutcome }: Omit<SchedulerOptions, "sources">,
): Promise<void> {
  let failing: string | undefined;
  while (!signal.aborted) {
    const began = performance.now();
    const result = await attempt(source, access, signal);
    if (signal.aborted) return;
    // Once for each trouble, and once for its end: a night of it is not ten thousand lines.
    if (result.why !== failing) {
      if (result.why === undefined) log.info(`source ${source.name} is well again`);
      else log.warn(`source ${source.name} failed`, { reason: result.why });
      failing = result.why;
    }
    if (result.collected?.line) log.info(result.collected.line.message, result.collected.line.fields);
    onOutcome({ source, ...(result.collected && { collected: result.collected }) });
    const rest = pause(source, result.why !== undefined) * 1000 - (performance.now() - began);
    await sleep(Math.max(100, rest), undefined, { signal }).catch(() => undefined);
  }
}

/** Seconds from the beginning of one run to that of the next. */
export const pause = ({ everySeconds }: Source, failed: boolean): number =>
  failed ? Math.min(everySeconds, retrySeconds) : everySeconds;

/** What it collected, or why not. */
export async function attempt(
  source: Source,
  access: Access,
  signal: AbortSignal,
): Promise<{ collected?: Collected; why?: string }> {
  const own = new AbortController();
  const onStop = () => own.abort(signal.reason);
  signal.addEventListener("abort", onStop, { once: true });
  const timeout = `no answer within ${source.timeoutSeconds} s`;
  let timer: NodeJS.Timeout | undefined;
  try {
    // Raced as well as aborted: a source that does not listen to its signal is left behind.
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = new Error(timeout);
        own.abort(error);
        reject(error);
      }, source.timeoutSeconds * 1000);
    });
    const work = source.collect(access, own.signal);
    work.catch(() => undefined);
    return { collected: await Promise.race([work, late]) };
  } catch (error) {
    return { why: own.signal.aborted ? timeout : describe(error) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onStop);
  }
}

/** A code where there is one: the text of a driver may hold a statement or an address. */
function describe(error: unknown): string {
  const { code, name } = error as { code?: string; name?: string };
  return code ?? name ?? "unknown";
}
