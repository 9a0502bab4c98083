/**
 * What exists on this machine, in one file: a line of JSON for each thing that is remembered, of which the last one holds. Each step adds
 * its lines, durably: killed at any moment, the file tells the next command everything that may have been begun. A run that has come to
 * its end writes the file anew. Holds secrets, hence mode 0600.
 */
import { randomBytes } from "node:crypto";
import type { Resource } from "../handler";
import { appendDurably, readIfThere, writeDurably } from "../host/files";

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
const version = 4;

/** What does not belong to one resource. */
interface Rest {
  /** Whether the last run that changed something came to its end. */
  finished: boolean;
  /** physical name → key → port */
  ports: Record<string, Record<string, number>>;
}

/** After the first line, which has the version and where the resources' directories are. */
type Line = { entry: Entry } | { removed: string } | Rest;

/** What is there cannot be gone on with: it has to be deleted and made anew. */
export class Unreadable extends Error {}

export class State {
  readonly ports: Rest["ports"] = {};
  finished = false;
  private readonly byName = new Map<string, { entry: Entry; line: string }>();
  /** Lines that are not in the file yet. */
  private added: string[] = [];
  private rest = "";
  /** Whether the file has all but what was added: its end may be half a line that a killed command has left. */
  private appendable = false;
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
    const [head, ...lines] = parse(text, file);
    const state = new State(file, head.root);
    for (const line of lines) {
      if ("entry" in line) state.put(line.entry);
      else if ("removed" in line) state.byName.delete(line.removed);
      else Object.assign(state, line);
    }
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
    const line = JSON.stringify({ entry } satisfies Line);
    this.byName.set(entry.physicalName, { entry, line });
    this.added.push(line);
    return entry;
  }

  remove({ physicalName }: Entry): void {
    this.byName.delete(physicalName);
    delete this.ports[physicalName];
    this.added.push(JSON.stringify({ removed: physicalName } satisfies Line));
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
    const { finished, ports } = this;
    const rest = JSON.stringify({ finished, ports } satisfies Rest);
    const added = rest === this.rest ? this.added : [...this.added, rest];
    const append = this.appendable && !finished;
    this.added = [];
    this.rest = rest;
    this.appendable = false; // where it fails, the next write leaves nothing out
    if (append) await appendDurably(this.file, textOf(added));
    else await writeDurably(this.file, textOf([JSON.stringify({ version, root: this.root }), ...this.lines(), rest]));
    this.appendable = true;
  }

  private lines(): string[] {
    return [...this.byName.values()].map(({ line }) => line);
  }
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

function parse(text: string, file: string): [{ root: string }, ...Line[]] {
  const found = Number(/^\{"version":(\d+)[,}]/.exec(text)?.[1]);
  if (found < version || found > version) {
    const age = found < version ? "an older" : "a newer";
    throw new Unreadable(`this local deployment was made by ${age} version of the program (${file})`);
  }
  try {
    // What comes after the last line's end was never wholly written.
    const lines = text.slice(0, text.lastIndexOf("\n")).split("\n");
    return lines.map((line) => JSON.parse(line) as unknown) as ReturnType<typeof parse>;
  } catch {
    throw new Unreadable(`${file} is damaged`);
  }
}

/** What Pulumi's autonaming would choose. */
export function newPhysicalName(name: string): string {
  return `${name}-${randomBytes(4).toString("hex").slice(0, 7)}`;
}
