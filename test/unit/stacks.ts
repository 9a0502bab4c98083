import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** The environments that are kept in Pulumi.<stack>.yaml. */
export const stacks = ["dev", "prod", "local"] as const;
export type Stack = (typeof stacks)[number];

/** A stack's configuration, as the engine hands it over: by full name, as text. */
export function configOf(stack: Stack): Record<string, string> {
  const file = readFileSync(join(__dirname, `../../Pulumi.${stack}.yaml`), "utf8");
  const { config } = parse(file) as { config: Record<string, unknown> };
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}
