import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { built } from "../../bundles/kept";
import { writeWhole } from "../host/files";
import type { ServiceUser } from "../host/user";

const root = join(__dirname, "../..");

/** One file of plain JavaScript starts in a fraction of the time that a TypeScript loader takes. */
export async function bundle(source: string, external: string[] = []): Promise<Buffer> {
  const files = await built(root, {
    entryPoints: [source],
    bundle: true,
    platform: "node",
    target: "node20",
    external: ["pg-native", ...external],
  });
  const [file] = files.values();
  return file!;
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
