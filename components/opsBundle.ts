import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";

/** What Kubernetes accepts in one ConfigMap, names included. */
const mostBytes = 1024 * 1024;

/**
 * One ops program with everything it imports, as a single CommonJS file: the same text for the same source, wherever it
 * lies and whoever builds it. Not minified, so that what runs can be read.
 * @param entry path of the program, relative to the root
 * @param root the directory that holds its node_modules
 */
export function bundleOps(entry: string, root: string): string {
  const { outputFiles } = buildSync({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: "node",
    // The oldest Node that package.json allows; the image's is newer.
    target: "node20",
    format: "cjs",
    charset: "utf8",
    legalComments: "inline",
    // pg's optional binding to libpq: required only where it is asked for.
    external: ["pg-native"],
    // Paths stand in the text as comments: a linked node_modules (a CI cache) must not show in them.
    preserveSymlinks: true,
    // What this program happens to be run with must not change what it bundles.
    tsconfigRaw: { compilerOptions: { target: "es2022" } },
    logLevel: "silent",
  });
  const text = outputFiles[0]?.text ?? "";
  assertFits({ [entry]: text });
  return text;
}

export interface Migrations {
  /** SQL by file name. */
  files: Record<string, string>;
  /** SHA-256 over names and contents, hex: changes if and only if a migration does. */
  hash: string;
}

/** The numbered migrations of a directory; other files in it are not migrations. */
export function readMigrations(directory: string): Migrations {
  const names = readdirSync(directory)
    .filter((name) => /^\d{3}_[a-z0-9_]+\.sql$/.test(name))
    .sort();
  if (names.length === 0) throw new Error(`no migrations (NNN_slug.sql) in ${directory}`);
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name), "utf8")]));
  assertFits(files);
  const hash = createHash("sha256");
  for (const [name, text] of Object.entries(files)) hash.update(`${name}\0${text}\0`);
  return { files, hash: hash.digest("hex") };
}

/** Refuses, with the numbers, what would not fit into one ConfigMap. */
function assertFits(data: Readonly<Record<string, string>>): void {
  const bytes = Object.entries(data).reduce((sum, [name, text]) => sum + name.length + Buffer.byteLength(text), 0);
  if (bytes > mostBytes)
    throw new Error(
      `${Object.keys(data).join(", ")}: ${bytes} bytes do not fit into a ConfigMap, which holds at most ${mostBytes}`,
    );
}
