/** `make psql`: psql as one of the roles, with the URL that the deployment made for it. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { UsageError } from "./config";
import { readOutputs } from "./outputs";
import { findPostgres } from "../cloud/host/programs";

export interface PsqlCommand {
  args: string[];
  /** The password is kept out of the arguments, which every user of the machine can read. */
  password: string;
}

/** @param role the name of a URL in outputs.json, without "Url" */
export function psqlCommand(outputs: object, role: string | undefined, more: readonly string[]): PsqlCommand {
  const urls = Object.entries(outputs).filter(([, value]) => String(value).startsWith("postgresql://"));
  const found = urls.find(([name]) => name === `${role}Url`);
  if (!found) {
    const known = urls.map(([name]) => name.replace(/Url$/, "")).join(", ");
    throw new UsageError(`${role === undefined ? "which role" : `no role ${role}`}? Use one of: ${known}`);
  }
  const url = new URL(found[1] as string);
  const password = decodeURIComponent(url.password);
  url.password = "";
  return { args: [url.href, ...more], password };
}

/** Returns psql's exit code. */
export function runPsql(outputsFile: string, role: string | undefined, more: readonly string[]): number {
  const { args, password } = psqlCommand(readOutputs(outputsFile), role, more);
  const postgres = findPostgres();
  const env = { ...process.env, PGPASSWORD: password };
  const { status, error } = spawnSync(postgres ? join(postgres.bin, "psql") : "psql", args, { stdio: "inherit", env });
  if (error) throw new Error(`cannot start psql: ${error.message}`);
  return status ?? 1;
}
