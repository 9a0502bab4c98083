import { readUrn, type Properties, type State, type Step } from "./preview";

export type Kind = "create" | "update" | "replace" | "delete";

/** What a deployment would do to one resource. */
export interface Change {
  kind: Kind;
  type: string;
  name: string;
  before: Properties;
  after: Properties;
  /** Top-level properties that differ. */
  changed: readonly string[];
  step: Step;
  old: State | undefined;
}

export interface Interruption {
  what: string;
  howLong: string;
  /** Where that is said: a page of AWS', a measurement of ours. `unconfirmed` where there is none. */
  source: string;
}

/** In the place of a source. */
export const unconfirmed = "not confirmed";

const kinds: Readonly<Record<string, Kind>> = {
  create: "create",
  import: "create",
  update: "update",
  replace: "replace",
  "import-replacement": "replace",
  delete: "delete",
  "delete-replaced": "delete",
};

/** Steps that change nothing in the cloud, and those that repeat a replacement in its parts. */
const silent = new Set(["same", "read", "read-replacement", "refresh", "discard", "discard-replaced"]);

export function changesOf(steps: readonly Step[]): Change[] {
  const replaced = new Set(steps.filter(({ op }) => op === "replace").map(({ urn }) => urn));
  return steps.flatMap((step) => {
    const part = ["create-replacement", "delete-replaced"].includes(step.op) && replaced.has(step.urn);
    if (silent.has(step.op) || part) return [];
    const { oldState: old, newState, diffReasons, replaceReasons, detailedDiff } = step;
    const [before, after] = [old?.inputs ?? {}, newState?.inputs ?? {}];
    const paths = [...(diffReasons ?? []), ...(replaceReasons ?? []), ...Object.keys(detailedDiff ?? {})];
    const changed = [...new Set(paths.map((path) => stepsOf(path)[0] ?? path))];
    // An operation of a later engine is taken for the worst.
    return [{ kind: kinds[step.op] ?? "replace", ...readUrn(step.urn), before, after, changed, step, old }];
  });
}

/** A property path as Pulumi writes it: `spec.ports[0]["a.b"]`. */
function stepsOf(path: string): string[] {
  const steps = path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g);
  return [...steps].map(([, quoted, index, plain]) => quoted ?? index ?? plain ?? "");
}

export const at = (container: unknown, path: string): unknown =>
  stepsOf(path).reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key) ? (value as Properties)[key] : undefined,
    container,
  );
