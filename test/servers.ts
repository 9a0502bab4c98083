/** What tests with servers of their own share: room in memory, and one server that is made once, for all others to be copies of. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { freemem } from "node:os";
import { preparedServer, TestPostgres } from "./postgres";

const memory = "/dev/shm";
/** Of two servers at a time, with 1 GB of WAL and as much of databases, twice. */
const enough = 8 * 1024 ** 3;

/** Names both to the processes that run the tests, and removes them afterwards, whatever tests have left. Each room calls it; one has to. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env[preparedServer] !== undefined) return undefined;
  const directory = hasRoom() ? mkdtempSync(`${memory}/tests-`) : undefined;
  if (directory !== undefined) {
    chmodSync(directory, 0o755); // servers run as another user
    process.env["TEST_SERVERS_DIR"] = directory;
    // Also after Ctrl-C: it is memory. The servers in it end with the processes that started them, a moment later than this one.
    process.once("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }));
  }
  const server = new TestPostgres({});
  process.env[preparedServer] = await server.prepare();
  return () => server.stop();
}

/** Containers often have 64 MB of it, and other systems none. */
function hasRoom(): boolean {
  if (process.platform !== "linux" || !/^\S+ \/dev\/shm tmpfs /m.test(readFileSync("/proc/mounts", "utf8")))
    return false;
  const { bavail, bsize } = statfsSync(memory);
  return Math.min(bavail * bsize, freemem()) > enough;
}
