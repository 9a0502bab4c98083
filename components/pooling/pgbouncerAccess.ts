import type { Pool } from "./connectionBudget";
import { paths } from "./pgbouncerConfig";
import {
  bothLogins,
  consoleOf,
  pooledDatabase,
  type Pooler,
  type PoolerClient,
  poolerOf,
  poolerPort,
  poolers,
} from "./pgbouncerEntries";

const pools = Object.keys(pooledDatabase) as Pool[];

/**
 * PgBouncer's auth_hba_file: each entry's own client, from anywhere, over TLS. What no line matches is refused. The monitor asks now and
 * then whether a query comes through: by the auditor's entry, which no decision waits for.
 */
export function renderHba(): string {
  const entries = pools.map((pool): [string, PoolerClient] => [pooledDatabase[pool], pool]);
  return [...entries, [pooledDatabase.auditor, "monitor"] as const, ["pgbouncer", "monitor"] as const]
    .flatMap(([database, client]) =>
      bothLogins(client).flatMap((login) =>
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
export function renderServices(logins: Record<PoolerClient, PlainCredentials>): string {
  const entries: [service: string, pooler: Pooler, dbname: string, client: PoolerClient][] = [
    ...pools.map((pool): [string, Pooler, string, PoolerClient] => [pool, poolerOf[pool], pooledDatabase[pool], pool]),
    ...poolers.map((pooler): [string, Pooler, string, PoolerClient] => [
      consoleOf(pooler),
      pooler,
      "pgbouncer",
      "monitor",
    ]),
  ];
  return entries
    .map(([service, pooler, dbname, client]) => {
      const settings = {
        // This very pod; its certificate names it.
        host: "localhost",
        port: poolerPort[pooler],
        dbname,
        ...logins[client],
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
