/** Differences between two sets of inputs, as Pulumi's engine sees them: by property path. */
import type { Properties } from "../handler";

export type Path = readonly (string | number)[];

/** The paths of every value that differs; undefined and absent are the same. */
export function changedPaths(before: unknown, after: unknown, at: Path = []): Path[] {
  if (Object.is(before, after)) return [];
  if (!isContainer(before) || !isContainer(after) || Array.isArray(before) !== Array.isArray(after)) return [at];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => changedPaths(value(before, key), value(after, key), [...at, key]));
}

/** Whether a property path as written in a program ("a.b", "a[0]", "a.*", "*") covers or lies within a changed path. */
export function covers(pattern: string, path: Path): boolean {
  const steps = parsePath(pattern);
  const length = Math.min(steps.length, path.length);
  return steps.slice(0, length).every((step, i) => step === "*" || step === String(path[i]));
}

/** The inputs with the values at these paths as they were before: Pulumi's `ignoreChanges`. */
export function withIgnored(before: Properties, after: Properties, patterns: readonly string[]): Properties {
  return patterns.reduce((result, pattern) => restore(before, result, parsePath(pattern)) as Properties, after);
}

function restore(before: unknown, after: unknown, steps: readonly string[]): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return before;
  if (!isContainer(after)) return after;
  const old = isContainer(before) ? before : {};
  const keys = step === "*" ? [...new Set([...Object.keys(old), ...Object.keys(after)])] : [step];
  const copy = (Array.isArray(after) ? [...(after as unknown[])] : { ...after }) as Properties;
  for (const key of keys) {
    const restored = restore(value(old, key), value(after, key), rest);
    if (restored === undefined) delete copy[key];
    else copy[key] = restored;
  }
  return copy;
}

/** Changed paths for a person: two levels are enough to know what is meant. */
export function describePaths(paths: readonly Path[]): string {
  const names = [...new Set(paths.map((path) => path.slice(0, 2).join(".")))];
  return names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}

function parsePath(pattern: string): string[] {
  const steps = pattern.matchAll(/\["([^"]*)"\]|\[(\d+|\*)\]|([^.[\]]+)/g);
  return [...steps].map(([, quoted, index, plain]) => quoted ?? index ?? plain ?? "");
}

function isContainer(x: unknown): x is Properties {
  return typeof x === "object" && x !== null;
}

function value(container: Properties, key: string): unknown {
  return Object.hasOwn(container, key) ? container[key] : undefined;
}
