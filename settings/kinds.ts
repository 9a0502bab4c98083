import { z } from "zod";

/** One key of the configuration: all there is to know of it stands in one entry of the table. */
export interface Setting<T = unknown> {
  /** Flat and unique: `pulumi config set <key> <value>`. */
  key: string;
  /** From the text that the engine hands over; objects and lists come as JSON. */
  schema: z.ZodType<T, string>;
  /** What it is, for Pulumi.yaml and the README. */
  description: string;
  /** What a value must be, for the message about a wrong one. */
  rule: string;
  /** A value that fits the rule, as it would be typed. */
  example: string;
  /** As it would be typed. Without one the key is required; "" stands for "not set" where the value may be undefined. */
  default?: string;
  /** The key whose value is taken where this one is not set. */
  defaultFrom?: string;
  /** Its values must not reach a terminal or a CI log. */
  confidential?: true;
}

export type About = Omit<Setting, "key" | "schema">;

function setting<T>(key: string, schema: z.ZodType<T, string>, about: About): Setting<T> {
  return { key, schema, ...about };
}

export const text = (key: string, pattern: RegExp, about: About) => setting(key, z.string().regex(pattern), about);

/** Text that a pure function takes or refuses. */
export const checked = (key: string, fits: (value: string) => boolean, about: About) =>
  setting(key, z.string().refine(fits), about);

/** Undefined where it is not set. */
export const optional = (key: string, fits: RegExp | ((value: string) => boolean), about: Omit<About, "default">) =>
  setting(
    key,
    z
      .string()
      .refine((value) => value === "" || (fits instanceof RegExp ? fits.test(value) : fits(value)))
      .transform((value) => (value === "" ? undefined : value)),
    { ...about, default: "" },
  );

export const integer = (key: string, least: number, most: number, about: About) =>
  setting(key, z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(least).max(most)), about);

/** Undefined where it is not set. */
export const optionalInteger = (key: string, least: number, most: number, about: Omit<About, "default">) =>
  setting(
    key,
    z
      .string()
      .regex(/^\d*$/)
      .transform((value) => (value === "" ? undefined : Number(value)))
      .pipe(z.int().min(least).max(most).optional()),
    { ...about, default: "" },
  );

export const flag = (key: string, about: Omit<About, "rule" | "example"> & Partial<Pick<About, "rule" | "example">>) =>
  setting(
    key,
    z.enum(["true", "false"]).transform((value) => value === "true"),
    { rule: "true or false", example: "true", ...about },
  );

export const choice = <T extends string>(key: string, values: readonly [T, ...T[]], about: About) =>
  setting(key, z.string().pipe(z.enum(values)), about);

/** As `pulumi config set --path`, YAML or a JSON text give it. */
const json = z.string().transform((value, context): unknown => {
  try {
    return JSON.parse(value);
  } catch {
    context.addIssue("not JSON");
    return z.NEVER;
  }
});

/**
 * Text as a map's value. The command line makes numbers and booleans of what looks like one (`--path tags.team 4711`), and those
 * that have one spelling only are taken back as text. A fraction has several: `1.10` arrives as 1.1.
 */
export const scalar = z.union([z.string(), z.boolean(), z.number()]).transform((value, context) => {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return String(value);
  context.addIssue("is a number that loses its spelling: write it in quotes");
  return z.NEVER;
});

/** Texts by name. */
export const map = (key: string, name: RegExp, value: z.ZodType<string, string>, about: About) =>
  setting(key, json.pipe(z.record(z.string().regex(name), scalar.pipe(value))), about);

/** Texts, as a JSON array or divided by commas; empty where none is given. */
export const list = (key: string, item: RegExp, about: Omit<About, "default">) =>
  setting(
    key,
    z
      .string()
      .transform((value, context): unknown => {
        if (!value.trim().startsWith("[")) return value.split(",").flatMap((part) => part.trim() || []);
        const parsed = json.safeParse(value);
        if (parsed.success) return parsed.data;
        context.addIssue("not JSON");
        return z.NEVER;
      })
      .pipe(z.array(z.string().regex(item))),
    { ...about, default: "[]" },
  );

/** An object of a given shape; what the shape does not know is refused. */
export const object = <T>(key: string, shape: z.ZodType<T, unknown>, about: Omit<About, "default">) =>
  setting(key, json.pipe(shape) as z.ZodType<T, string>, { ...about, default: "{}" });

/** The same; undefined where nothing of it is given. */
export const optionalObject = <T>(key: string, shape: z.ZodType<T, unknown>, about: Omit<About, "default">) =>
  object(
    key,
    z.preprocess((value) => (JSON.stringify(value) === "{}" ? undefined : value), shape.optional()),
    about,
  );

// A moving tag would let two pods of one rollout run different code.
const imagePattern = /^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)*(:(?!latest$)\w[\w.-]*|(:\w[\w.-]*)?@sha256:[0-9a-f]{64})$/;

export const image = (key: string, description: string, initial: string) =>
  text(key, imagePattern, {
    description: `${description}, with a version tag or a digest`,
    rule: "an image with a version tag or a digest, not :latest",
    example: initial,
    default: initial,
  });
