/**
 * What runs in PgBouncer's container beside it: before it serves, and before it ends. Plain shell; the image brings psql (its Dockerfile
 * installs postgresql-client: github.com/cloudnative-pg/pgbouncer-containers, 7b391df, of 1.25.2).
 */
import { configFile, paths } from "./pgbouncerConfig";
import { consoleOf, type Pooler, poolsOf } from "./pgbouncerEntries";

const query = (text: string, service: string) =>
  `psql --no-psqlrc --no-password --quiet --output=/dev/null --command="${text}" service=${service}`;

/** Succeeds once a query has gone through each of its pools, as each pool's role, over verified TLS on both sides. */
export const queryEveryPool = (pooler: Pooler): string =>
  poolsOf(pooler)
    .map((pool) => query("select 1", pool))
    .join(" && ");

/**
 * Succeeds while the process answers, whatever the database does. The port alone proves nothing: the kernel accepts connections for a
 * process that is stopped or hangs.
 */
export const askConsole = (pooler: Pooler): string => query("show version", consoleOf(pooler));

/**
 * Runs before Kubernetes' own signal. First nobody new is sent here; then those who are connected leave, each between two of its
 * queries: the kernel's table of connections (state 01 is established, ports are hexadecimal) says when the last has. SIGINT finishes the
 * open transactions of those who stay longer than that, refuses their next query, and leaves; in every version. SIGTERM would cut
 * transactions off before 1.23, and since then waits for clients without end. A second signal would cut them off too, so this
 * waits for the end. PgBouncer is process 1 of its container.
 * @param endpoints seconds until every node has heard that this pod takes no new connections
 * @param clients seconds to wait for the clients at most
 */
export const drain = (pooler: Pooler, endpoints: number, clients: number) => `
sleep ${endpoints}
port="$(printf %04X "$(sed -n 's/^listen_port = //p' ${paths.config}/${configFile(pooler)})")"
left=${clients}
while [ "$left" -gt 0 ] && cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q "^ *[0-9]*: [0-9A-F]*:$port [0-9A-F:]* 01 "; do
  sleep 1
  left="$((left - 1))"
done
kill -INT 1
while kill -0 1 2>/dev/null; do sleep 0.2; done
`;
