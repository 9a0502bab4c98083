/**
 * Pulumi's engine for this machine: compares what the program registers with what the state says exists, and has the
 * handlers make the difference. Independent resources are worked on at the same time, as their registrations come.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { changedPaths, describePaths, type Path } from "./diff";
import { contextOf, resourcesIn, type Surroundings } from "./context";
import type { Context, Created, Handler, Properties } from "../handler";
import { label } from "./label";
import { reach } from "../lostRegions";
import { alone, asEntry, ignoring, type Registration, replaces } from "./registration";
import { stopAll } from "../host/process";
import { newPhysicalName, type Entry } from "./state";
import { inReverse } from "./teardown";

export interface EngineOptions extends Surroundings {
  /** What makes resources of a type; undefined for a type nothing is known of. */
  handlerOf(type: string): Handler | undefined;
}

export const outcomes = ["created", "updated", "replaced", "restarted", "deleted", "kept", "unchanged"] as const;
export type Outcome = (typeof outcomes)[number];

/** A resource that could not be made, changed, healed or deleted: what, and why. */
export class ResourceFailed extends Error {}

export class Engine {
  readonly counts: Record<Outcome, number> = {
    created: 0,
    updated: 0,
    replaced: 0,
    restarted: 0,
    deleted: 0,
    kept: 0,
    unchanged: 0,
  };
  private readonly seen = new Set<string>();

  constructor(private readonly options: EngineOptions) {}

  /** Brings one resource to what is registered. */
  async register(registration: Registration): Promise<Created> {
    const { urn, type, name } = registration;
    const { state, signal } = this.options;
    signal.throwIfAborted();
    if (this.seen.has(urn))
      throw new ResourceFailed(`two resources have the same type and name: ${label(registration)}`);
    this.seen.add(urn);
    const handler = this.options.handlerOf(type);
    if (!handler) {
      throw new ResourceFailed(`${label({ type, name })}: the local cloud has no handler for ${type}; add one`);
    }

    const entries = state.entries.filter((e) => e.urn === urn && e.phase !== "condemned");
    const current = entries.find((e) => e.phase !== "creating");
    const begun = entries.find((e) => e.phase === "creating");
    if (!current) return this.create(registration, handler, begun);

    const wanted = { ...registration, inputs: ignoring(current, registration) };
    const paths = current.phase === "updating" ? [["(interrupted)"]] : changedPaths(current.inputs, wanted.inputs);
    const mustReplace = paths.some((p) => !handler.update || replaces(handler, registration, p));
    if (mustReplace) return this.replace(current, wanted, handler, begun, paths);
    if (begun) this.condemn(begun);
    return paths.length === 0 ? this.heal(current, wanted, handler) : this.update(current, wanted, handler, paths);
  }

  /** Deletes what was replaced and what the program no longer has, dependents first. */
  async finish(): Promise<void> {
    const { state } = this.options;
    const condemned = state.entries.filter((e) => e.phase === "condemned" || !this.seen.has(e.urn));
    const guarded = condemned.find((e) => e.protect && !this.seen.has(e.urn));
    if (guarded) {
      throw new ResourceFailed(
        `${label(guarded)}: is no longer in the program, but it is protected; it was not deleted`,
      );
    }
    await inReverse(condemned, (entry) => this.delete(entry));
    state.finished = true;
    await state.save();
  }

  /** @throws where the region answers nothing */
  reach(region: string | undefined): void {
    reach(this.options.state.root, region);
  }

  get resources(): Context["resources"] {
    return resourcesIn(this.options.state);
  }

  /** The context in which the handler of an entry works. */
  context(entry: Entry): Context {
    return contextOf(entry, this.options);
  }

  private async create(wanted: Registration, handler: Handler, begun: Entry | undefined): Promise<Created> {
    await this.makeRoom(wanted, handler);
    const entry = this.begin(wanted, begun);
    await this.options.state.save();
    return this.step(entry, "created", "", () => handler.create(wanted.inputs, this.context(entry)));
  }

  private async replace(old: Entry, wanted: Registration, handler: Handler, begun: Entry | undefined, paths: Path[]) {
    if (old.protect) {
      const why = `${describePaths(paths)} cannot be changed in place`;
      throw new ResourceFailed(`${label(old)}: ${why}, and it is protected; it was not replaced`);
    }
    if (alone(wanted, handler)) this.condemn(old);
    await this.makeRoom(wanted, handler);
    const entry = this.begin(wanted, begun);
    await this.options.state.save();
    const why = describePaths(paths);
    return this.step(entry, "replaced", why, async () => {
      const created = await handler.create(wanted.inputs, this.context(entry));
      if (this.options.state.entries.some((e) => e.physicalName === old.physicalName)) this.condemn(old);
      return created;
    });
  }

  /** Deletes earlier ones of the same name first, where two cannot exist at once. */
  private async makeRoom(wanted: Registration, handler: Handler): Promise<void> {
    if (!alone(wanted, handler)) return;
    const earlier = this.options.state.entries.filter((e) => e.urn === wanted.urn && e.phase === "condemned");
    for (const entry of earlier) await this.delete(entry);
  }

  private async update(current: Entry, wanted: Registration, handler: Handler, paths: Path[]): Promise<Created> {
    const { state } = this.options;
    state.finished = false;
    state.put({ ...current, phase: "updating" });
    await state.save();
    return this.step({ ...current, ...asEntry(wanted) }, "updated", describePaths(paths), async () => {
      const outputs = await handler.update!(current, wanted.inputs, this.context(current));
      return { id: current.id, outputs };
    });
  }

  private async heal(current: Entry, wanted: Registration, handler: Handler): Promise<Created> {
    const end = this.options.progress.begin(label(current));
    const healed = await this.attempt(current, end, async () => handler.heal?.(current, this.context(current)));
    this.counts[healed ? "restarted" : "unchanged"]++;
    end(healed && `${label(current)}  ${healed.did}`);
    const outputs = healed?.outputs ?? current.outputs;
    const entry = this.options.state.put({ ...current, ...asEntry(wanted), outputs });
    if (healed?.outputs) await this.options.state.save();
    return { id: entry.id, outputs: entry.outputs };
  }

  private async delete(entry: Entry): Promise<void> {
    const { state } = this.options;
    if (entry.retainOnDelete && entry.id !== "") return this.letGo(entry);
    this.condemn(entry);
    await state.save();
    const replaced = this.seen.has(entry.urn);
    const handler = this.options.handlerOf(entry.type);
    const end = this.options.progress.begin(label(entry));
    await this.attempt(entry, end, async () => {
      const directory = join(state.root, entry.physicalName);
      // What was only begun has no outputs for a handler to work from; its processes are found by their pid files.
      if (entry.id !== "") await handler?.delete?.(entry, this.context(entry));
      await stopAll(directory);
      rmSync(directory, { recursive: true, force: true });
    });
    state.remove(entry);
    await state.save();
    if (!replaced) this.counts.deleted++;
    end(replaced ? undefined : `${label(entry)}  deleted`);
  }

  /** Pulumi's `retainOnDelete`: the state forgets it, and it stays as it is. */
  private async letGo(entry: Entry): Promise<void> {
    const { state, progress } = this.options;
    const end = progress.begin(label(entry));
    state.remove(entry);
    await state.save();
    this.counts.kept++;
    end(`${label(entry)}  kept (retainOnDelete)`);
  }

  private begin(wanted: Registration, begun: Entry | undefined): Entry {
    this.options.state.finished = false;
    const fresh = { physicalName: begun?.physicalName ?? newPhysicalName(wanted.name), id: "", outputs: {} };
    return this.options.state.put({ ...fresh, ...asEntry(wanted), phase: "creating" });
  }

  private async made(entry: Entry, created: Created): Promise<Created> {
    const outputs = JSON.parse(JSON.stringify({ ...entry.inputs, ...created.outputs })) as Properties;
    this.options.state.put({ ...entry, id: created.id, outputs, phase: "live" });
    await this.options.state.save();
    return { id: created.id, outputs };
  }

  private condemn(entry: Entry): void {
    this.options.state.finished = false;
    this.options.state.put({ ...entry, phase: "condemned" });
  }

  /** Work that makes or changes a resource. Only what is written down is reported. */
  private async step(entry: Entry, outcome: Outcome, why: string, work: () => Promise<Created>): Promise<Created> {
    const end = this.options.progress.begin(label(entry));
    const result = await this.made(entry, await this.attempt(entry, end, work));
    if (this.options.handlerOf(entry.type)?.bookkeeping) {
      end();
      return result;
    }
    this.counts[outcome]++;
    end(`${label(entry)}  ${outcome}${why && ` (${why})`}`);
    return result;
  }

  private async attempt<T>(entry: Entry, end: () => void, work: () => Promise<T>): Promise<T> {
    try {
      this.reach(entry.region);
      return await work();
    } catch (error) {
      end();
      this.options.signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      throw new ResourceFailed(`${label(entry)}: ${reason}`, { cause: error });
    }
  }
}
