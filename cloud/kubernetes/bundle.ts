import { build } from "esbuild";

/** One file of plain JavaScript starts in a fraction of the time that a TypeScript loader takes. */
export async function bundled(source: string, target: string, external: string[] = []): Promise<string> {
  await build({
    entryPoints: [source],
    outfile: target,
    bundle: true,
    platform: "node",
    target: "node20",
    external: ["pg-native", ...external],
    logLevel: "silent",
  });
  return target;
}
