/** The PostgreSQL of this machine, and what it can tell about itself without running. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { findPostgres, oldestPostgres, type Postgres } from "../../host/programs";
import { parseCatalog, type Catalog } from "./parameters";

const found = new Map<number | undefined, Postgres>();

/** The server's programs of the wanted major version, else the newest there are. */
export function postgres(wantedMajor?: number): Postgres {
  const known = found.get(wantedMajor) ?? findPostgres(wantedMajor);
  if (known === undefined) throw new Error(`PostgreSQL ${oldestPostgres} or later is not installed on this machine`);
  found.set(wantedMajor, known);
  return known;
}

const catalogs = new Map<string, Catalog>();

export function catalogOf({ bin }: Postgres): Catalog {
  const known = catalogs.get(bin);
  if (known !== undefined) return known;
  const { stdout, stderr } = spawnSync(join(bin, "postgres"), ["--describe-config"], { encoding: "utf8" });
  const catalog = parseCatalog(stdout);
  if (catalog.size === 0) throw new Error(`${bin}/postgres --describe-config told nothing: ${stderr}`);
  catalogs.set(bin, catalog);
  return catalog;
}

const directories = new Map<string, string>();

function moduleDirectory({ bin }: Postgres): string {
  const known = directories.get(bin);
  if (known !== undefined) return known;
  const { stdout } = spawnSync(join(bin, "pg_config"), ["--pkglibdir"], { encoding: "utf8" });
  const directory = stdout.trim() || join(bin, "..", "lib");
  directories.set(bin, directory);
  return directory;
}

/** The modules this server could load at its start: "pg_stat_statements", "auto_explain", … */
export function loadableModules(server: Postgres): ReadonlySet<string> {
  const directory = moduleDirectory(server);
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return new Set(names.flatMap((name) => /^(\w+)\.(so|dylib)$/.exec(name)?.[1] ?? []));
}

/** Whether the server knows a parameter that it does not list: some are for developers, and RDS has them all the same. */
export function knowsParameter({ bin }: Postgres, directory: string, name: string): boolean {
  return /^\w+$/.test(name) && spawnSync(join(bin, "postgres"), ["-C", name, "-D", directory]).status === 0;
}
