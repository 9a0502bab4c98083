import type { Pool } from "./connectionBudget";
import { paths } from "./pgbouncerConfig";
import {
  type AdmittedRole,
  bothLogins,
  consoleOf,
  pooledDatabase,
  pooledRole,
  type Pooler,
  poolerOf,
  poolerPort,
  poolers,
} from "./pgbouncerEntries";

/**
 * PgBouncer's auth_hba_file: each entry's role, from anywhere, over TLS. What no line matches is refused. The monitor asks now and then
 * whether a query comes through: by the auditor's entry, which no decision waits for.
 */
export function renderHba(): string {
  const entries = (Object.keys(pooledDatabase) as Pool[]).map((pool): [string, AdmittedRole] => [
    pooledDatabase[pool],
    pooledRole[pool],
  ]);
  return [...entries, [pooledDatabase.auditor, "monitor"] as const, ["pgbouncer", "monitor"] as const]
    .flatMap(([database, role]) =>
      bothLogins(role).flatMap((login) =>
        ["0.0.0.0/0", "::/0"].map((from) => `hostssl ${database} ${login} ${from} scram-sha-256\n`),
      ),
    )
    .join("");
}

interface PlainCredentials {
  user: string;
  password: string;
}

/** PgBouncer's auth_file. Plain passwords: with SCRAM it needs them to log in to the server itself. */
export function renderUserlist(logins: readonly PlainCredentials[]): string {
  return logins.map(({ user, password }) => `${quote(user)} ${quote(password)}\n`).join("");
}

/**
 * psql's connection service file (libpq, "The Connection Service File"): how to come in through each pool as one of its clients does, and
 * to the consoles, password and verified certificate included. A file, so that the password is in no argument and no
 * environment variable.
 */
export function renderServices(logins: Record<AdmittedRole, PlainCredentials>): string {
  const entries: [service: string, pooler: Pooler, dbname: string, role: AdmittedRole][] = [
    ...(Object.keys(pooledDatabase) as Pool[]).map((pool): [string, Pooler, string, AdmittedRole] => [
      pool,
      poolerOf[pool],
      pooledDatabase[pool],
      pooledRole[pool],
    ]),
    ...poolers.map((pooler): [string, Pooler, string, AdmittedRole] => [
      consoleOf(pooler),
      pooler,
      "pgbouncer",
      "monitor",
    ]),
  ];
  return entries
    .map(([service, pooler, dbname, role]) => {
      const settings = {
        // This very pod; its certificate names it.
        host: "localhost",
        port: poolerPort[pooler],
        dbname,
        ...logins[role],
        sslmode: "verify-full",
        sslrootcert: `${paths.trust}/pgbouncer-ca.pem`,
        connect_timeout: 20,
        application_name: "authensor-probe",
      };
      const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
      return `[${service}]\n${lines.join("")}`;
    })
    .join("\n");
}

function quote(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
