/** Where the programs of this machine are. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import type { ServiceUser } from "./user";

/** The oldest PostgreSQL that the local databases run with. */
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
    const major = majorOf(join(bin, "postgres"));
    return major >= oldestPostgres ? [{ major, bin }] : [];
  });
  found.sort((a, b) => b.major - a.major);
  return found.find(({ major }) => major === wantedMajor) ?? found[0];
}

const majors = new Map<string, number>();

/** Asked once in a command: starting a process takes as long as reading a hundred files. */
function majorOf(server: string): number {
  const known = majors.get(server);
  if (known !== undefined) return known;
  const { stdout } = spawnSync(server, ["--version"], { encoding: "utf8" });
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(stdout)?.[1]);
  majors.set(server, major);
  return major;
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

/** Directories in which programs are installed though a user's PATH may lack them. */
const usual = [
  "/usr/local/bin",
  "/usr/bin",
  "/bin",
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  "/opt/homebrew/bin",
  "/opt/homebrew/sbin",
];

/** Whether programs of this name are looked for by their name alone. */
export const isUsual = (path: string) => usual.includes(dirname(path));

/** This very node first, then PATH without what npm puts in front of it, then the usual places. */
export function searchPath(): string[] {
  const own = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((path) => isAbsolute(path) && !path.includes("node_modules"));
  return [...new Set([dirname(process.execPath), ...own, ...usual])];
}

/** The first program of this name. */
export function findProgram(name: string): string | undefined {
  return searchPath()
    .map((directory) => join(directory, name))
    .find(executable);
}

const within = new Map<string, boolean>();

/** Whether the service user may run a program; a node below somebody's home directory it may not. Asked once in a command. */
export function reachable(path: string, user: ServiceUser): boolean {
  const asked = `${user.uid} ${user.gid} ${path}`;
  const known = within.get(asked);
  if (known !== undefined) return known;
  const { status } = spawnSync("/bin/sh", ["-c", 'test -x "$0"', path], { uid: user.uid, gid: user.gid, cwd: "/" });
  within.set(asked, status === 0);
  return status === 0;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
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
