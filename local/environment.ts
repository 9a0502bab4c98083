/** One local cloud: its directory, its lock, its state and the engine over it. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Engine } from "../cloud/engine/engine";
import type { ServiceUser } from "../cloud/host/user";
import { handlerOf } from "../cloud/handlers";
import { ownDirectory } from "../cloud/host/files";
import { takeLock } from "../cloud/host/lock";
import { findServiceUser } from "../cloud/host/user";
import type { Progress } from "../cloud/progress";
import { UsageError } from "./config";
import { substitutes } from "./substitutes";
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
  const directory = localDirectory();
  const release = readOnly ? () => undefined : takeLock(directory, command);
  try {
    const file = join(directory, "state.json");
    const exists = existsSync(file);
    if (exists) checkOwner(file);
    const serviceUser = findServiceUser();
    const state = loadState(file, dataDirectory(directory, serviceUser), options);
    const engine = new Engine({ state, handlerOf, progress, signal, substitutes, ...(serviceUser && { serviceUser }) });
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

/** Where state and outputs are. */
function localDirectory(): string {
  const directory = resolve(process.env["AUTHENSOR_LOCAL_DIR"] ?? join(checkout, ".local"));
  makeLocalDirectory(directory);
  return directory;
}

/** Level by level: below /proc, Node's own `recursive` tries for ever. */
function makeLocalDirectory(path: string): void {
  const wanted = "for example AUTHENSOR_LOCAL_DIR=$HOME/authensor-local";
  if (dirname(path) !== path) makeLocalDirectory(dirname(path));
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory()) return;
  if (there) throw new UsageError(`AUTHENSOR_LOCAL_DIR: ${path} is not a directory; name one, ${wanted}`);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return; // another command was first
    throw new UsageError(
      `AUTHENSOR_LOCAL_DIR: ${path} cannot be made (${code}); name a place where you may write, ${wanted}`,
    );
  }
}

/** Where servers keep data: for root outside the checkout, which the servers' user may not be able to enter. */
function dataDirectory(local: string, user: ServiceUser | undefined): string {
  if (!user) return join(local, "data");
  const hash = createHash("sha256").update(realpathSync(local)).digest("hex").slice(0, 12);
  return join("/var/lib/authensor-local", hash);
}

function makeDataDirectory(directory: string, user: ServiceUser | undefined): void {
  mkdirSync(dirname(directory), { recursive: true, mode: 0o755 });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  ownDirectory(directory, user);
}

/** Servers and files of another user can neither be stopped nor read. */
function checkOwner(file: string): void {
  const owner = statSync(file).uid;
  const self = process.getuid?.();
  if (self !== undefined && owner !== self) {
    throw new NotOurs(`${file} belongs to user ${owner}, but you are user ${self}; run the command as user ${owner}`);
  }
}
