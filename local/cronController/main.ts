/** Runs CronJobs on schedule: reads which there are from the state, as every command of ours leaves it behind. */
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { contextOf } from "../../cloud/engine/context";
import { type Entry, State } from "../../cloud/engine/state";
import { freePort } from "../../cloud/host/ports";
import { findServiceUser } from "../../cloud/host/user";
import { CronJobController } from "../../cloud/kubernetes/cronJob/controller";
import { token } from "../../cloud/kubernetes/objects";
import { silent } from "../../cloud/progress";
import { substitutes } from "../substitutes";

export interface Configuration {
  stateFile: string;
}

const [directory = "", port = ""] = process.argv.slice(2);
const { stateFile } = JSON.parse(readFileSync(join(directory, "configuration.json"), "utf8")) as Configuration;
const { signal } = new AbortController();
const serviceUser = findServiceUser();
let known: { state: State; mtimeMs: number } | undefined;

function state(): State {
  const { mtimeMs } = statSync(stateFile);
  if (known?.mtimeMs !== mtimeMs) known = { state: State.load(stateFile, ""), mtimeMs };
  return known.state;
}

const controller = new CronJobController({
  cronJobs: () => state().entries.filter(({ type, phase }) => type === token.cronJob && phase === "live"),
  context: (cronJob) => ({
    ...contextOf(cronJob as Entry, {
      state: state(),
      progress: silent,
      signal,
      substitutes,
      ...(serviceUser && { serviceUser }),
    }),
    // Remembering one would mean to write the state, which commands do.
    port: () => freePort(),
  }),
  now: () => new Date(),
  log: (line) => console.log(`${new Date().toISOString()} ${line}`),
});

async function round(): Promise<void> {
  await controller.sync().catch((error: unknown) => console.error((error as Error).message));
  setTimeout(() => void round(), 1000);
}

createServer((_request, response) => response.end("ok")).listen(Number(port), "127.0.0.1", () => {
  console.log("listening");
  setTimeout(() => void round(), 1000);
});
process.on("SIGTERM", () => process.exit(0));
