/** `@pulumi/random`: values of the operating system's generator, made once and then kept in the state. */
import { randomBytes, randomInt } from "node:crypto";
import type { Created, Handler, Properties } from "./handler";

const classes = {
  lower: "abcdefghijklmnopqrstuvwxyz",
  upper: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
  numeric: "0123456789",
  special: "!@#$%&*()-_=+[]{}<>:?",
} as const;

const atLeast = { lower: "minLower", upper: "minUpper", numeric: "minNumeric", special: "minSpecial" } as const;

type Kind = keyof typeof classes;

const pick = (characters: string): string => characters.charAt(randomInt(characters.length));

function shuffled<T>(items: readonly T[]): T[] {
  const all = [...items];
  for (let last = all.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [all[last], all[other]] = [all[other] as T, all[last] as T];
  }
  return all;
}

const count = (value: unknown, otherwise: number): number => (typeof value === "number" ? value : otherwise);

/** A text of a given length from the classes that are not switched off, with at least so many of each. */
function randomText(inputs: Properties): string {
  const length = count(inputs.length, 0);
  const kinds = (Object.keys(classes) as Kind[]).filter(
    (kind) => (kind === "numeric" ? (inputs.numeric ?? inputs.number) : inputs[kind]) !== false,
  );
  const charactersOf = (kind: Kind): string =>
    kind === "special" && typeof inputs.overrideSpecial === "string" && inputs.overrideSpecial !== ""
      ? inputs.overrideSpecial
      : classes[kind];
  const required = kinds.flatMap((kind) =>
    Array.from({ length: count(inputs[atLeast[kind]], 0) }, () => pick(charactersOf(kind))),
  );
  if (length < 1 || required.length > length)
    throw new Error(`length ${length} must be at least 1 and the sum of the minimums, ${required.length}`);
  const all = kinds.map(charactersOf).join("");
  if (all === "") throw new Error("every class of characters is switched off");
  return shuffled([...required, ...Array.from({ length: length - required.length }, () => pick(all))]).join("");
}

/** Only a replacement makes a new value: no update, whatever changes. */
const once = (make: (inputs: Properties) => Created): Handler => ({
  create: (inputs) => Promise.resolve(make(inputs)),
});

const textDefaults = {
  lower: true,
  upper: true,
  numeric: true,
  number: true,
  special: true,
  minLower: 0,
  minUpper: 0,
  minNumeric: 0,
  minSpecial: 0,
};

/** A password's id must not give it away; `bcryptHash` is left out, as nothing deployed reads it. */
const password = once((inputs) => ({
  id: "none",
  outputs: { ...textDefaults, ...inputs, result: randomText(inputs) },
}));

const id = once((inputs) => {
  const bytes = randomBytes(count(inputs.byteLength, 0));
  if (bytes.length === 0) throw new Error("byteLength must be at least 1");
  const prefix = typeof inputs.prefix === "string" ? inputs.prefix : "";
  const b64Url = bytes.toString("base64url");
  return {
    id: b64Url,
    outputs: {
      ...inputs,
      b64Url: prefix + b64Url,
      b64Std: prefix + bytes.toString("base64"),
      hex: prefix + bytes.toString("hex"),
      dec: prefix + BigInt(`0x${bytes.toString("hex")}`).toString(),
    },
  };
});

export const handlers: Record<string, Handler> = {
  "random:index/randomPassword:RandomPassword": password,
  "random:index/randomId:RandomId": id,
};
