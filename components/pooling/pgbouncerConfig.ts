import { databaseName, type Login, roles } from "../../ops/roles";
import { trustPath } from "../pods/trust";
import type { Pool } from "./connectionBudget";
import {
  bothLogins,
  pooledDatabase,
  pooledRole,
  type PooledRole,
  type Pooler,
  poolerPort,
  poolsOf,
} from "./pgbouncerEntries";

/** The longest that a transaction may take through PgBouncer, seconds; a rollout waits this long for the last of them. */
export const longestTransaction = 60;

/** Where the pod finds its files. The local cloud maps these paths to real directories. */
export const paths = {
  config: "/etc/pgbouncer/config",
  auth: "/etc/pgbouncer/auth",
  tls: "/etc/pgbouncer/tls",
  trust: trustPath,
} as const;

/** A process' own, below `paths.config`. */
export const configFile = (pooler: Pooler): string => `${pooler}.ini`;

/** Seconds that a client waits for a connection at most. */
export const queryWait = 15;

export interface PgbouncerConfig {
  host: string;
  port: number;
  /** Server connections of each pool in a pod. */
  pools: Record<Pool, number>;
  maxClients: number;
  /** Statements that it keeps prepared on each connection to the server; 0: it prepares none. */
  preparedStatements: number;
  /** Chains that each agent's receipts are spread over, by the server connections that they come on; 1: one. */
  lanes: number;
  /** What is deployed now, of the two logins of each role. */
  logins: Record<PooledRole, { user: Login }>;
}

/**
 * The configuration of one of a pod's processes, for 1.25.2 and later. All settings but transaction_timeout and
 * max_prepared_statements are known to 1.18 (Debian 12) as well, so that what is tested is what runs; where a default
 * differs between them and matters, it is set.
 */
export function renderPgbouncerConfig(
  pooler: Pooler,
  { host, port, pools, maxClients, preparedStatements, lanes, logins }: PgbouncerConfig,
): string {
  const entry = (pool: Pool) =>
    `${pooledDatabase[pool]} = host=${host} port=${port} dbname=${databaseName} ` +
    `pool_size=${pools[pool]} max_db_connections=${pools[pool]}`;
  const shared = (pool: Pool) => `${entry(pool)} user=${logins[pooledRole[pool]].user}`;
  const inLanes = lanes > 1 ? ` connect_query='${setLanes(lanes)}'` : "";
  const entries: Record<Pool, string> = {
    controlPlane: `; ${roles.app}, the control plane, by a login that it alone has and the server does not know: who comes as
; ${roles.app} is refused. It needs no transaction of more than one statement, and the one that it sends is broken: its
; key rotation sends BEGIN and COMMIT over different connections. In transaction mode every receipt that other requests
; then wrote on the connection with the BEGIN would be acknowledged, and rolled back in the end. So BEGIN is refused to
; it: the rotation fails (make a new key, revoke the old one), and no receipt is lost.
${shared("controlPlane")} pool_mode=statement${inLanes}`,
    app: `; ${roles.app}, other writers
${shared("app")}${inLanes}`,
    telemetry: `; ${roles.telemetry}
${shared("telemetry")}`,
    auditor: `; ${roles.auditor}. Each client as itself: the monitor comes in here too, and must not become an auditor.
${entry("auditor")}`,
  };
  return `;; Written by the deployment; a change makes a new ConfigMap, and the pods roll.

[databases]
; One entry, and so one pool, per role, and one for the control plane in a process of its own: a pool's connections are
; logged in as its role, with that role's settings (synchronous_commit above all). An entry accepts its own client only,
; the auditor's the monitor too (hba.conf beside this file): nobody fills another's pool. Clients come by either of their
; two logins, of this generation of passwords or the one before; the server is always logged in to as this one (user),
; with its password from the user list. A pool for each login would let the clients of one starve those of the other.
${poolsOf(pooler)
  .map((pool) => entries[pool])
  .join("\n")}

[pgbouncer]
;; Where it listens
listen_addr = *
listen_port = ${poolerPort[pooler]}
; No Unix socket: the root file system is read-only, and nobody is there to use one.
unix_socket_dir =
; And no pidfile: it would outlive a process that is killed, whose successor has its number (1), takes itself for the
; other one (src/main.c, check_pidfile), and never starts.

;; Who may come in
; auth_query cannot work on RDS, which lets nobody read pg_authid: passwords come from a Secret.
auth_file = ${paths.auth}/userlist.txt
; Who may come in through which entry, each with SCRAM.
auth_type = hba
auth_hba_file = ${paths.config}/${hbaFile}
; Nobody may change or stop a pod from its console; deployments do.
admin_users =
; SHOW POOLS and SHOW STATS for the monitor.
stats_users = ${bothLogins("monitor").join(", ")}

;; TLS towards clients: they verify this certificate, passwords identify them
client_tls_sslmode = require
client_tls_cert_file = ${paths.tls}/tls.crt
client_tls_key_file = ${paths.tls}/tls.key
; TLS 1.2 and 1.3.
client_tls_protocols = secure

;; TLS towards the server: the default, "prefer", would verify nothing
server_tls_sslmode = verify-full
server_tls_ca_file = ${paths.trust}/database-ca.pem
server_tls_protocols = secure

;; Pooling
; A connection can change hands after each transaction.
pool_mode = transaction
; What a client has prepared is prepared on whatever connection it gets; the least used make room. The guard
; (ops/guard/statements.ts) prepares as many statements of the control plane. 1.21 and later.
max_prepared_statements = ${preparedStatements}
${betweenClients(lanes)[pooler]}
; Every client of a control plane at its largest fits into one pod less than there are.
max_client_conn = ${maxClients}
; JDBC sends it, and no supported server needs it. "options" is not here: settings in it would vanish silently.
ignore_startup_parameters = extra_float_digits

;; Limits in time, seconds
; Waiting for a free connection: an agent would rather be told no than wait the default 120.
query_wait_timeout = ${queryWait}
; A transaction that a client has forgotten: its locks must not outlive this.
idle_transaction_timeout = 30
; The net below the roles' own statement_timeout (sql/019_role_rules.sql), for a server that no longer answers; a
; rollout's grace period is longer than this. An auditor's longer reads belong on the replica, which is not behind a
; pooler.
query_timeout = ${longestTransaction}
; Many short statements make a long transaction too, and a pod that goes waits for it. 1.25 and later.
transaction_timeout = ${longestTransaction}
; A client that connects and does not log in.
client_login_timeout = 15
; A server that does not answer: half a failover is worse than a quick error and the next try.
server_connect_timeout = 5
; After a refused login the default waits 15 s before the next; a Multi-AZ failover may be over by then.
server_login_retry = 1
; Server connections are made anew now and then, so that none keeps an old address, password or cache for long.
server_lifetime = 1800
; An idle one goes back to the server's memory.
server_idle_timeout = 300

;; Following a failover: RDS answers with a TTL of 5 s and moves the name to the new primary
dns_max_ttl = 5
; The name can be missing for a moment while it moves.
dns_nxdomain_ttl = 2
; A server that vanished without a word is noticed after 20 + 3 × 5 s where its connection is idle, and by what was sent
; to it and is not acknowledged after 15 s (ms here), which keepalive knows nothing of: else each query waits for
; query_timeout.
tcp_keepalive = 1
tcp_keepidle = 20
tcp_keepintvl = 5
tcp_keepcnt = 3
tcp_user_timeout = 15000

;; Logging, to stderr
; Connections come and go by the thousand and every probe is one; errors stay.
log_connections = 0
log_disconnections = 0
log_pooler_errors = 1
; One line of totals a minute.
log_stats = 1
stats_period = 60
`;
}

/**
 * Leaves a session as it was when it logged in. RESET ALL gives back the role's own settings, not the server's.
 * DEALLOCATE ALL, which PgBouncer takes notice of (src/server.c): else a client could prepare another statement by the
 * name that the pooler gave to somebody's.
 */
const resetQuery =
  "RESET SESSION AUTHORIZATION; RESET ALL; CLOSE ALL; DEALLOCATE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all()";

/** Which of an agent's chains a receipt goes to is chosen by the server's process (audit.session_lane). */
const setLanes = (lanes: number): string => `SET audit.lanes = ${lanes}`;

const betweenClients = (lanes: number): Record<Pooler, string> => ({
  decisions: `; A connection is handed on as it is, and no reset is waited for (docs/performance.md): all clients are one program, which sets nothing, and
; nobody else has its login. Whatever a session of its role sets, a receipt is stored or refused
; (test/sql/pooling.test.ts).
server_reset_query =`,
  others: `; A connection is handed on as it was: what a client SET, prepared, locked or listens to ends with its transaction. Not
; DISCARD ALL, which would also have every function planned anew.
server_reset_query = ${resetQuery}${lanes > 1 ? `; ${setLanes(lanes)}` : ""}
server_reset_query_always = 1`,
});

/** Kept beside pgbouncer.ini. */
export const hbaFile = "hba.conf";
