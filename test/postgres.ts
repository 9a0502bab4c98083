/** Real, throw-away PostgreSQL servers for tests: one per test file, gone when the test process is, however that ends. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { ServiceUser } from "../cloud/host/user";
import { freePort } from "../cloud/host/ports";
import { findPostgres, oldestPostgres } from "../cloud/host/programs";
import { findServiceUser } from "../cloud/host/user";
import { silentLog } from "../ops/log";
import { migrateUp } from "../ops/migrate/up";
import { roles } from "../ops/roles";

export const superuser = "postgres";
/** The migrations as they are in this checkout. */
export const migrationsDir = join(dirname(__dirname), "sql");

/** The environment's name for the data directory of a server that is ready, with the migrations applied. */
export const preparedServer = "TEST_PREPARED_SERVER";

const templateDatabase = "authensor_template";

export interface PostgresOptions {
  /** One on which nothing was deployed yet, and no migration made a role. Default false: a copy of one with all of it. */
  untouched?: boolean;
  /** Survives a kill of the server without losing commits, as production does. Default false: fast. */
  durable?: boolean;
  /** "scram" asks every role for its password (the owner's and the superuser's is "owner"); default "trust". */
  auth?: "trust" | "scram";
  /** Where its directory is made. Default: wherever temporary ones are. */
  within?: string;
  /** Server parameters, over the harness' own. */
  parameters?: Record<string, string>;
  /** PEM certificate and key: the server then speaks TLS. */
  tls?: { certificate: string; key: string };
}

export interface DatabaseOptions {
  /** With every migration applied (a copy of a database migrated once per server). Default false: empty. */
  migrated?: boolean;
  /** A copy of another one, to which nobody is connected. */
  copyOf?: TestDatabase;
  name?: string;
}

/** The programs of the newest PostgreSQL on this machine; `PG_BIN_DIR` names another one. */
function binaries(): string {
  const bin = process.env["PG_BIN_DIR"] ?? findPostgres()?.bin;
  if (bin === undefined)
    throw new Error(`no PostgreSQL ${oldestPostgres} or later found: install it, or set PG_BIN_DIR`);
  return bin;
}

/** For child processes. */
const owner = (user: ServiceUser | undefined) => (user ? { uid: user.uid, gid: user.gid } : {});

export class TestDatabase {
  constructor(
    readonly server: TestPostgres,
    readonly name: string,
  ) {}

  get superuserUrl(): string {
    return this.server.url(superuser, this.name);
  }

  get ownerUrl(): string {
    return this.server.url(roles.owner, this.name);
  }

  url(role: string, password?: string): string {
    return this.server.url(role, this.name, password);
  }

  /** A connected client, closed with the server. */
  async connect(role: string = superuser): Promise<pg.Client> {
    return this.server.connect(this.url(role));
  }
}

export class TestPostgres {
  readonly bin = binaries();
  readonly dir: string;
  readonly dataDir: string;
  port = 0;
  private readonly user = findServiceUser();
  private readonly clients: pg.Client[] = [];
  private guard: ChildProcess | undefined;
  private template: Promise<void> | undefined;

  constructor(private readonly options: PostgresOptions) {
    // What is to be durable is kept on the disk.
    const parent = options.within ?? (options.durable ? undefined : process.env["TEST_SERVERS_DIR"]);
    this.dir = mkdtempSync(join(parent ?? tmpdir(), "pgtest-"));
    this.dataDir = join(this.dir, "data");
  }

  /** `postgresql://` URL over TCP on localhost. */
  url(role: string, database = "postgres", password?: string): string {
    const secret = password ?? (role === superuser || role === roles.owner ? "owner" : undefined);
    return `postgresql://${role}${secret === undefined ? "" : `:${secret}`}@localhost:${this.port}/${database}`;
  }

  async connect(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    // A server killed on purpose ends its connections; an unheard "error" event would end the test run.
    client.on("error", () => undefined);
    await client.connect();
    this.clients.push(client);
    return client;
  }

  async initialise(): Promise<void> {
    const prepared = this.options.untouched ? undefined : process.env[preparedServer];
    if (prepared === undefined) await this.initdb();
    else await this.copy(prepared);
  }

  /** A server of its own that follows this one, with this one's parameters. */
  async startStandby(): Promise<TestPostgres> {
    const standby = new TestPostgres(this.options);
    if (this.user) chownSync(standby.dir, this.user.uid, this.user.gid);
    const copy = ["-D", standby.dataDir, "-R", "-c", "fast", "-d", this.url(superuser)];
    execFileSync(join(this.bin, "pg_basebackup"), copy, { ...owner(this.user), cwd: this.dir, stdio: "pipe" });
    await standby.start();
    return standby;
  }

  /** What is done by initdb and by migrations is the same for every server: it is copied, and only who logs in by what is its own. */
  private async copy(prepared: string): Promise<void> {
    if (this.user) chownSync(this.dir, this.user.uid, this.user.gid);
    execFileSync("cp", ["-a", prepared, this.dataDir]);
    const access = join(this.dataDir, "pg_hba.conf");
    writeFileSync(access, readFileSync(access, "utf8").replace(/trust$/gm, this.auth));
    this.template = Promise.resolve();
    this.writeConfiguration();
    await this.start();
  }

  /** Ends in order, and leaves what `preparedServer` may name: its data directory. */
  async prepare(): Promise<string> {
    await this.initialise();
    await (this.template ??= this.createTemplate());
    await Promise.all(this.clients.map((client) => client.end()));
    execFileSync(join(this.bin, "pg_ctl"), ["stop", "-D", this.dataDir, "-m", "fast"], owner(this.user));
    await this.endGuard();
    return this.dataDir;
  }

  private get auth(): string {
    return this.options.auth === "scram" ? "scram-sha-256" : "trust";
  }

  private async initdb(): Promise<void> {
    const passwordFile = join(this.dir, "password");
    writeFileSync(passwordFile, "owner\n");
    if (this.user) {
      for (const path of [this.dir, passwordFile]) chownSync(path, this.user.uid, this.user.gid);
    }
    const initdb = [
      "-D",
      this.dataDir,
      "-U",
      superuser,
      "-A",
      this.auth,
      `--pwfile=${passwordFile}`,
      "-E",
      "UTF8",
      "--locale=C",
      "-N",
    ];
    execFileSync(join(this.bin, "initdb"), initdb, { ...owner(this.user), cwd: this.dir, stdio: "pipe" });
    this.writeConfiguration();
    await this.start();
    const client = await this.connect(this.url(superuser));
    // What RDS gives its master user: no superuser, but these; rds_superuser may pass pg_monitor on.
    await client.query(`
      create role rds_superuser nologin;
      grant pg_monitor, pg_signal_backend to rds_superuser with admin option;
      create role ${roles.owner} login createrole createdb password 'owner' in role rds_superuser;`);
  }

  private writeConfiguration(): void {
    const parameters: Record<string, string> = {
      listen_addresses: "localhost",
      unix_socket_directories: this.dir,
      max_connections: "120",
      shared_buffers: "64MB",
      timezone: "UTC",
      log_line_prefix: "%m [%p] %u@%d ",
      ...(this.options.durable ? {} : { fsync: "off", full_page_writes: "off", synchronous_commit: "on" }),
      ...this.options.parameters,
    };
    if (this.options.tls) {
      const files = { "server.crt": this.options.tls.certificate, "server.key": this.options.tls.key };
      for (const [name, text] of Object.entries(files)) {
        const path = join(this.dir, name);
        writeFileSync(path, text, { mode: 0o600 });
        if (this.user) chownSync(path, this.user.uid, this.user.gid);
      }
      Object.assign(parameters, {
        ssl: "on",
        ssl_cert_file: join(this.dir, "server.crt"),
        ssl_key_file: join(this.dir, "server.key"),
      });
    }
    const lines = Object.entries(parameters).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
    writeFileSync(join(this.dataDir, "postgresql.auto.conf"), lines.join(""));
  }

  /** Starts the server (again); the port stays the same from the first start on. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const port = this.port || (await freePort());
      const log = join(this.dir, "log");
      const logged = this.serverLog().length;
      // The shell outlives neither us nor its server: its stdin closes when this process ends, in whatever way.
      const script =
        '"$@" >>"$LOG" 2>&1 </dev/null & server=$!; (wait $server) & cat >/dev/null; kill -QUIT $server 2>/dev/null; wait $server';
      const argv = [join(this.bin, "postgres"), "-D", this.dataDir, "-p", String(port)];
      const options = { ...owner(this.user), cwd: this.dir, env: { ...process.env, LOG: log }, detached: true };
      this.guard = spawn("sh", ["-c", script, "sh", ...argv], { ...options, stdio: ["pipe", "ignore", "ignore"] });
      this.guard.unref();
      if (await this.answers(port, logged)) {
        this.port = port;
        return;
      }
      await this.endGuard();
      await sleep(100);
      // A port taken meanwhile, or children of a killed postmaster that are still leaving: worth another try.
      const again = /could not create any TCP|pre-existing shared memory/.test(this.serverLog().slice(logged));
      if (!again || attempt === 20)
        throw new Error(`PostgreSQL did not start:\n${readFileSync(log, "utf8").slice(-2000)}`);
    }
  }

  private async answers(port: number, logged: number): Promise<boolean> {
    for (const until = Date.now() + 30_000; Date.now() < until; await sleep(30)) {
      // Of its own: sessions of a server that was killed a moment ago write FATAL too, with a name before the @.
      if (/ @ FATAL/.test(this.serverLog().slice(logged)) && !existsSync(join(this.dataDir, "postmaster.pid")))
        return false;
      const client = new pg.Client({
        host: "localhost",
        port,
        user: superuser,
        password: "owner",
        database: "postgres",
      });
      client.on("error", () => undefined);
      try {
        await client.connect();
        return true;
      } catch {
        continue;
      } finally {
        await client.end().catch(() => undefined);
      }
    }
    return false;
  }

  /** What the server has logged since its first start. */
  serverLog(): string {
    try {
      return readFileSync(join(this.dir, "log"), "utf8");
    } catch {
      return "";
    }
  }

  private postmaster(): number {
    return Number(readFileSync(join(this.dataDir, "postmaster.pid"), "utf8").split("\n")[0]);
  }

  /** SIGKILL to the postmaster, as a lost machine would; its children follow by themselves. `start()` recovers it. */
  async crash(): Promise<void> {
    process.kill(this.postmaster(), "SIGKILL");
    await this.endGuard();
  }

  /** Ends it at once, if it has not ended by itself, and starts it again. */
  async restart(): Promise<void> {
    await this.endGuard();
    await this.start();
  }

  private async endGuard(): Promise<void> {
    const guard = this.guard;
    if (guard && guard.exitCode === null && guard.signalCode === null) {
      const ended = new Promise((resolve) => guard.once("exit", resolve));
      guard.ref();
      guard.stdin?.end();
      await ended;
    }
    this.guard = undefined;
  }

  /** Stops the server and removes all it left. */
  async stop(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.end().catch(() => undefined)));
    await this.endGuard();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** A database owned by the owner role, as RDS makes it. */
  async createDatabase(options: DatabaseOptions = {}): Promise<TestDatabase> {
    const name = options.name ?? `authensor_${randomBytes(4).toString("hex")}`;
    const admin = await this.connect(this.url(superuser));
    if (options.migrated) await (this.template ??= this.createTemplate());
    const template = options.copyOf?.name ?? (options.migrated ? templateDatabase : undefined);
    if (template === undefined) {
      await admin.query(`create database ${name} owner ${roles.owner}`);
    } else {
      // The other strategy writes every page to the WAL first: half as much work again.
      await admin.query(`create database ${name} owner ${roles.owner} template ${template} strategy file_copy`);
      // CREATE DATABASE copies neither the settings nor the privileges of its template.
      await admin.query(`set allow_system_table_mods = on`);
      await admin.query(
        `insert into pg_db_role_setting select n.oid, setrole, setconfig from pg_db_role_setting
           join pg_database t on t.oid = setdatabase and t.datname = $1, pg_database n where n.datname = $2`,
        [template, name],
      );
      await admin.query(
        `update pg_database n set datacl = t.datacl from pg_database t where t.datname = $1 and n.datname = $2`,
        [template, name],
      );
    }
    await admin.end();
    return new TestDatabase(this, name);
  }

  private async createTemplate(): Promise<void> {
    const database = await this.createDatabase({ name: templateDatabase });
    const client = await database.connect(roles.owner);
    await migrateUp(client, { dir: migrationsDir, log: silentLog });
    await client.end();
  }
}

/** Starts a server of one's own; `stop()` it in afterAll. */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const server = new TestPostgres(options);
  try {
    await server.initialise();
  } catch (error) {
    await server.stop().catch(() => undefined);
    throw error;
  }
  return server;
}
