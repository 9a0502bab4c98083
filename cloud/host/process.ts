/**
 * Processes that outlive the command: started detached, found again by pid file, stopped with grace, waited for with
 * errors that quote the log. Pid files must lie in the resource's own directory and end in ".pid": that is how the
 * processes of a half-made resource are found and ended, and how a port is known to be the resource's own.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ServiceUser } from "../handler";

export interface ProcessSpec {
  /** For messages: "postgres of authensor-primary". */
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

/**
 * The child itself writes the pid file before it becomes the program: however this command is killed, there is never a
 * process without a pid file. The second word tells a reused pid from the process that was meant.
 */
const launcher = `
if [ -r /proc/self/stat ]; then
  read -r boot </proc/sys/kernel/random/boot_id
  read -r stat </proc/$$/stat
  field() { shift 19; echo "$1"; }
  mark="$boot-$(field \${stat##*) })"
else
  mark=$(ps -o lstart= -p $$ | xargs | tr ' ' '_')
fi
printf '%s %s\\n' "$$" "$mark" >"$0.new" && mv -f "$0.new" "$0" || exit 127
exec "$@"
`;

export function baseEnvironment(user?: ServiceUser): Record<string, string> {
  // Another user's HOME is not ours, and libpq fails on a ~/.postgresql that it may not read.
  const kept = ["PATH", ...(user ? [] : ["HOME"]), "LANG", "LC_ALL", "TMPDIR", "TZ"];
  return Object.fromEntries(kept.flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]]])));
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
  return launched(child, spec);
}

async function launched(child: ChildProcess, spec: ProcessSpec): Promise<Started> {
  let over = false;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`${spec.name}: cannot start ${spec.command}: ${error.message}`)));
    child.once("exit", (code, signal) => {
      over = true;
      resolve({ code, signal });
    });
  });
  exited.catch(() => undefined);
  child.unref();
  // Once the pid file is there, a killed command can find the process again. A process may also be over before we look.
  for (let i = 0; !existsSync(spec.pidFile) && !over && child.pid !== undefined && i < 400; i++) await sleep(5);
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

/** The pid, if the process that wrote this pid file is alive. */
export function running(pidFile: string): number | undefined {
  let content: string;
  try {
    content = readFileSync(pidFile, "utf8");
  } catch {
    return undefined;
  }
  const [pidText = "", mark] = content.trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  return mark !== undefined && processMark(pid) === mark ? pid : undefined;
}

/** Tells one process from every other that ever had its pid; undefined for the dead and for zombies. */
export function processMark(pid: number): string | undefined {
  if (process.platform === "linux") {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(") ") + 2).split(" ");
      if (fields[0] === "Z" || fields[0] === "X") return undefined;
      return `${bootId()}-${fields[19]}`;
    } catch {
      return undefined;
    }
  }
  const ps = spawnSync("ps", ["-o", "stat=", "-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
  const [state = "", ...started] = ps.stdout.trim().split(/\s+/);
  return ps.status === 0 && !state.startsWith("Z") ? started.join("_") : undefined;
}

let bootIdRead: string | undefined;
function bootId(): string {
  return (bootIdRead ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
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

/** Every pid file under a directory, a few levels deep: what a half-made resource may have left running. */
export function pidFiles(directory: string, depth = 4): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const path = join(directory, name);
    if (name === "postmaster.pid") return []; // PostgreSQL's own file, in another format
    if (name.endsWith(".pid")) return [path];
    return depth > 0 && statSync(path, { throwIfNoEntry: false })?.isDirectory() ? pidFiles(path, depth - 1) : [];
  });
}

export async function stopAll(directory: string, options?: StopOptions): Promise<void> {
  await Promise.all(pidFiles(directory).map((file) => stop(file, options)));
}

export interface CommandOptions {
  user?: ServiceUser;
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Runs a command that ends by itself and returns what it printed; a failure says what it wrote to stderr. */
export function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      cwd: options.cwd ?? "/",
      env: { ...baseEnvironment(options.user), ...options.env },
      timeout: options.timeoutMs,
      signal: options.signal,
      ...(options.user && { uid: options.user.uid, gid: options.user.gid }),
    });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.once("error", (error) => reject(new Error(`${command}: ${error.message}`, { cause: error })));
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(out);
      const how = signal ? `was ended by ${signal}` : `exited with ${code}`;
      reject(new Error(`${command} ${how}: ${(err.trim() || out.trim()).split("\n").slice(-15).join("\n")}`));
    });
    child.stdin.on("error", () => undefined); // it may end before it has read everything
    child.stdin.end(options.input ?? "");
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

/** The end of a log, indented, under a line that names the file. */
export function quoteLog(logFile: string, lines = 15): string {
  const tail = lastLines(logFile, lines);
  return tail === "" ? `its log ${logFile} is empty` : `its log ${logFile} ends:\n${tail.replace(/^/gm, "  | ")}`;
}

export function lastLines(file: string, lines = 15): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}

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
