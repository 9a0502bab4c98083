/**
 * Processes are known by their pid files, in the resource's own directory and ending in ".pid": that is how a later command
 * finds them, how those of a half-made resource are ended, and how a port is known to be the resource's own.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readIfThere } from "./files";

/**
 * The child itself writes the pid file before it becomes the program: however this command is killed, there is never a
 * process without a pid file. The second word tells a reused pid from the process that was meant.
 */
export const launcher = `
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

/** The same, by the process that started it. */
export function writePidFile(pidFile: string, pid: number): void {
  const mark = processMark(pid);
  if (mark === undefined) return; // it has ended
  const fresh = `${pidFile}.parent`; // the child's own is being written at the same time
  writeFileSync(fresh, `${pid} ${mark}\n`);
  renameSync(fresh, pidFile);
}

/** The pid, if the process that wrote this pid file is alive. */
export function running(pidFile: string): number | undefined {
  const content = readIfThere(pidFile);
  if (content === undefined) return undefined;
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
      // A first thread that has ended is a zombie from then on; the process is dead, and its sockets are closed, with its last.
      const threads = Number(fields[17]);
      if (fields[0] === "X" || (fields[0] === "Z" && threads <= 1)) return undefined;
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

/** Every pid file under a directory, a few levels deep: what a half-made resource may have left running. */
export function pidFiles(directory: string, depth = 4): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return [];
  }
  if (names.includes("PG_VERSION")) return []; // PostgreSQL's own directory: thousands of files, and none of them ours
  return names.flatMap((name) => {
    const path = join(directory, name);
    if (name === "postmaster.pid") return []; // PostgreSQL's own file, in another format
    if (name.endsWith(".pid")) return [path];
    return depth > 0 && statSync(path, { throwIfNoEntry: false })?.isDirectory() ? pidFiles(path, depth - 1) : [];
  });
}
