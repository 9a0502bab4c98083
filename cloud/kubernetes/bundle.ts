import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { build } from "esbuild";
import { writeWhole } from "../host/files";
import type { ServiceUser } from "../host/user";

interface BundleOptions {
  external?: string[];
  /** Who owns the file; this process' user unless given. */
  owner?: ServiceUser | undefined;
}

/**
 * One file of plain JavaScript starts in a fraction of the time that a TypeScript loader takes. Returns whether it is another one than
 * was there.
 */
export async function bundle(
  source: string,
  target: string,
  { external = [], owner }: BundleOptions = {},
): Promise<boolean> {
  const { outputFiles } = await build({
    entryPoints: [source],
    write: false,
    bundle: true,
    platform: "node",
    target: "node20",
    external: ["pg-native", ...external],
    logLevel: "silent",
  });
  mkdirSync(dirname(target), { recursive: true });
  return writeWhole(target, Buffer.from(outputFiles[0]!.contents), { mode: 0o644, owner });
}

export async function bundled(source: string, target: string, external: string[] = []): Promise<string> {
  await bundle(source, target, { external });
  return target;
}
