/** What this machine must have, where things are on it, and who may run them. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
} from "node:fs";
import { delimiter, join, resolve } from "node:path";
import type { ServiceUser } from "../handler";

/** The oldest PostgreSQL that the migrations and the replica are made for. */
export const oldestPostgres = 15;

export interface Postgres {
  major: number;
  /** The directory of initdb, postgres, pg_basebackup and psql. */
  bin: string;
}

/** The installed PostgreSQL of the wanted major version, else the newest that will do; undefined where there is none. */
export function findPostgres(wantedMajor?: number): Postgres | undefined {
  const found = postgresDirectories().flatMap((bin) => {
    const tools = ["postgres", "initdb", "pg_basebackup", "pg_ctl"];
    if (!tools.every((tool) => executable(join(bin, tool)))) return [];
    const major = Number(/\(PostgreSQL\) (\d+)/.exec(output(join(bin, "postgres"), ["--version"]))?.[1]);
    return major >= oldestPostgres ? [{ major, bin }] : [];
  });
  found.sort((a, b) => b.major - a.major);
  return found.find(({ major }) => major === wantedMajor) ?? found[0];
}

function postgresDirectories(): string[] {
  const versions = (parent: string, pattern: RegExp, below: string) =>
    list(parent).flatMap((name) => (pattern.test(name) ? [join(parent, name, below)] : []));
  const all = [
    ...versions("/usr/lib/postgresql", /^\d+$/, "bin"), // Debian, Ubuntu
    ...versions("/usr", /^pgsql-\d+$/, "bin"), // PGDG on Red Hat
    ...versions("/opt/homebrew/opt", /^postgresql@\d+$/, "bin"),
    ...versions("/usr/local/opt", /^postgresql@\d+$/, "bin"),
    ...searchPath(),
  ];
  return [...new Set(all.flatMap(real))];
}

export function findPgbouncer(): string | undefined {
  return searchPath()
    .map((directory) => join(directory, "pgbouncer"))
    .find(executable);
}

/** PATH, and the places for servers' programs that an ordinary user's PATH leaves out. */
function searchPath(): string[] {
  const own = (process.env["PATH"] ?? "").split(delimiter).filter((entry) => entry !== "");
  return [...own, "/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];
}

/** Whether this process is root: PostgreSQL and PgBouncer refuse to be. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The user for servers when this process is root: the one that the PostgreSQL package made, else nobody. */
export function findServiceUser(): ServiceUser | undefined {
  if (!isRoot()) return undefined;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name = "", , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
  const user = users.find(({ name }) => name === "postgres") ?? users.find(({ name }) => name === "nobody");
  if (!user) throw new Error("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody");
  return user;
}

/** Where state and outputs are. */
export function localDirectory(checkout: string): string {
  const directory = resolve(process.env["AUTHENSOR_LOCAL_DIR"] ?? join(checkout, ".local"));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** Where servers keep data: for root outside the checkout, which the servers' user may not be able to enter. */
export function dataDirectory(local: string, user: ServiceUser | undefined): string {
  if (!user) return join(local, "data");
  const hash = createHash("sha256").update(realpathSync(local)).digest("hex").slice(0, 12);
  return join("/var/lib/authensor-local", hash);
}

export function makeDataDirectory(directory: string, user: ServiceUser | undefined): void {
  mkdirSync(join(directory, ".."), { recursive: true, mode: 0o755 });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  ownDirectory(directory, user);
}

export function ownDirectory(directory: string, user: ServiceUser | undefined): void {
  chmodSync(directory, 0o700); // whatever the umask is
  if (user) chownSync(directory, user.uid, user.gid);
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function output(command: string, args: readonly string[]): string {
  return spawnSync(command, args, { encoding: "utf8" }).stdout ?? "";
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function real(path: string): string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}
