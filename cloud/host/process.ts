/** Processes that outlive the command: started detached, found again by pid file, stopped with grace. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, rmSync } from "node:fs";
import type { ServiceUser } from "./user";
import { baseEnvironment } from "./command";
import { launcher, pidFiles, running, writePidFile } from "./pidFile";
import { sleep } from "./wait";

export interface ProcessSpec {
  /** For messages: "postgres of orders-primary". */
  name: string;
  command: string;
  args: readonly string[];
  /** Added to a minimal environment (PATH, HOME, LANG, TMPDIR, TZ): a container sees nothing of this shell either. */
  env?: Record<string, string>;
  /** "/" unless given: the checkout may be closed to the service user. */
  cwd?: string;
  pidFile: string;
  logFile: string;
  user?: ServiceUser;
}

export interface Started {
  pid: number;
  /** Settles when the process ends while this command runs; null for one that was already running. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }> | null;
}

/** Starts a process that survives this command, or returns the one that its pid file shows to be alive. */
export function start(spec: ProcessSpec): Promise<Started> {
  const alive = running(spec.pidFile);
  if (alive !== undefined) return Promise.resolve({ pid: alive, exited: null });
  rmSync(spec.pidFile, { force: true });
  const log = openSync(spec.logFile, "a", 0o600);
  const child = spawn("/bin/sh", ["-c", launcher, spec.pidFile, spec.command, ...spec.args], {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: spec.cwd ?? "/",
    env: { ...baseEnvironment(spec.user), ...spec.env },
    ...(spec.user && { uid: spec.user.uid, gid: spec.user.gid }),
  });
  closeSync(log);
  // Who ends it now, before the child has come that far, finds it all the same.
  if (child.pid !== undefined) writePidFile(spec.pidFile, child.pid);
  return launched(child, spec);
}

async function launched(child: ChildProcess, spec: ProcessSpec): Promise<Started> {
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`${spec.name}: cannot start ${spec.command}: ${error.message}`)));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  exited.catch(() => undefined);
  child.unref();
  if (child.pid === undefined) await exited;
  return { pid: child.pid ?? 0, exited };
}

/** Starts a process and waits for its end. Ends it when the signal aborts or the time is up. */
export async function runToEnd(
  spec: ProcessSpec,
  options: { signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<{ code: number | null; signal: NodeJS.Signals | null; timedOut: boolean }> {
  const started = await start(spec);
  if (!started.exited) throw new Error(`${spec.name}: is already running (pid ${started.pid})`);
  let timedOut = false;
  const end = () => void stop(spec.pidFile, { graceMs: 3000 });
  options.signal?.addEventListener("abort", end, { once: true });
  // An abort that came while it was being started is told to no listener.
  if (options.signal?.aborted) end();
  const timer =
    options.timeoutMs === undefined ? undefined : setTimeout(() => ((timedOut = true), end()), options.timeoutMs);
  const keepAlive = setInterval(() => undefined, 1000); // the child is unref'ed
  try {
    const result = await started.exited;
    options.signal?.throwIfAborted();
    return { ...result, timedOut };
  } finally {
    clearTimeout(timer);
    clearInterval(keepAlive);
    options.signal?.removeEventListener("abort", end);
    rmSync(spec.pidFile, { force: true });
  }
}

export interface StopOptions {
  /** Asks the process to end; SIGTERM unless given. PostgreSQL's fast shutdown is SIGINT. */
  signal?: NodeJS.Signals;
  /** After this long it is killed, with its whole process group. */
  graceMs?: number;
}

/** Ends the process of a pid file and removes the file. Returns whether there was one to end. */
export async function stop(pidFile: string, options: StopOptions = {}): Promise<boolean> {
  const pid = running(pidFile);
  if (pid === undefined) {
    rmSync(pidFile, { force: true });
    return false;
  }
  send(pid, options.signal ?? "SIGTERM");
  const deadline = Date.now() + (options.graceMs ?? 10_000);
  while (running(pidFile) !== undefined) {
    if (Date.now() > deadline) {
      send(-pid, "SIGKILL");
      send(pid, "SIGKILL");
    }
    await sleep(20);
  }
  rmSync(pidFile, { force: true });
  return true;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export async function stopAll(directory: string, options?: StopOptions): Promise<void> {
  await Promise.all(pidFiles(directory).map((file) => stop(file, options)));
}
