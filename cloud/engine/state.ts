/**
 * What exists on this machine, in one file that is replaced atomically after each step: killed at any moment, it tells
 * the next command everything that may have been begun. Holds secrets, hence mode 0600.
 */
import { randomBytes } from "node:crypto";
import type { Resource } from "../handler";
import { readIfThere, writeDurably } from "../host/files";

/**
 * creating: begun, perhaps half made. updating: exists, perhaps half changed. condemned: to be deleted, because another
 * took its place or because the program no longer has it.
 */
export type Phase = "creating" | "live" | "updating" | "condemned";

export interface Entry extends Resource {
  /** Unique; names the resource's directory and ports. */
  physicalName: string;
  phase: Phase;
  protect: boolean;
  retainOnDelete: boolean;
}

/** Raised when an older deployment, as this file and the resources' directories have it, can no longer be gone on with. */
const version = 3;

interface StateFile {
  version: number;
  /** Whether the last run that changed something came to its end. */
  finished: boolean;
  /** Where the resources' directories are. */
  root: string;
  /** physical name → key → port */
  ports: Record<string, Record<string, number>>;
  resources: Entry[];
}

/** What is there cannot be gone on with: it has to be deleted and made anew. */
export class Unreadable extends Error {}

export class State {
  readonly ports: StateFile["ports"] = {};
  finished = false;
  private readonly byName = new Map<string, { entry: Entry; json: string }>();
  private writing: Promise<void> = Promise.resolve();
  private queued: Promise<void> | undefined;

  constructor(
    private readonly file: string,
    readonly root: string,
  ) {}

  /** Reads the state, or begins an empty one whose resources will have their directories under `root`. */
  static load(file: string, root: string): State {
    const text = readIfThere(file);
    if (text === undefined) return new State(file, root);
    const content = parse(text, file);
    const state = new State(file, content.root);
    Object.assign(state.ports, content.ports);
    state.finished = content.finished;
    for (const entry of content.resources) state.put(entry);
    return state;
  }

  get entries(): Entry[] {
    return [...this.byName.values()].map(({ entry }) => entry);
  }

  /** The resource behind a URN, if it exists now. */
  existing(urn: string): Entry | undefined {
    return this.entries.find((e) => e.urn === urn && (e.phase === "live" || e.phase === "updating"));
  }

  /** Remembers an entry as it is now; `save` makes it last. */
  put(entry: Entry): Entry {
    this.byName.set(entry.physicalName, { entry, json: JSON.stringify(entry) });
    return entry;
  }

  remove(entry: Entry): void {
    this.byName.delete(entry.physicalName);
    delete this.ports[entry.physicalName];
  }

  /** Returns once everything remembered until now is on disk. Calls that come during a write share the next one. */
  save(): Promise<void> {
    this.queued ??= this.writing
      .catch(() => undefined) // told to whoever waited for that one
      .then(() => {
        this.queued = undefined;
        return (this.writing = this.write());
      });
    return this.queued;
  }

  private async write(): Promise<void> {
    const resources = [...this.byName.values()].map(({ json }) => json).join(",\n");
    const head = JSON.stringify({ version, finished: this.finished, root: this.root, ports: this.ports }).slice(0, -1);
    await writeDurably(this.file, `${head},"resources":[\n${resources}\n]}\n`);
  }
}

function parse(text: string, file: string): StateFile {
  let content: Partial<StateFile> | null;
  try {
    content = JSON.parse(text) as Partial<StateFile> | null;
  } catch {
    throw new Unreadable(`${file} is damaged`);
  }
  if (content?.version === version) return content as StateFile;
  const age = (content?.version ?? 0) < version ? "an older" : "a newer";
  throw new Unreadable(`this local deployment was made by ${age} version of the program (${file})`);
}

/** What Pulumi's autonaming would choose. */
export function newPhysicalName(name: string): string {
  return `${name}-${randomBytes(4).toString("hex").slice(0, 7)}`;
}
