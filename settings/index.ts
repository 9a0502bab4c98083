import { closest, distance } from "fastest-levenshtein";
import * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";
import type { z } from "zod";
import { crossChecks } from "./crossChecks";
import type { Setting } from "./kinds";
import { entries, type Settings } from "./table";

export type { Settings } from "./table";

export interface Problem {
  key: string;
  /** As it was given; undefined where the key is missing. */
  value: string | undefined;
  rule: string;
  /** Where inside the value it is wrong: "at LOWER: …". */
  where?: string;
  /** Not given with a combination that is refused: alone, the example may be refused too. */
  example?: string;
}

/** Every problem of the configuration in one error; Pulumi prints a RunError without a stack trace. */
export class SettingsError extends RunError {
  constructor(readonly problems: readonly Problem[]) {
    super(
      [`${problems.length} problem${problems.length === 1 ? "" : "s"} in the configuration:`]
        .concat(problems.map(describe))
        .join("\n"),
    );
  }
}

function describe({ key, value, rule, where, example }: Problem): string {
  const given = value === undefined ? " is missing" : ` = ${value}`;
  const more = [where, example === undefined ? undefined : `example: ${example}`].filter((line) => line !== undefined);
  return [`  ${key}${given}`, `rule: ${rule}`, ...more].join("\n    ");
}

type Raw = Readonly<Record<string, string | undefined>>;

const byKey: Readonly<Record<string, Setting>> = Object.fromEntries(
  entries.map(({ setting }) => [setting.key, setting]),
);
const nearest = (key: string) => closest(key, Object.keys(byKey));

/** A mistyped key may hold what its neighbour must not show. */
function shown(key: string, value: string | undefined): string | undefined {
  return value !== undefined && byKey[nearest(key)]?.confidential ? "(not shown)" : value;
}

/** The text of a setting: given, or another key's, or the default. What Pulumi.yaml gives for a required key is "". */
export function textOf({ key, default: initial, defaultFrom }: Setting, raw: Raw): string | undefined {
  const given = raw[key];
  if (given !== undefined && (given !== "" || initial !== undefined)) return given;
  const other = defaultFrom === undefined ? undefined : byKey[defaultFrom];
  return other === undefined ? initial : textOf(other, raw);
}

const emptyAsMissing = (text: string | undefined) => (text === "" ? undefined : text);

/**
 * Checks the whole configuration of the project's namespace.
 * @param raw every key that is set, without the namespace, as the text the configuration holds
 * @throws SettingsError with every problem there is
 */
export function parseSettings(raw: Raw): Settings {
  const problems: Problem[] = [];
  const settings: Record<string, unknown> = {};
  for (const { setting, path } of entries) {
    const { key, schema, rule, example } = setting;
    const value = textOf(setting, raw);
    const parsed = value === undefined ? undefined : schema.safeParse(value);
    if (parsed?.success) put(settings, path, parsed.data);
    else problems.push({ key, value: shown(key, value), rule, ...placeOf(parsed?.error?.issues[0]), example });
  }
  for (const [key, value] of Object.entries(raw)) {
    if (Object.hasOwn(byKey, key) || value === undefined) continue;
    const near = nearest(key);
    problems.push({ key, value: shown(key, value), rule: `unknown key; did you mean ${near}?`, example: near });
  }
  for (const { key, broken } of crossChecks) {
    const setting = byKey[key]!;
    const rule = whereRight(settings, broken);
    if (rule === undefined) continue;
    const value = emptyAsMissing(textOf(setting, raw));
    problems.push({ key, value: shown(key, value), rule, ...(value === undefined && { example: setting.example }) });
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return settings as Settings;
}

/**
 * Reads the configuration of the running Pulumi program. Other namespaces belong to other programs and providers, unless
 * one looks like this project's, mistyped.
 */
export function readSettings(): Settings {
  const project = pulumi.getProject();
  const all = Object.entries(pulumi.runtime.allConfig()).map(([name, value]) => {
    const [, namespace = "", key = ""] = /^(.*?):(.*)$/.exec(name) ?? [];
    return { namespace, key, value };
  });
  const mistyped = all.find(({ namespace }) => namespace !== project && distance(namespace, project) <= 3);
  if (mistyped) {
    const { namespace, key } = mistyped;
    throw new RunError(`${namespace}:${key}: unknown namespace ${namespace}; did you mean ${project}:${key}?`);
  }
  const ofProvider = all.filter(({ namespace }) => namespace === "aws").map(({ key }) => `aws:${key}`);
  if (ofProvider.length > 0)
    void pulumi.log.warn(
      `${ofProvider.join(", ")}: not used, since the program makes its AWS provider itself; set primaryRegion, awsAccountId, deployRoleArn or tags instead, or the environment (AWS_PROFILE).`,
    );
  const own = all.filter(({ namespace }) => namespace === project);
  return parseSettings(Object.fromEntries(own.map(({ key, value }) => [key, value])));
}

function put(target: Record<string, unknown>, [name, ...rest]: readonly string[], value: unknown): void {
  if (name === undefined) return;
  if (rest.length === 0) target[name] = value;
  else put((target[name] ??= {}) as Record<string, unknown>, rest, value);
}

/** The name of a map's entry or an object's property that is wrong, and what is wrong with it; never its value. */
function placeOf(issue: z.core.$ZodIssue | undefined): { where?: string } {
  if (issue === undefined) return {};
  const place = (...path: PropertyKey[]) => path.map(String).join(".");
  if (issue.code === "unrecognized_keys")
    return { where: `unknown: ${issue.keys.map((key) => place(...issue.path, key)).join(", ")}` };
  return issue.path.length === 0 ? {} : { where: `wrong at ${place(...issue.path)}: ${inWords(issue)}` };
}

/** What an entry says of itself; the library's own words for these two speak of records and patterns, and the rule says it better. */
function inWords({ message }: z.core.$ZodIssue): string {
  if (message === "Invalid key in record") return "this name is not allowed";
  return message.startsWith("Invalid string: must match pattern") ? "this value does not fit the rule" : message;
}

class Wrong extends Error {}

/** Applies a check to settings of which some are missing because they are wrong: then there is nothing to say. */
function whereRight<T>(settings: object, check: (settings: Settings) => T): T | undefined {
  const guarded = (group: object, path: readonly string[]): object =>
    new Proxy(group, {
      get(target, name) {
        const inner = [...path, String(name)];
        const isGroup = entries.some((entry) => entry.path.length > inner.length && startsWith(entry.path, inner));
        const value: unknown = Reflect.get(target, name);
        if (isGroup) return guarded((value as object | undefined) ?? {}, inner);
        if (!Reflect.has(target, name)) throw new Wrong();
        return value;
      },
    });
  try {
    return check(guarded(settings, []) as Settings);
  } catch (error) {
    if (error instanceof Wrong) return undefined;
    throw error;
  }
}

const startsWith = (path: readonly string[], start: readonly string[]) => start.every((name, i) => path[i] === name);
