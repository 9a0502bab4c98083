/** RDS on this machine: its API, its metrics, and who looks after the backups; one process for the instances of all regions. */
import { setTimeout as sleep } from "node:timers/promises";
import { dirname } from "node:path";
import { identityOf } from "../../iam/roles";
import { keepBackups } from "../backups/keeper";
import { publishForEver } from "./metrics";
import { resume } from "./restored";
import { serve } from "./server";

const [directory = "", port = ""] = process.argv.slice(2);
/** RDS' own figure is 60 to 120 s (zones.ts). */
const failoverMs = 60_000;
const ending = new AbortController();
const { signal } = ending;
const rds = {
  directory,
  reboots: new Set<string>(),
  failoverMs,
  restores: new Map(),
  identityOf: (accessKeyId: string) => identityOf(dirname(directory), accessKeyId),
  signal,
};

const server = serve(rds);
server.listen(Number(port), "127.0.0.1", () => console.log("listening"));
server.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
process.on("SIGTERM", () => {
  ending.abort();
  setTimeout(() => process.exit(0), 500); // until the programs that it runs have ended
});

/** The first base backups are not made while a deployment still starts the rest. */
const [firstMs, everyMs] = [15_000, 5000];

async function lookAfterBackups(): Promise<void> {
  await sleep(firstMs, undefined, { signal });
  for (;;) {
    await keepBackups(directory, signal);
    await sleep(everyMs, undefined, { signal });
  }
}

const untilEnding = (work: Promise<void>) =>
  void work.catch((error: unknown) => {
    if (!signal.aborted) console.error(error);
  });
untilEnding(resume(rds));
untilEnding(lookAfterBackups());
untilEnding(publishForEver(directory, signal));
