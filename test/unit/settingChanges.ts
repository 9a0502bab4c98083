/**
 * What a change of each setting does to a stack that is there: this program run against the local cloud's engine, whose handlers say what
 * can be changed in place, with nothing behind them.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "@pulumi/pulumi";
import program from "../..";
import { changedPaths } from "../../cloud/engine/diff";
import { Engine } from "../../cloud/engine/engine";
import { label } from "../../cloud/engine/label";
import { Monitor } from "../../cloud/engine/monitor";
import type { Registration } from "../../cloud/engine/registration";
import { type Entry, State } from "../../cloud/engine/state";
import { silent } from "../../cloud/progress";
import { mocked } from "../engine/mocked";
import { otherValues } from "./otherValues";
import { configOf } from "./stacks";

export type Change = "made" | "updated" | "replaced" | "removed";

export interface Changed {
  type: string;
  /** "rds.Instance primary" */
  what: string;
  change: Change;
  /** The engine refuses to replace or to remove it. */
  protected: boolean;
  /** Where it is, or was; undefined for what is in no region. */
  region: string | undefined;
  /** What of it is updated. */
  paths: string[];
}

const project = "authensor-database";
const stack = "prod";

/** Brings what is there to what this configuration asks for, in a copy of the state. */
export async function deploy(config: Record<string, string>, there: readonly Entry[]) {
  const root = mkdtempSync(join(tmpdir(), "setting-changes-"));
  const state = new State(join(root, "state"), root);
  state.save = () => Promise.resolve();
  // What the engine would refuse is to be seen too.
  for (const entry of there) state.put({ ...entry, protect: false });
  const engine = new Engine({
    state,
    ...{ handlerOf: mocked.handlerOf, progress: silent, signal: new AbortController().signal },
    substitutes: { images: {}, memoryGib: () => undefined },
  });
  const changed: Changed[] = [];
  const note = (entry: Entry, change: Change, paths: string[] = []) =>
    changed.push({
      region: entry.region,
      paths,
      type: entry.type,
      what: label({ ...entry, name: shortName(entry.name) }),
      change,
      protected: guarded.has(entry.urn),
    });
  const guarded = new Set(there.filter(({ protect }) => protect).map(({ urn }) => urn));
  const seen = new Set<string>();
  const register = async (wanted: Registration) => {
    seen.add(wanted.urn);
    const before = state.existing(wanted.urn);
    const created = await engine.register(wanted);
    const after = state.existing(wanted.urn)!;
    if (mocked.handlerOf(wanted.type)?.bookkeeping) return created;
    if (!before) note(after, "made");
    else if (before.physicalName !== after.physicalName) note(before, "replaced");
    else {
      const paths = changedPaths(before.inputs, after.inputs).map((path) => path.join("."));
      if (paths.length > 0) note(after, "updated", paths);
    }
    return created;
  };
  const monitor = new Monitor({ project, stack, register, invokes: mocked.invokes, resources: engine.resources });
  monitor.install();
  runtime.setAllConfig(config);
  // Of what had begun when one thing was refused, the rest is its echo.
  const echo = () => undefined;
  process.on("unhandledRejection", echo);
  try {
    await Promise.race([runtime.runInPulumiStack(() => program()), monitor.failed]);
    await runtime.disconnect();
  } finally {
    await monitor.idle();
    await new Promise((done) => setTimeout(done, 20));
    process.off("unhandledRejection", echo);
    rmSync(root, { recursive: true, force: true });
  }
  for (const entry of there.filter(({ urn }) => !seen.has(urn))) {
    note(entry, "removed");
    state.remove(entry);
  }
  return { entries: state.entries.filter(({ phase }) => phase === "live"), changed };
}

const shortName = (name: string) => name.replace(/^authensor-prod-?/, "") || "(stack)";

/** What each of these settings' other values changes, each alone. A text: why it is refused. */
export async function changesOf(keys: readonly string[]): Promise<Map<string, Changed[] | string>> {
  const config = configOf(stack);
  const { entries: there } = await deploy(config, []);
  const changes = new Map<string, Changed[] | string>();
  for (const key of keys) {
    const outcome = deploy({ ...config, ...named(otherValues[key]) }, there).then(({ changed }) => changed);
    changes.set(key, await outcome.catch((error: Error) => error.message));
  }
  return changes;
}

/** What all of these settings' other values change at once. */
export async function changesTogether(keys: readonly string[]): Promise<Changed[]> {
  const config = configOf(stack);
  const { entries: there } = await deploy(config, []);
  const others = Object.assign({}, ...keys.map((key) => named(otherValues[key]))) as Record<string, string>;
  return (await deploy({ ...config, ...others }, there)).changed;
}

const named = (values: Readonly<Record<string, string>> = {}) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${project}:${key}`, value]));

export const isOfAws = ({ type }: Changed) => type.startsWith("aws:");
