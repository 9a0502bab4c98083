/** The commands on what is there already: status, down, clean, cron. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { stopEndpoints } from "../cloud/aws/endpoints";
import { handlerOf, running } from "../cloud/handlers";
import { UsageError } from "./config";
import type { Environment } from "./environment";
import { forgetAlias } from "../cloud/host/alias";
import { restoredStatus } from "../cloud/aws/rds/api/restored";
import { rdsRoot } from "../cloud/aws/rds/api/service";
import { instanceType } from "../cloud/aws/rds/lookup";
import { findCronJob, runCronJob } from "../cloud/kubernetes/cronJob/handler";
import { token } from "../cloud/kubernetes/objects";
import { cronControllerStatus, stopCronController } from "./cronController/service";
import { pageStatus, stopPage } from "./page/service";
import { label } from "../cloud/engine/label";
import { stopAll } from "../cloud/host/process";
import type { Progress } from "../cloud/progress";
import type { Entry } from "../cloud/engine/state";
import { inReverse } from "../cloud/engine/teardown";

export interface Row {
  type: string;
  what: string;
  healthy: boolean;
  text: string;
}

/** Everything that runs here, and how well. */
export async function health({ engine, state }: Environment): Promise<Row[]> {
  const entries = state.entries.filter(({ type, phase }) => running.includes(type) && phase !== "condemned");
  const order = (entry: Entry) => running.indexOf(entry.type);
  const rows = await Promise.all(
    entries
      .sort((a, b) => order(a) - order(b))
      .map(async (entry): Promise<Row> => {
        const what = label(entry);
        const { type } = entry;
        if (entry.phase !== "live") return { type, what, healthy: false, text: "not finished; run `make local`" };
        try {
          const status = await handlerOf(entry.type)?.status?.(entry, engine.context(entry));
          return { type, what, healthy: status?.healthy ?? true, text: `${status?.text ?? ""}${howToRun(entry)}` };
        } catch (error) {
          return { type, what, healthy: false, text: (error as Error).message };
        }
      }),
  );
  const restored = restoredStatus(rdsRoot(state.root)).map((status) => ({ type: "restored instance", ...status }));
  const [page, controller] = [pageStatus(state.root), cronControllerStatus(state.root)];
  return [
    ...rows,
    ...restored,
    ...(controller ? [{ type: "controller", what: "CronJob controller", ...controller }] : []),
    ...(page ? [{ type: "page", what: "page", ...page }] : []),
  ];
}

const howToRun = ({ type, name }: Entry) => (type === token.cronJob ? `: make cron NAME=${name}` : "");

/** What is wrong, and what to do; undefined where all is well. */
export function trouble(rows: readonly Row[]): string | undefined {
  const ill = rows.filter(({ healthy }) => !healthy);
  if (ill.length === 0) return undefined;
  const lasting = rows.filter(({ type }) => type !== token.job && type !== token.cronJob);
  if (lasting.every(({ healthy }) => !healthy)) return "everything is stopped; run `make local` to start it";
  return `not healthy: ${ill.map(({ what }) => what).join(", ")}; run \`make local\` to repair it`;
}

export function table(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ what }) => what.length));
  return rows
    .map(({ what, healthy, text }) => `  ${healthy ? "ok  " : "DOWN"}  ${what.padEnd(width)}  ${text}`)
    .join("\n");
}

/** Ends every process and keeps the data. What cannot be stopped properly is killed, and said. */
export async function stopEverything({ engine, state }: Environment, progress: Progress): Promise<number> {
  let stopped = 0;
  await stopCronController(state.root); // before it starts what is about to be stopped
  await inReverse(state.entries, async (entry) => {
    const directory = join(state.root, entry.physicalName);
    const end = progress.begin(label(entry));
    let trouble = "";
    try {
      if (entry.id !== "") await handlerOf(entry.type)?.stop?.(entry, engine.context(entry));
    } catch (error) {
      trouble = ` by force (${(error as Error).message.split("\n")[0]})`;
    }
    await stopAll(directory);
    const runs = running.includes(entry.type);
    if (runs) stopped++;
    end(runs || trouble ? `${label(entry)}  stopped${trouble}` : undefined);
  });
  await Promise.all([stopPage(state.root), stopEndpoints(state.root)]);
  await stopAll(state.root); // what no state tells of: it was kept when its resource went
  return stopped;
}

/** Removes what `make local` made. The state goes last: until then, the command can be run again. */
export async function removeEverything({ directory, outputsFile, state }: Environment): Promise<void> {
  await stopAll(state.root); // what no state tells of
  rmSync(outputsFile, { force: true });
  rmSync(join(directory, "certificates"), { recursive: true, force: true });
  rmSync(state.root, { recursive: true, force: true });
  forgetAlias(state.root);
  rmSync(join(directory, "state.json.new"), { force: true });
  rmSync(join(directory, "state.json"), { force: true });
}

/** Runs a CronJob now and passes its log on; returns its exit code. Its tries are for trouble that passes, not for a database that is stopped. */
export async function runCron(environment: Environment, name: string): Promise<number> {
  const { engine, state } = environment;
  const found = findCronJob(state.entries, name);
  const entry = state.entries.find((e) => e === found);
  if (!entry) {
    const known = state.entries.filter(({ type }) => type === token.cronJob).map((e) => e.name);
    throw new UsageError(`no CronJob ${name}; known: ${known.join(", ") || "none"}`);
  }
  const ill = trouble((await health(environment)).filter(({ type }) => type === instanceType));
  if (ill !== undefined) throw new Error(ill);
  return runCronJob(entry, engine.context(entry), (text) => void process.stdout.write(text));
}
