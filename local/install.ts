/** Installs what the machine lacks: with apt as root or through sudo, with brew on macOS; elsewhere says what is missing. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { findPostgres, findProgram, oldestPostgres, type Postgres } from "../cloud/host/programs";
import { isRoot } from "../cloud/host/user";

export interface Prerequisites {
  postgres: Postgres;
  pgbouncer: string;
}

/** Thrown with one line that names what to install. */
export class Missing extends Error {}

/** @param tests with what only tests need: a browser */
export function ensurePrerequisites(log: (line: string) => void, { tests = false } = {}): Prerequisites {
  const before = look(tests);
  if (before.missing.length === 0) return before.found();
  const what = before.missing.join(" and ");
  log(`installing ${what}`);
  if (has("apt-get")) withApt(what, tests);
  else if (process.platform === "darwin" && has("brew"))
    command("brew", ["install", "postgresql@17", "pgbouncer", ...(tests ? ["chromium"] : [])], what);
  else throw new Missing(`install ${what}, then run the command again (this machine has neither apt-get nor brew)`);
  const after = look(tests);
  if (after.missing.length > 0)
    throw new Missing(`${after.missing.join(" and ")} is still missing after the installation`);
  return after.found();
}

/** The smallest there is first: Debian's chromium-headless-shell is 64 MB, and shows nothing on a screen. */
export function findChromium(): string | undefined {
  const names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const onMac = ["Chromium", "Google Chrome"].map((name) => `/Applications/${name}.app/Contents/MacOS/${name}`);
  return names.map((name) => findProgram(name)).find((path) => path !== undefined) ?? onMac.find(existsSync);
}

function look(tests: boolean) {
  const postgres = findPostgres();
  const pgbouncer = findProgram("pgbouncer");
  const missing = [
    ...(postgres ? [] : [`PostgreSQL ${oldestPostgres} or newer (server and tools)`]),
    ...(pgbouncer ? [] : ["PgBouncer"]),
    ...(!tests || findChromium() !== undefined ? [] : ["Chromium"]),
  ];
  return { missing, found: (): Prerequisites => ({ postgres: postgres!, pgbouncer: pgbouncer! }) };
}

/**
 * Debian's packages make and start a cluster and a pooler of their own. This machine's owner asked for neither: the
 * cluster is not made (createcluster.d), nothing is started now (policy-rc.d), and the pooler not at the next boot
 * either. A distribution whose PostgreSQL is too old gets the project's own repository, as its manual describes:
 * https://www.postgresql.org/download/linux/ubuntu/
 */
const aptScript = `
set -e
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -q --no-install-recommends "$@"; }
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/authensor-local.conf
cleanup() { [ -z "$made_policy" ] || rm -f "$policy"; rm -f "$cluster"; }
trap cleanup EXIT
if [ ! -e "$policy" ]; then made_policy=1; printf '#!/bin/sh\\nexit 101\\n' >"$policy"; chmod 755 "$policy"; fi
apt-get update -q
if [ -n "$NEED_POSTGRES" ]; then
  install postgresql-common ca-certificates
  mkdir -p "\${cluster%/*}"
  echo 'create_main_cluster = false' >"$cluster"
  candidate=$(apt-cache policy postgresql | sed -n 's/^ *Candidate: *\\([0-9]*\\).*/\\1/p')
  if [ "\${candidate:-0}" -lt ${oldestPostgres} ]; then
    /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y
    install postgresql-17
  else
    install postgresql
  fi
fi
if [ -n "$NEED_PGBOUNCER" ]; then
  install pgbouncer
  if command -v systemctl >/dev/null 2>&1; then systemctl disable pgbouncer >/dev/null 2>&1 || true; fi
fi
if [ -n "$NEED_CHROMIUM" ]; then install chromium-headless-shell || install chromium; fi
`;

function withApt(what: string, tests: boolean): void {
  const needs = [
    `NEED_POSTGRES=${findPostgres() ? "" : "1"}`,
    `NEED_PGBOUNCER=${findProgram("pgbouncer") ? "" : "1"}`,
    `NEED_CHROMIUM=${tests && findChromium() === undefined ? "1" : ""}`,
  ];
  if (isRoot()) return command("env", [...needs, "/bin/sh", "-c", aptScript], what);
  if (!has("sudo"))
    throw new Missing(`install ${what}, then run the command again (apt-get needs root, and there is no sudo)`);
  command("sudo", ["env", ...needs, "/bin/sh", "-c", aptScript], what);
}

function command(name: string, args: string[], what: string): void {
  // Its output goes to stderr: stdout is the deployment's.
  const { status } = spawnSync(name, args, { stdio: ["inherit", 2, 2] });
  if (status !== 0) throw new Missing(`install ${what}, then run the command again (${name} failed, see above)`);
}

function has(program: string): boolean {
  return spawnSync("/bin/sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0;
}
