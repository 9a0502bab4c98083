import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { built } from "../../bundles/kept";
import { writeWhole } from "../host/files";
import type { ServiceUser } from "../host/user";

const root = join(__dirname, "../..");

/** One file of plain JavaScript starts in a fraction of the time that a TypeScript loader takes. */
export const bundle = async (source: string, external: string[] = []): Promise<Buffer> =>
  (await bundleAll({ main: source }, external)).main;

/** Several at once, by their names: what they share is read once. */
export async function bundleAll<Name extends string>(
  sources: Record<Name, string>,
  external: string[] = [],
): Promise<Record<Name, Buffer>> {
  const files = await built(root, {
    entryPoints: sources,
    bundle: true,
    platform: "node",
    target: "node20",
    external: ["pg-native", ...external],
  });
  const named = Object.keys(sources).map((name) => [name, files.get(`${name}.js`)!]);
  return Object.fromEntries(named) as Record<Name, Buffer>;
}

/** Returns whether it is another one than was there. */
export function writeBundle(content: Buffer, target: string, owner?: ServiceUser): boolean {
  mkdirSync(dirname(target), { recursive: true });
  return writeWhole(target, content, { mode: 0o644, owner });
}

export async function bundled(source: string, target: string, external: string[] = []): Promise<string> {
  writeBundle(await bundle(source, external), target);
  return target;
}
