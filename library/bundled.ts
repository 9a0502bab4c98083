/** What the package was made with (build.ts), so that whoever uses it needs neither a bundler nor what the programs import. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { MigrationFiles } from "../components/programs/migrations";
import { type Source, sources } from "../components/programs/sources";

export const programFile = (source: Source) => `programs/${source}.js`;
export const migrationsFile = "migrations.json";

const read = (file: string) => readFileSync(join(__dirname, "..", file), "utf8");

/** The text of each program that runs in the cluster, for `bundles`. */
export const programs = () =>
  Object.fromEntries(sources.map((source) => [source, read(programFile(source))])) as Record<Source, string>;

/** The schema of this version of the package, for `migrations`. */
export const migrations = () => JSON.parse(read(migrationsFile)) as MigrationFiles;
