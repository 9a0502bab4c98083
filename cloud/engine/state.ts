/**
 * What exists on this machine, in one file that is replaced atomically after each step: killed at any moment, it tells
 * the next command everything that may have been begun. Holds secrets, hence mode 0600.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import type { Resource } from "../handler";

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
}

interface StateFile {
  version: 1;
  /** Whether the last run that changed something came to its end. */
  finished: boolean;
  /** Where the resources' directories are. */
  root: string;
  /** physical name → key → port */
  ports: Record<string, Record<string, number>>;
  resources: Entry[];
}

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
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return new State(file, root);
      throw error;
    }
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
    const head = JSON.stringify({ version: 1, finished: this.finished, root: this.root, ports: this.ports }).slice(
      0,
      -1,
    );
    const temporary = `${this.file}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(`${head},"resources":[\n${resources}\n]}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.file);
  }
}

function parse(text: string, file: string): StateFile {
  try {
    const content = JSON.parse(text) as StateFile;
    if (content.version === 1) return content;
  } catch {
    // the message below says what to do
  }
  throw new Unreadable(`${file} is not a state file of this version: run "make clean" and start anew`);
}

/** What Pulumi's autonaming would choose. */
export function newPhysicalName(name: string): string {
  return `${name}-${randomBytes(4).toString("hex").slice(0, 7)}`;
}
