/** What a handler is given to work with: a directory, ports, a look at the other resources, and a way to be interrupted. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Context, Substitutes } from "../handler";
import type { ServiceUser } from "../host/user";
import { label } from "./label";
import { ownDirectory } from "../host/files";
import { freePort, stillOurs } from "../host/ports";
import type { Progress } from "../progress";
import type { Entry, State } from "./state";

export interface Surroundings {
  state: State;
  progress: Progress;
  signal: AbortSignal;
  substitutes: Substitutes;
  serviceUser?: ServiceUser;
}

export function contextOf(entry: Entry, { state, progress, signal, substitutes, serviceUser }: Surroundings): Context {
  const directory = join(state.root, entry.physicalName);
  let made = false;
  return {
    urn: entry.urn,
    type: entry.type,
    name: entry.name,
    physicalName: entry.physicalName,
    get directory() {
      if (!made) {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        ownDirectory(directory, serviceUser);
        made = true;
      }
      return directory;
    },
    serviceUser,
    substitutes,
    port: (key) => port(entry, key, directory, state),
    resources: resourcesIn(state),
    log: (line) => progress.line(`${label(entry)}: ${line}`),
    signal,
  };
}

export const resourcesIn =
  (state: State): Context["resources"] =>
  (type) =>
    state.entries.filter((e) => e.type === type && e.phase !== "creating" && e.phase !== "condemned");

async function port(entry: Entry, key: string, directory: string, state: State): Promise<number> {
  const ports = (state.ports[entry.physicalName] ??= {});
  const remembered = ports[key];
  if (remembered !== undefined && (await stillOurs(remembered, directory))) return remembered;
  const taken = new Set(Object.values(state.ports).flatMap((p) => Object.values(p)));
  const fresh = await freePort(taken);
  ports[key] = fresh;
  await state.save();
  return fresh;
}
