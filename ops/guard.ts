/**
 * Loaded by Node before the control plane (NODE_OPTIONS, --require), which is left as it is. What a container in a
 * cluster needs and the control plane (commit 55f328e) lacks: it ends when it is told to, neither a request nor itself is lost
 * when a pooler's pod goes, its statements are prepared, and what nobody needs of the database is not asked.
 */
import { isMainThread } from "node:worker_threads";
import { createLog } from "./log";
import { findDriver, type Pool } from "./guard/driver";
import { farewell, lastAnswers, longestStop } from "./guard/limits";
import { endPools, watchPools } from "./guard/pools";
import { Servers } from "./guard/servers";
import { prepareStatements } from "./guard/statements";
import { answerUnsent } from "./guard/unsent";

const log = createLog("guard", process.stderr);

if (isMainThread) {
  surviveIdleConnections();
  const servers = Servers.watch();
  const driver = findDriver(process.argv[1], log);
  const pools = driver ? watchPools(driver, log) : new Set<Pool>();
  if (driver) {
    answerUnsent(driver);
    prepareStatements(driver, Number(process.env["PREPARED_STATEMENTS"] ?? 0), log);
  }
  for (const signal of ["SIGTERM", "SIGINT"] as const) onFirst(signal, () => stop(servers, pools, signal));
}

/**
 * The control plane's pool has no listener for "error", and pg reports an idle connection that the server closed as just that:
 * the process would end, with every request it was serving. The pool has already dropped the connection when it reports it, so
 * going on is right. pg-pool marks such an error with the `client` it came from; any other ends the process as before.
 */
function surviveIdleConnections(): void {
  process.on("uncaughtException", (error: unknown) => {
    if (error instanceof Error && "client" in error) {
      log.warn("an idle database connection was closed", { error: error.message });
      return;
    }
    if (process.listenerCount("uncaughtException") > 1) return; // the program has a listener of its own
    console.error(error);
    process.exit(1);
  });
}

let stopping = false;

function onFirst(signal: NodeJS.Signals, act: () => Promise<void>): void {
  process.on(signal, () => {
    if (process.listenerCount(signal) > 1) return; // the program knows how to end
    if (stopping) process.exit(1);
    stopping = true;
    void act();
  });
}

/** Process 1 of a container ends by no signal that it does not handle: without this, each stop lasts until SIGKILL. */
async function stop(servers: Servers, pools: ReadonlySet<Pool>, signal: string): Promise<void> {
  const limit = setTimeout(() => {
    log.warn(`not everything was finished within ${longestStop} s: exiting anyway`);
    process.exit(1);
  }, longestStop * 1000);
  log.info(`stopping after ${signal}: requests are finished, connections closed`);
  await servers.sayFarewell(farewell);
  const answered = await servers.close(lastAnswers);
  if (!answered) log.warn(`requests that took longer than ${lastAnswers} s are cut off`);
  await endPools(pools);
  clearTimeout(limit);
  log.info("stopped");
  process.exit(answered ? 0 : 1);
}
