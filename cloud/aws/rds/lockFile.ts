/** What a server says of itself in the lock file that PostgreSQL keeps in its data directory. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { readIfThere } from "../../host/files";

export interface LockFile {
  pid: number;
  port: string;
  /** "ready" once it accepts connections. */
  status: string;
}

const pathIn = (data: string) => join(data, "postmaster.pid");

/** The file's lines: https://www.postgresql.org/docs/current/storage-file-layout.html, src/include/utils/pidfile.h. */
export function readLockFile(data: string): LockFile | undefined {
  const text = readIfThere(pathIn(data));
  if (text === undefined) return undefined;
  const [pid = "", , , port = "", , , , status = ""] = text.split("\n");
  return { pid: Number(pid), port, status: status.trim() };
}

/**
 * Removes the lock file of a server that is not running. After a reboot its pid may be another program's by now, and
 * PostgreSQL would believe that it is still running. A lock file whose process is gone is left to PostgreSQL, which then
 * looks for survivors among its children.
 */
export function removeForeignLockFile(data: string): void {
  const pid = readLockFile(data)?.pid ?? 0;
  const nobody = !Number.isInteger(pid) || pid <= 1;
  if (nobody || (isProcess(pid) && !worksIn(pid, data))) rmSync(pathIn(data), { force: true });
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Whether a process is a PostgreSQL of this data directory; what cannot be told counts as one, so that nothing is lost. */
function worksIn(pid: number, data: string): boolean {
  if (process.platform !== "linux") return true;
  try {
    return readIfThere(`/proc/${pid}/cmdline`)?.includes(data) ?? true;
  } catch {
    return true;
  }
}
