/**
 * `./authensor lose-region`, `return-region` and `forget-region`: the loss of a region on this machine, and what a
 * state no longer knows after one.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { removeAlarms } from "../../cloud/aws/cloudwatch/definitions";
import { cloudWatchRoot } from "../../cloud/aws/cloudwatch/service";
import { stopReceiving } from "../../cloud/aws/rds/instance";
import { instanceType } from "../../cloud/aws/rds/lookup";
import { label } from "../../cloud/engine/label";
import { stopAll } from "../../cloud/host/process";
import { giveBack, lose } from "../../cloud/lostRegions";
import type { Progress } from "../../cloud/progress";
import { type Export, forget, forgetInExport, leftInExport, NotThere } from "../../failover/forget";
import { UsageError } from "../config";
import { stopCronController } from "../cronController/service";
import type { Environment } from "../environment";

/** From now on nothing of the region answers; what ran in it is killed. */
export async function loseRegion({ state }: Environment, region: string): Promise<number> {
  const there = state.entries.filter((entry) => entry.region === region);
  if (there.length === 0) throw new UsageError(`nothing is in ${region}; there is something in ${regionsOf(state)}`);
  lose(state.root, region);
  removeAlarms(cloudWatchRoot(state.root), region);
  await stopCronController(state.root); // it would start what is about to be killed
  await Promise.all(
    there.map(({ physicalName }) => stopAll(join(state.root, physicalName), { signal: "SIGKILL", graceMs: 0 })),
  );
  return there.length;
}

/** The replica goes on answering, and receives nothing until it is promoted. */
export async function cutReplica({ engine, state }: Environment): Promise<void> {
  const replica = state.entries.find(({ type, inputs }) => type === instanceType && inputs["replicateSourceDb"]);
  if (!replica) throw new UsageError("there is no replica");
  await stopReceiving(replica, engine.context(replica));
}

/** The region answers again, and what is asked for can be made in it. What was killed stays dead. */
export function returnRegion({ state }: Environment, region: string): void {
  if (!giveBack(state.root, region)) throw new UsageError(`${region} is not lost`);
}

const regionsOf = ({ entries }: Environment["state"]) =>
  [...new Set(entries.flatMap(({ region }) => region ?? []))].sort().join(", ");

/** Has the local cloud's state forget the region. */
export async function forgetRegion({ state }: Environment, region: string, progress: Progress): Promise<void> {
  const { stays, forgotten } = asked(() => forget(state.entries, region));
  for (const entry of forgotten) state.remove(entry);
  for (const entry of stays) state.put(entry);
  await state.save();
  progress.line(`forgot ${forgotten.length} resources of ${region}; ${stays.length} stay`);
}

/** What `pulumi stack import` takes, from what `pulumi stack export` wrote into a file; tells what it left out. */
export function forgetRegionIn(file: string, region: string, tell: (line: string) => void): string {
  const { exported, forgotten } = asked(() => forgetInExport(readExport(file), region));
  for (const { urn, type } of forgotten) tell(`forgotten: ${label({ type, name: urn.split("::").at(-1) ?? urn })}`);
  return `${JSON.stringify(exported, undefined, 2)}\n`;
}

/** What `pulumi stack import` takes for a stack that has what was left in the region, and nothing else. */
export const leftInRegion = (file: string, region: string, stack: string): string =>
  `${JSON.stringify(
    asked(() => leftInExport(readExport(file), region, stack)),
    undefined,
    2,
  )}\n`;

function readExport(file: string): Export {
  try {
    const read = JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8")) as Partial<Export>;
    if (read.deployment) return read as Export;
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
  throw new UsageError(`${file} is not what \`pulumi stack export\` writes`);
}

function asked<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof NotThere ? new UsageError(error.message) : error;
  }
}
