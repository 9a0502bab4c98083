/** Servers of tests keep their files in memory where there is room: making databases is half of what they are waited for. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { freemem } from "node:os";

const memory = "/dev/shm";
/** Of two servers at a time, with 1 GB of WAL and as much of databases, twice. */
const enough = 8 * 1024 ** 3;

/** Names the directory to the processes that run the tests, and removes it after them, whatever they have left in it. */
export default function setup(): (() => void) | undefined {
  if (!hasRoom()) return undefined;
  const directory = mkdtempSync(`${memory}/tests-`);
  chmodSync(directory, 0o755); // servers run as another user
  process.env["TEST_SERVERS_DIR"] = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}

/** Containers often have 64 MB of it, and other systems none. */
function hasRoom(): boolean {
  if (process.platform !== "linux" || !/^\S+ \/dev\/shm tmpfs /m.test(readFileSync("/proc/mounts", "utf8")))
    return false;
  const { bavail, bsize } = statfsSync(memory);
  return Math.min(bavail * bsize, freemem()) > enough;
}
