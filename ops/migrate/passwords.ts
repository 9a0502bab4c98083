/** Gives the roles' logins the passwords that are kept in a directory, one file per login. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { sqlState } from "../database";
import type { Log } from "../log";
import { Failure } from "../program";
import { scramVerifier } from "../../postgres/scramVerifier";
import { createdLogins } from "../roles";

/** The passwords by login. A Failure if one is missing or empty; other files (Kubernetes adds some) are left alone. */
export function readPasswords(dir: string): Map<string, string> {
  let present: string[];
  try {
    present = readdirSync(dir);
  } catch {
    throw new Failure(`ROLE_PASSWORDS_DIR: cannot read the directory ${dir}`, [], 2);
  }
  const passwords = new Map<string, string>();
  const problems: string[] = [];
  for (const login of createdLogins) {
    const password = present.includes(login) ? readFileSync(join(dir, login), "utf8").replace(/\r?\n$/, "") : undefined;
    if (!password) problems.push(`${login}: ${password === undefined ? "no file of that name" : "the file is empty"}`);
    // Others would need SASLprep and URL escaping all the way.
    else if (!/^[\x21-\x7e]+$/.test(password)) problems.push(`${login}: only printable ASCII, no spaces`);
    else passwords.set(login, password);
  }
  if (problems.length > 0)
    throw new Failure(`ROLE_PASSWORDS_DIR (${dir}) does not hold a password for each login`, problems, 2);
  return passwords;
}

export interface SetPasswordsOptions {
  /** Where each login's password is tried. */
  url: string;
  log: Log;
  signal?: AbortSignal;
  /** How long to wait until nobody is logged in by a password that is to change. */
  waitSeconds: number;
}

/**
 * Sets the passwords that do not work yet, all or none, and returns the logins it did that for. A login that somebody uses keeps its
 * password: it would be refused to its next connection, and with it to requests.
 */
export async function setPasswords(
  client: pg.Client,
  passwords: ReadonlyMap<string, string>,
  options: SetPasswordsOptions,
): Promise<string[]> {
  const changed: string[] = [];
  for (const login of passwords.keys())
    if (!(await logsIn(options.url, login, passwords.get(login) ?? ""))) changed.push(login);
  await untilUnused(client, changed, options);
  for (const login of changed) {
    const verifier = scramVerifier(passwords.get(login) ?? "");
    await client.query(`alter role ${pg.escapeIdentifier(login)} password ${pg.escapeLiteral(verifier)}`);
    options.log.info("password set", { role: login });
  }
  return changed;
}

/** A pod of the rollout before may still end. */
async function untilUnused(client: pg.Client, logins: string[], options: SetPasswordsOptions): Promise<void> {
  const { log, signal, waitSeconds } = options;
  const deadline = Date.now() + waitSeconds * 1000;
  for (let told = false; ; told = true) {
    const { rows } = await client.query<{ login: string; sessions: number }>(
      `select usename as login, count(*)::int as sessions from pg_stat_activity
        where usename = any ($1) group by 1 order by 1`,
      [logins],
    );
    if (rows.length === 0) return;
    const inUse = rows.map(({ login, sessions }) => `${login}: ${sessions} sessions`);
    if (Date.now() > deadline)
      throw new Failure(
        "no password was changed: it would interrupt who is logged in by the one before. Set passwordGeneration to what it was in " +
          "the last finished deployment, or to one more, and deploy again (docs/operations.md, Passwords)",
        inUse,
      );
    if (!told) log.info("waiting until nobody uses a login whose password is to change", { inUse, waitSeconds });
    await sleep(500, undefined, { signal });
  }
}

/** True if the server asked for the password and took it. A server that lets anyone in proves nothing about the password. */
async function logsIn(url: string, login: string, password: string): Promise<boolean> {
  const target = new URL(url);
  target.username = login;
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
      `cannot check the password of ${login}: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}
