/**
 * What exists on this machine, in one file: a line of JSON for each thing that is remembered, of which the last one holds. Each step adds
 * its lines, durably: killed at any moment, the file tells the next command everything that may have been begun. A run that has come to
 * its end writes the file anew. Holds secrets, hence mode 0600.
 */
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
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
  /** Where it is; undefined for what is in no region. */
  region?: string | undefined;
}

/** Raised when an older deployment, as this file and the resources' directories have it, can no longer be gone on with. */
const version = 5;

/** What does not belong to one resource. */
interface Rest {
  /** Whether the last run that changed something came to its end. */
  finished: boolean;
  /** physical name → key → port */
  ports: Record<string, Record<string, number>>;
}

/** The first line. */
interface Head {
  version: number;
  /** Where the resources' directories are. */
  root: string;
}

/** A program's whole text is an input and an output too: what is both is written once. */
interface Written extends Entry {
  /** Outputs that are inputs, by name. */
  unchanged: string[];
}

/** Each line after it. */
type Line = { entry: Written } | { removed: string } | Rest;

/** What is there cannot be gone on with: it has to be deleted and made anew. */
export class Unreadable extends Error {}

export class State {
  readonly ports: Rest["ports"] = {};
  finished = false;
  private readonly byName = new Map<string, Entry>();
  /** Names of what is not in the file as it is now. */
  private changed = new Set<string>();
  /** Whether the file has all but what was added: its end may be half a line that a killed command has left. */
  private appendable = false;
  /** What the file has, where that is known: to write it again would tell nobody anything. */
  private whole: string | undefined;
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
    state.whole = text;
    for (const line of lines) {
      if ("entry" in line) state.byName.set(line.entry.physicalName, entryOf(line.entry));
      else if ("removed" in line) state.byName.delete(line.removed);
      else Object.assign(state, line);
    }
    return state;
  }

  get entries(): Entry[] {
    return [...this.byName.values()];
  }

  /** The resource behind a URN, if it exists now. */
  existing(urn: string): Entry | undefined {
    return this.entries.find((e) => e.urn === urn && (e.phase === "live" || e.phase === "updating"));
  }

  /** Remembers an entry; `save` makes it last. */
  put(entry: Entry): Entry {
    this.byName.set(entry.physicalName, entry);
    this.changed.add(entry.physicalName);
    return entry;
  }

  remove({ physicalName }: Entry): void {
    this.byName.delete(physicalName);
    delete this.ports[physicalName];
    this.changed.add(physicalName);
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
    const { finished, ports, appendable, changed, byName } = this;
    this.changed = new Set();
    this.appendable = false; // where it fails, the next write leaves nothing out
    const lines: Line[] = [...(appendable && !finished ? changed : byName.keys())].map((name) => {
      const entry = byName.get(name);
      return entry ? { entry: written(entry) } : { removed: name };
    });
    lines.push({ finished, ports });
    const known = this.whole;
    this.whole = undefined;
    if (appendable && !finished) await appendDurably(this.file, textOf(lines));
    else {
      const text = textOf([{ version, root: this.root }, ...lines]);
      if (text !== known) await writeDurably(this.file, text);
    }
    this.appendable = true;
  }
}

const textOf = (lines: readonly object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

function written(entry: Entry): Written {
  const { inputs, outputs } = entry;
  const unchanged = Object.keys(outputs).filter((name) => isDeepStrictEqual(outputs[name], inputs[name]));
  const own = Object.entries(outputs).filter(([name]) => !unchanged.includes(name));
  return { ...entry, outputs: Object.fromEntries(own), unchanged };
}

function entryOf({ unchanged, ...entry }: Written): Entry {
  const { inputs, outputs } = entry;
  return { ...entry, outputs: { ...Object.fromEntries(unchanged.map((name) => [name, inputs[name]])), ...outputs } };
}

function parse(text: string, file: string): [Head, ...Line[]] {
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
