/** One local cloud: its directory, its lock, its state and the engine over it. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { Engine } from "../cloud/engine/engine";
import { handlerOf } from "../cloud/handlers";
import { takeLock } from "../cloud/host/lock";
import { dataDirectory, findServiceUser, localDirectory, makeDataDirectory } from "../cloud/host/machine";
import type { Progress } from "../cloud/progress";
import { State, Unreadable } from "../cloud/engine/state";

export const checkout = resolve(__dirname, "..");

export class NotOurs extends Error {}

export interface Environment {
  /** `.local/`, or what AUTHENSOR_LOCAL_DIR says. */
  directory: string;
  outputsFile: string;
  state: State;
  engine: Engine;
  /** Whether anything was ever brought up here. */
  exists: boolean;
  /** Makes the directory of all resources' directories: not before it is sure that there will be any. */
  makeRoot(): void;
  /** Lets the next command in. */
  release(): void;
}

export interface OpenOptions {
  command: string;
  progress: Progress;
  signal: AbortSignal;
  /** Commands that only look need no lock. */
  readOnly?: boolean;
  /** Goes on without a state that cannot be read, as if nothing were there: for the one who deletes it. */
  evenUnreadable?: boolean;
}

export function openEnvironment(options: OpenOptions): Environment {
  const { command, progress, signal, readOnly } = options;
  const directory = localDirectory(checkout);
  const release = readOnly ? () => undefined : takeLock(directory, command);
  try {
    const file = join(directory, "state.json");
    const exists = existsSync(file);
    if (exists) checkOwner(file);
    const serviceUser = findServiceUser();
    const state = loadState(file, dataDirectory(directory, serviceUser), options);
    const engine = new Engine({ state, handlerOf, progress, signal, ...(serviceUser && { serviceUser }) });
    const outputsFile = join(directory, "outputs.json");
    const makeRoot = () => makeDataDirectory(state.root, serviceUser);
    return { directory, outputsFile, state, engine, exists, makeRoot, release };
  } catch (error) {
    release();
    throw error;
  }
}

function loadState(file: string, root: string, { evenUnreadable }: OpenOptions): State {
  try {
    return State.load(file, root);
  } catch (error) {
    if (evenUnreadable && error instanceof Unreadable) return new State(file, root);
    throw error;
  }
}

/** Servers and files of another user can neither be stopped nor read. */
function checkOwner(file: string): void {
  const owner = statSync(file).uid;
  const self = process.getuid?.();
  if (self !== undefined && owner !== self) {
    throw new NotOurs(`${file} belongs to user ${owner}, and this is user ${self}: run the command as user ${owner}`);
  }
}
