/** What a reviewer must know of a preview, worst first. */
import { shownSettings, hidden } from "../settings/shown";
import { at, changesOf, type Change, type Interruption, type Kind } from "./change";
import { costChange, costsOf, type Priced } from "./costs";
import { guardsLost } from "./guards";
import type { Policies } from "./policies";
import { readUrn, type Preview, type Properties, type Step } from "./preview";
import { makesNothing, rules } from "./rules";
import { isConfidential, shown, shownPair } from "./values";

export interface Loss {
  change: Change;
  /** What it holds. */
  what: string;
  /** What becomes of that. */
  fate: string;
  allowed: boolean;
}

export interface Difference {
  path: string;
  before: string;
  after: string;
  replaces: boolean;
}

export interface Review {
  stack: string;
  /** Whether the preview came to its end. */
  whole: boolean;
  diagnostics: { severity: string; message: string }[];
  counts: Readonly<Record<string, number>>;
  losses: Loss[];
  /** Replaced or deleted, and nothing is known of what they hold. */
  strangers: Change[];
  /** What protects data and no longer would. */
  unguarded: { name: string; what: string }[];
  /** Names given as allowed that nothing here has. */
  allowedInVain: string[];
  interruptions: (Interruption & { names: string[] })[];
  costs: { what: string; usd: number | undefined }[];
  /** Undefined where the deployed stack does not tell its settings. */
  settings: { key: string; before: string; after: string }[] | undefined;
  /** Settings whose values are hidden, so that nothing tells whether they changed. */
  hiddenSettings: string[];
  changes: { change: Change; differences: Difference[] }[];
  /** Undefined where no policy pack was asked. */
  policies: Policies | undefined;
}

const project = "authensor-database";

export function reviewOf(
  { steps, config, diagnostics, changeSummary }: Preview,
  allowed: readonly string[] = [],
  policies?: Policies,
): Review {
  const changes = changesOf(steps ?? []);
  const going = changes.filter(({ kind }) => kind === "replace" || kind === "delete");
  const root = steps?.find(({ urn }) => readUrn(urn).type === "pulumi:pulumi:Stack");
  const now = shownSettings(
    Object.fromEntries(Object.entries(config ?? {}).map(([name, value]) => [name.replace(`${project}:`, ""), value])),
  );
  const before = root?.oldState?.outputs["settings"] as Record<string, string> | undefined;
  const isNew = root?.op === "create";
  const losses = going.flatMap((change) => lossesOf(change, allowed));
  const strangers = going.filter(({ type, name }) => !rules[type] && !makesNothing(type) && !allowed.includes(name));
  return {
    stack: readUrn((root ?? steps?.[0])?.urn ?? "").stack,
    whole: changeSummary != null && !diagnostics?.some(({ severity }) => severity === "error"),
    diagnostics: diagnostics ?? [],
    counts: changeSummary ?? countsOf(changes),
    losses,
    strangers,
    unguarded: changes.flatMap((change) => guardsLost(change).map((what) => ({ name: change.name, what }))),
    allowedInVain: allowed.filter((name) => !going.some((change) => change.name === name)),
    interruptions: isNew ? [] : together(changes),
    costs: costsOfChanges(changes, before?.["storageGib"], now["storageGib"]),
    settings: config && (before || isNew) ? changedSettings(before ?? now, now) : undefined,
    hiddenSettings: Object.keys(now).filter((key) => now[key] === hidden),
    changes: changes.map((change) => ({ change, differences: differencesOf(change.type, change.step) })),
    policies,
  };
}

/** Whether what holds data, or may, goes without having been allowed to. */
export const losesData = ({ losses, strangers }: Review) =>
  strangers.length > 0 || losses.some(({ allowed }) => !allowed);

/** Whether data goes that may not, or a rule is broken that must hold. */
export const stops = (review: Review) => losesData(review) || !!review.policies?.mandatory.length;

/** Whether both the preview and the policy packs, where they were asked, came to their end. */
export const isWhole = ({ whole, policies }: Review) => whole && policies?.whole !== false;

function lossesOf(change: Change, allowed: readonly string[]): Loss[] {
  const what = rules[change.type]?.holds?.(change.before);
  return what === undefined ? [] : [{ change, what, fate: fateOf(change), allowed: allowed.includes(change.name) }];
}

function fateOf({ type, before, old }: Change): string {
  if (old?.protect) return "protected: the engine refuses it";
  if (old?.retainOnDelete) return "AWS keeps it, and this stack no longer manages it";
  if (type === "aws:rds/instance:Instance" && before["deletionProtection"] === true)
    return "deletion protection: RDS refuses it until that is off";
  if (type === "aws:kms/key:Key")
    return `AWS deletes it after ${shown(before["deletionWindowInDays"] ?? 30)} days, in which that can be cancelled`;
  if (before["skipFinalSnapshot"] === false) return "a final snapshot stays";
  return "nothing keeps it";
}

function countsOf(changes: readonly Change[]): Record<string, number> {
  const counts: Partial<Record<Kind, number>> = {};
  for (const { kind } of changes) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** What interrupts the same, once. */
function together(changes: readonly Change[]): Review["interruptions"] {
  const found = new Map<string, Interruption & { names: string[] }>();
  for (const change of changes)
    for (const stop of rules[change.type]?.stops?.(change) ?? []) {
      const key = JSON.stringify(stop);
      const known = found.get(key);
      if (known) known.names.push(change.name);
      else found.set(key, { ...stop, names: [change.name] });
    }
  return [...found.values()];
}

/** Only what changes is in a preview; what stays costs the same. */
function costsOfChanges(
  changes: readonly Change[],
  gibBefore: string | undefined,
  gibNow: string | undefined,
): Review["costs"] {
  const primary = changes.find(
    ({ type, before, after }) =>
      type === "aws:rds/instance:Instance" && !before["replicateSourceDb"] && !after["replicateSourceDb"],
  );
  const gib = (inputs: Properties | undefined, text: string | undefined) =>
    Number(inputs?.["allocatedStorage"] ?? text ?? gibNow ?? 0);
  const side = (inputs: (change: Change) => Properties, without: Kind): Priced[] =>
    changes.filter(({ kind }) => kind !== without).map((change) => ({ type: change.type, inputs: inputs(change) }));
  return costChange(
    costsOf(
      side(({ before }) => before, "create"),
      gib(primary?.before, gibBefore),
    ),
    costsOf(
      side(({ after }) => after, "delete"),
      gib(primary?.after, gibNow),
    ),
  );
}

function changedSettings(before: Readonly<Record<string, string>>, now: Readonly<Record<string, string>>) {
  // An output is an empty text where the setting is not set; a stack that is older than a setting has no output of it.
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .map((key) => ({ key, before: before[key] || undefined, after: now[key] || undefined }))
    .filter((setting) => setting.before !== setting.after)
    .map((setting) => ({ key: setting.key, before: shown(setting.before), after: shown(setting.after) }));
}

function differencesOf(
  type: string,
  { op, oldState, newState, detailedDiff, diffReasons, replaceReasons }: Step,
): Difference[] {
  if (!oldState || !newState || op === "delete") return [];
  const detailed = Object.entries(detailedDiff ?? {});
  const paths =
    detailed.length > 0
      ? detailed.map(([path, { kind, inputDiff }]) => ({ path, inputDiff, replaces: kind.endsWith("replace") }))
      : [...new Set([...(diffReasons ?? []), ...(replaceReasons ?? [])])].map((path) => ({
          path,
          inputDiff: true,
          replaces: replaceReasons?.includes(path) ?? false,
        }));
  return paths.map(({ path, inputDiff, replaces }) => {
    const secret = isConfidential(type, path.split(/[.[]/)[0] ?? "");
    const [old, now] = [at(inputDiff ? oldState.inputs : oldState.outputs, path), at(newState.inputs, path)];
    return {
      path: named(newState.inputs, path),
      replaces,
      ...(secret ? { before: hidden, after: hidden } : shownPair(old, now)),
    };
  });
}

/** An item of a list by its name, where it has one: `parameters[max_connections].value`. */
function named(inputs: Properties, path: string): string {
  return path.replaceAll(/\[\d+\]/g, (index, offset: number) => {
    const item = at(inputs, path.slice(0, offset) + index);
    const { name } = (item ?? {}) as { name?: unknown };
    return typeof name === "string" ? `[${name}]` : index;
  });
}
