/** Waiting, in a way that Ctrl-C ends and that says what was waited for. */
import { running } from "./pidFile";
import { quoteLog } from "./logs";

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }
    function aborted() {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    }
    if (signal?.aborted) return aborted();
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

export interface WaitOptions {
  timeoutMs?: number;
  everyMs?: number;
  signal?: AbortSignal;
  /** The process that is waited for: its death ends the wait at once. */
  pidFile?: string;
  /** Quoted when the wait fails. */
  logFile?: string;
}

/**
 * Waits until the probe returns something other than false or undefined. Errors of the probe count as "not yet"; the
 * last one is part of the message if the time runs out.
 */
export async function waitUntil<T>(
  what: string,
  probe: () => Promise<T | false | undefined> | T | false | undefined,
  options: WaitOptions = {},
): Promise<T> {
  const { timeoutMs = 30_000, everyMs = 50, signal, pidFile, logFile } = options;
  const started = Date.now();
  let last: unknown;
  const fail = (why: string) => {
    const reason = last instanceof Error ? ` (${last.message})` : "";
    const log = logFile === undefined ? "" : `\n${quoteLog(logFile)}`;
    return new Error(`${what}: ${why}${reason}${log}`);
  };
  for (;;) {
    signal?.throwIfAborted();
    try {
      const value = await probe();
      if (value !== false && value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    if (pidFile !== undefined && running(pidFile) === undefined) throw fail("the process ended");
    if (Date.now() - started > timeoutMs) throw fail(`not within ${Math.round(timeoutMs / 1000)} s`);
    await sleep(everyMs, signal);
  }
}
