/** Gives the roles the passwords that are kept in a directory, one file per role. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { sqlState } from "../database";
import type { Log } from "../log";
import { Failure } from "../program";
import { scramVerifier } from "../../postgres/scramVerifier";
import { createdRoles } from "../roles";

/** The passwords by role. A Failure if one is missing or empty; other files (Kubernetes adds some) are left alone. */
export function readPasswords(dir: string): Map<string, string> {
  let present: string[];
  try {
    present = readdirSync(dir);
  } catch {
    throw new Failure(`ROLE_PASSWORDS_DIR: cannot read the directory ${dir}`, [], 2);
  }
  const passwords = new Map<string, string>();
  const problems: string[] = [];
  for (const role of createdRoles) {
    const password = present.includes(role) ? readFileSync(join(dir, role), "utf8").replace(/\r?\n$/, "") : undefined;
    if (!password) problems.push(`${role}: ${password === undefined ? "no file of that name" : "the file is empty"}`);
    // Others would need SASLprep and URL escaping all the way.
    else if (!/^[\x21-\x7e]+$/.test(password)) problems.push(`${role}: only printable ASCII, no spaces`);
    else passwords.set(role, password);
  }
  if (problems.length > 0)
    throw new Failure(`ROLE_PASSWORDS_DIR (${dir}) does not hold a password for each role`, problems, 2);
  return passwords;
}

/** Sets the passwords that do not work yet, and returns the roles it did that for. */
export async function setPasswords(
  client: pg.Client,
  url: string,
  passwords: ReadonlyMap<string, string>,
  log: Log,
): Promise<string[]> {
  const changed: string[] = [];
  for (const [role, password] of passwords) {
    if (await logsIn(url, role, password)) continue;
    await client.query(`alter role ${pg.escapeIdentifier(role)} password ${pg.escapeLiteral(scramVerifier(password))}`);
    changed.push(role);
    log.info("password set", { role });
  }
  return changed;
}

/** True if the server asked for the password and took it. A server that lets anyone in proves nothing about the password. */
async function logsIn(url: string, role: string, password: string): Promise<boolean> {
  const target = new URL(url);
  target.username = role;
  target.password = encodeURIComponent(password);
  // As parameters they would win over both.
  for (const parameter of ["user", "password"]) target.searchParams.delete(parameter);
  const client = new pg.Client({
    connectionString: target.href,
    application_name: "authensor-migrate (password check)",
    connectionTimeoutMillis: 10_000,
  });
  client.on("error", () => undefined);
  let asked = false;
  const connection = (client as unknown as { connection: NodeJS.EventEmitter }).connection;
  connection.once("authenticationSASL", () => (asked = true));
  try {
    await client.connect();
    return asked;
  } catch (error) {
    // Refused for the number of its connections, which is counted once the password was found right.
    if (asked && sqlState(error) === "53300" && /for role/.test((error as Error).message)) return true;
    // invalid_password: what we are here for. Anything else is not mended by another password.
    if (sqlState(error) === "28P01") return false;
    throw new Failure(
      `cannot check the password of ${role}: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}
