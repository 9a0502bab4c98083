/**
 * What tests with servers of their own share: room in memory, one server that is made once, for all others to be copies of, and the ops
 * programs, each bundled by the first test that runs it.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { preparedServer, TestPostgres } from "./postgres";

const memory = "/dev/shm";
/** Of two servers at a time, with 1 GB of WAL and as much of databases, twice. */
const enough = 8 * 1024 ** 3;

/** Names all of it to the processes that run the tests, and removes them afterwards, whatever tests have left. Each room calls it; one has to. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env[preparedServer] !== undefined) return undefined;
  const directory = hasRoom() ? mkdtempSync(`${memory}/tests-`) : undefined;
  if (directory !== undefined) {
    chmodSync(directory, 0o755); // servers run as another user
    process.env["TEST_SERVERS_DIR"] = directory;
    // Also after Ctrl-C: it is memory. The servers in it end with the processes that started them, a moment later than this one.
    process.once("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }));
  }
  const clouds = mkdtempSync(join(tmpdir(), "authensor-clouds-"));
  process.env["TEST_CLOUDS_DIR"] = clouds;
  process.once("exit", () => removeClouds(clouds));
  const programs = mkdtempSync(join(tmpdir(), "ops-"));
  process.env["TEST_PROGRAMS_DIR"] = programs;
  process.once("exit", () => rmSync(programs, { recursive: true, force: true }));
  const server = new TestPostgres({});
  process.env[preparedServer] = await server.prepare();
  return () => server.stop();
}

/** What a test that was cut off has left: the local cloud's servers go on without the command that started them. */
function removeClouds(directory: string): void {
  const command = resolve(__dirname, "../authensor");
  for (const cloud of readdirSync(directory))
    spawnSync(command, ["clean"], { env: { ...process.env, AUTHENSOR_LOCAL_DIR: join(directory, cloud) } });
  rmSync(directory, { recursive: true, force: true });
}

/** Containers often have 64 MB of it, and other systems none. */
function hasRoom(): boolean {
  if (process.platform !== "linux" || !/^\S+ \/dev\/shm tmpfs /m.test(readFileSync("/proc/mounts", "utf8")))
    return false;
  const { bavail, bsize } = statfsSync(memory);
  return Math.min(bavail * bsize, freemem()) > enough;
}
