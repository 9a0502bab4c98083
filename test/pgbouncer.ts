/** A real PgBouncer in front of a test server, in transaction mode as in production. Needs `pgbouncer` on this machine. */
import { spawn, type ChildProcess } from "node:child_process";
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../cloud/host/ports";
import { findProgram } from "../cloud/host/programs";
import { findServiceUser } from "../cloud/host/user";
import { createdRoles } from "../ops/roles";
import type { TestPostgres } from "./postgres";

export class TestPooler {
  private constructor(
    readonly port: number,
    private readonly dir: string,
    private readonly process: ChildProcess,
  ) {}

  /** The server may come and go meanwhile; `poolSize` is per role and database. */
  static async start(server: TestPostgres, poolSize = 20): Promise<TestPooler> {
    const dir = mkdtempSync(join(tmpdir(), "pgbouncer-"));
    const port = await freePort();
    const configuration = `
[databases]
* = host=localhost port=${server.port}
[pgbouncer]
listen_addr = localhost
listen_port = ${port}
unix_socket_dir =
pool_mode = transaction
auth_type = trust
auth_file = ${join(dir, "users")}
logfile = ${join(dir, "log")}
max_client_conn = 500
default_pool_size = ${poolSize}
query_wait_timeout = 30
server_login_retry = 0.2
server_connect_timeout = 2
ignore_startup_parameters = extra_float_digits
`;
    writeFileSync(join(dir, "pgbouncer.ini"), configuration);
    writeFileSync(join(dir, "users"), createdRoles.map((role) => `"${role}" ""\n`).join(""));
    // PgBouncer, too, refuses to run as root.
    const user = findServiceUser();
    if (user) for (const file of [dir, join(dir, "users")]) chownSync(file, user.uid, user.gid);
    const program = findProgram("pgbouncer");
    if (program === undefined) throw new Error("PgBouncer is not installed");
    const as = user ? { uid: user.uid, gid: user.gid } : {};
    const child = spawn(program, [join(dir, "pgbouncer.ini")], { ...as, cwd: dir, stdio: "ignore" });
    const pooler = new TestPooler(port, dir, child);
    for (let attempt = 0; attempt < 100; attempt++, await sleep(50)) {
      if (await listens(port)) return pooler;
    }
    const log = readFileSync(join(dir, "log"), "utf8");
    await pooler.stop();
    throw new Error(`PgBouncer did not start:\n${log}`);
  }

  url(role: string, database: string): string {
    return `postgresql://${role}@localhost:${this.port}/${database}`;
  }

  async stop(): Promise<void> {
    const ended = this.process.exitCode !== null || new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    this.process.kill("SIGKILL");
    await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "localhost", () => {
      socket.destroy();
      resolve(true);
    }).once("error", () => resolve(false));
  });
