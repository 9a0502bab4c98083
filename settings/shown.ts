import * as pulumi from "@pulumi/pulumi";
import { textOf } from "./index";
import { entries } from "./table";

/** In the place of a value that must not be told. */
export const hidden = "[secret]";

/**
 * Every setting as it is in force, default or not, to be kept with the stack's outputs: a review of the next change says by it what
 * a setting was before.
 * @param isSecret whether the stack's file has it encrypted
 */
export function shownSettings(
  raw: Readonly<Record<string, string | undefined>>,
  isSecret: (key: string) => boolean = () => false,
): Record<string, string> {
  return Object.fromEntries(
    entries.map(({ setting }) => {
      const { key, confidential } = setting;
      return [key, confidential || isSecret(key) ? hidden : (textOf(setting, raw) ?? "")];
    }),
  );
}

/** The SDK's own answer, which it keeps from its types. */
const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret: (name: string) => boolean };

/** Those of the running program. */
export function settingsInForce(): Record<string, string> {
  const project = pulumi.getProject();
  const all = pulumi.runtime.allConfig();
  const own = Object.entries(all).flatMap(([name, value]) =>
    name.startsWith(`${project}:`) ? [[name.slice(project.length + 1), value] as const] : [],
  );
  return shownSettings(Object.fromEntries(own), (key) => isConfigSecret(`${project}:${key}`));
}
