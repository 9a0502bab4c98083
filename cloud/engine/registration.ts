/** What a program registers, and what follows from it and its handler for what is there. */
import type { Handler, Properties } from "../handler";
import { covers, type Path, withIgnored } from "./diff";
import type { Entry } from "./state";

/** A custom resource as the program registers it. */
export interface Registration {
  urn: string;
  type: string;
  name: string;
  inputs: Properties;
  dependencies: string[];
  protect: boolean;
  retainOnDelete: boolean;
  ignoreChanges: readonly string[];
  replaceOnChanges: readonly string[];
  deleteBeforeReplace?: boolean;
  /** Where it is; undefined for what is in no region. */
  region?: string;
}

export function asEntry(wanted: Registration): Omit<Entry, "id" | "outputs" | "physicalName"> {
  const { urn, type, name, inputs, dependencies, protect, retainOnDelete, region } = wanted;
  return { urn, type, name, inputs, dependencies, protect, retainOnDelete, region, phase: "live" };
}

export function alone(wanted: Registration, handler: Handler): boolean {
  return wanted.deleteBeforeReplace ?? handler.deleteBeforeReplace?.(wanted.inputs) ?? false;
}

export function ignoring(current: Entry, { inputs, ignoreChanges }: Registration): Properties {
  return withIgnored(current.inputs, inputs, ignoreChanges);
}

export function replaces(handler: Handler, registration: Registration, path: Path): boolean {
  const patterns = [...(handler.replaceOnChange ?? []), ...registration.replaceOnChanges];
  return patterns.some((pattern) => covers(pattern, path));
}
