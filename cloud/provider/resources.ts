/**
 * The handlers as a Pulumi provider has them: asked one resource at a time by an engine that keeps a state of its own. What the cloud
 * itself would remember (directories, ports, who else is there) is kept here.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { contextOf, resourcesIn, type Surroundings } from "../engine/context";
import { changedPaths, covers, type Path } from "../engine/diff";
import { newPhysicalName, type Entry } from "../engine/state";
import type { Context, Created, Handler, Properties, Resource } from "../handler";
import { stopAll } from "../host/process";

/** Which resource is meant: by the engine's name for it, and by the id that it was made with. */
export interface Named {
  urn: string;
  type: string;
  name: string;
}
export interface Existing extends Named {
  id: string;
}

export interface Difference {
  paths: Path[];
  /** The paths that cannot be changed in place. */
  replaces: Path[];
  /** Whether the old one has to go before the new one can come. */
  deleteBeforeReplace: boolean;
}

export interface ResourcesOptions extends Surroundings {
  handlerOf(type: string): Handler | undefined;
}

/** What is the engine's to remember and to heed. */
const engines = { dependencies: [], protect: false, retainOnDelete: false };

export class Resources {
  /** Inputs of the engine's own providers, by type: default tags, a region. */
  private readonly providers = new Map<string, Resource>();

  constructor(private readonly options: ResourcesOptions) {}

  /** What look-ups see. */
  get live(): Context["resources"] {
    return resourcesIn(this.options.state);
  }

  configure(type: string, inputs: Properties): void {
    this.providers.set(type, { urn: type, type, name: type, id: type, inputs, outputs: inputs, dependencies: [] });
  }

  diff({ type }: Named, before: Properties, after: Properties): Difference {
    const handler = this.handler(type);
    const paths = changedPaths(before, after);
    const fixed = (path: Path) => handler.replaceOnChange?.some((pattern) => covers(pattern, path)) ?? false;
    return {
      paths,
      replaces: paths.filter((path) => !handler.update || fixed(path)),
      deleteBeforeReplace: handler.deleteBeforeReplace?.(after) ?? false,
    };
  }

  /** What a preview can say of the outputs: what is not among them is not known yet. */
  planned({ type, urn, id }: Named & Partial<Existing>, inputs: Properties): Properties {
    const current = id === undefined ? undefined : this.existing({ urn, id });
    return this.handler(type).planned?.(inputs, current) ?? { ...current?.outputs, ...inputs };
  }

  /** What was begun by a run that was cut off is gone on with. */
  async create(named: Named, inputs: Properties): Promise<Created> {
    const { state } = this.options;
    const begun = state.entries.find(({ urn, phase }) => urn === named.urn && phase === "creating");
    const physicalName = begun?.physicalName ?? newPhysicalName(named.name);
    const fresh = { id: "", outputs: {}, phase: "creating" } as const;
    const entry = state.put({ ...named, ...fresh, ...engines, inputs, physicalName });
    await state.save();
    try {
      const { id, outputs } = await this.handler(named.type).create(inputs, this.context(entry));
      return await this.made({ ...entry, id }, outputs);
    } catch (error) {
      // The engine knows of none, and would never have it deleted.
      await this.clear(entry);
      throw error;
    }
  }

  async update(existing: Existing, inputs: Properties): Promise<Properties> {
    const { state } = this.options;
    const current = this.existing(existing);
    if (!current) throw new Error(`${existing.type} ${existing.id} is not there; run pulumi refresh`);
    state.put({ ...current, phase: "updating" });
    await state.save();
    const outputs = await this.handler(existing.type).update!(current, inputs, this.context(current));
    return (await this.made({ ...current, inputs }, outputs)).outputs;
  }

  /** Undefined where it is no longer there. One that died is made real again first, as a cloud would by itself. */
  async read(existing: Existing): Promise<Pick<Entry, "inputs" | "outputs"> | undefined> {
    const current = this.existing(existing);
    if (!current) return undefined;
    const healed = await this.handler(existing.type).heal?.(current, this.context(current));
    return healed?.outputs ? { ...current, ...(await this.made(current, healed.outputs)) } : current;
  }

  async delete(existing: Existing): Promise<void> {
    const { state } = this.options;
    const current = this.existing(existing);
    if (!current) return;
    state.put({ ...current, phase: "condemned" });
    await state.save();
    await this.handler(existing.type).delete?.(current, this.context(current));
    await this.clear(current);
  }

  private async clear(entry: Entry): Promise<void> {
    const { state } = this.options;
    const directory = join(state.root, entry.physicalName);
    await stopAll(directory);
    rmSync(directory, { recursive: true, force: true });
    state.remove(entry);
    await state.save();
  }

  /** Ids need not be unique: a password's is "none". The oldest is meant, since what replaces another is made first. */
  private existing({ urn, id }: { urn: string; id: string }): Entry | undefined {
    return this.options.state.entries.find((e) => e.urn === urn && e.id === id && e.phase !== "creating");
  }

  private async made(entry: Entry, computed: Properties): Promise<Created> {
    const outputs = JSON.parse(JSON.stringify({ ...entry.inputs, ...computed })) as Properties;
    this.options.state.put({ ...entry, outputs, phase: "live" });
    await this.options.state.save();
    return { id: entry.id, outputs };
  }

  /** As any handler has it, and with the engine's own providers among the resources. */
  private context(entry: Entry): Context {
    const context = contextOf(entry, this.options);
    const resources = (type: string) => {
      const provider = this.providers.get(type);
      return provider ? [provider] : context.resources(type);
    };
    return Object.create(context, { resources: { value: resources } }) as Context;
  }

  private handler(type: string): Handler {
    const handler = this.options.handlerOf(type);
    if (!handler) throw new Error(`the local cloud has no handler for ${type}; add one`);
    return handler;
  }
}
