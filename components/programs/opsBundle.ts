import { createHash } from "node:crypto";
import { RunError } from "@pulumi/pulumi/errors";
import { built, type Sources } from "../../bundles/kept";
import { readMigrations } from "../../ops/migrate/files";
import { Failure } from "../../ops/program";
import type { MigrationFiles } from "./migrations";

/** What Kubernetes accepts in one ConfigMap, names included. */
const mostBytes = 1024 * 1024;

/**
 * Ops programs with everything they import, each a single CommonJS file: the same text for the same source, wherever it lies, whoever
 * builds it and with whatever others. Indentation and comments are left out, over a third of the text, and statements are written in
 * their shorter form: what runs can still be read, with every name as it was written (`npx prettier` sets it out again). Together,
 * since reading what they share is most of the work. It is done by a process of its own: whoever has resources to make goes on with
 * them meanwhile.
 * @param programs their names: `migrate` is ops/migrate.ts
 * @param root the directory that holds ops and node_modules
 * @returns their texts by their names
 */
export async function bundleOps<Name extends string>(
  programs: readonly Name[],
  root: string,
): Promise<Record<Name, string>> {
  const sources = {
    entryPoints: programs.map((program) => `ops/${program}.ts`),
    bundle: true,
    platform: "node",
    // The oldest Node that package.json allows; the image's is newer.
    target: "node20",
    format: "cjs",
    charset: "utf8",
    legalComments: "inline",
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 160,
    // pg's optional binding to libpq: required only where it is asked for.
    external: ["pg-native"],
    // Packages' ES modules, of which only what is used gets in.
    mainFields: ["module", "main"],
    // Read by clients of AWS only.
    alias: {
      "@aws-sdk/credential-provider-node": "./ops/podCredentials.ts",
      "@smithy/core/event-streams": "./ops/noEventStreams.ts",
    },
    // Paths stand in the text as comments: a linked node_modules (a CI cache) must not show in them.
    preserveSymlinks: true,
  } satisfies Sources;
  const files = await built(root, sources);
  const textOf = (program: Name): string => {
    const text = files.get(`${program}.js`)!.toString();
    assertFits({ [`ops/${program}.ts`]: text });
    return text;
  };
  return Object.fromEntries(programs.map((program) => [program, textOf(program)])) as Record<Name, string>;
}

/** The migrations of a directory, read and checked as the program that applies them does it. */
export function bundleMigrations(directory: string): MigrationFiles {
  const files = Object.fromEntries(read(directory).map(({ file, sql }) => [file, sql]));
  assertFits(files);
  const hash = createHash("sha256");
  for (const [name, text] of Object.entries(files)) hash.update(`${name}\0${text}\0`);
  return { files, hash: hash.digest("hex") };
}

function read(directory: string): ReturnType<typeof readMigrations> {
  try {
    return readMigrations(directory);
  } catch (error) {
    // Before anything is made, and without a stack trace: the message is for whoever wrote the file.
    if (error instanceof Failure) throw new RunError(`${error.message}: ${error.details.join("; ")}`);
    throw error;
  }
}

/** Refuses, with the numbers, what would not fit into one ConfigMap. */
function assertFits(data: Readonly<Record<string, string>>): void {
  const bytes = Object.entries(data).reduce((sum, [name, text]) => sum + name.length + Buffer.byteLength(text), 0);
  if (bytes > mostBytes)
    throw new Error(
      `${Object.keys(data).join(", ")}: ${bytes} bytes do not fit into a ConfigMap; the most is ${mostBytes}`,
    );
}
