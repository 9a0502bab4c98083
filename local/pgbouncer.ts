/** PgBouncer on this machine, which may be older than the image that the configuration is made for. */
import { spawnSync } from "node:child_process";
import { findProgram } from "../cloud/host/programs";
import type { Image } from "../cloud/kubernetes/image";
import { installed } from "../cloud/kubernetes/images";

export const pgbouncer: Image = {
  async executable(run, host) {
    return {
      ...(await installed("pgbouncer", path).executable(run, host)),
      suit: (ini) => suitPgbouncer(ini, version()),
    };
  },
};

/** Whether what a client has prepared is there on every connection that it gets. */
export const prepares = (): boolean => knows("max_prepared_statements", version());

const versions = new Map<string, string>();

/** Asked once in a command: each setting of each process' configuration wants to know. */
function version(): string {
  const program = path();
  const known = versions.get(program) ?? spawnSync(program, ["--version"], { encoding: "utf8" }).stdout;
  versions.set(program, known);
  return known;
}

function path(): string {
  const found = findProgram("pgbouncer");
  if (found === undefined) throw new Error("PgBouncer is not installed");
  return found;
}

/** The version that brought each setting, from PgBouncer's changelog: those that are newer than 1.18 (Debian 12's) and in use. */
const since: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  max_prepared_statements: [1, 21],
  transaction_timeout: [1, 25],
};

function knows(setting: string, version: string): boolean {
  const needed = since[setting];
  const [major = 0, minor = 0] = numbersOf(version);
  return needed === undefined || major > needed[0] || (major === needed[0] && minor >= needed[1]);
}

const numbersOf = (version: string) => (/(\d+)\.(\d+)/.exec(version)?.slice(1) ?? []).map(Number);

/** The same text for that version ("PgBouncer 1.18.0"): one setting that it does not know would keep it from starting. */
export function suitPgbouncer(ini: string, version: string): string {
  return ini.replace(/^(\w+)[ \t]*=.*$/gm, (line, name: string) =>
    knows(name, version)
      ? line
      : `; PgBouncer ${numbersOf(version).join(".")}, which runs here, does not know: ${line}`,
  );
}
