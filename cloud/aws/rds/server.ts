/** A PostgreSQL server in a directory: its files, its process, and the service's own way into it. */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Client, type QueryResultRow } from "pg";
import type { ServiceUser } from "../../host/user";
import { lastLines, quoteLog } from "../../host/logs";
import { running } from "../../host/pidFile";
import { runToEnd, start, stop, stopAll } from "../../host/process";
import { sleep, waitUntil } from "../../host/wait";
import { readIfThere, writeWhole } from "../../host/files";
import { issueServerCertificate, stillGood } from "../databaseCa";
import type { Postgres } from "../../host/programs";
import {
  clientRules,
  differences,
  identities,
  keeping,
  parametersFile,
  superuser,
  valuesIn,
  type Configuration,
} from "./configuration";
import { readLockFile, removeForeignLockFile } from "./lockFile";
import type { Settings } from "./parameters";
import { ensureSocketDirectory, socketDirectoryOf } from "./socketDirectory";

export class Server {
  readonly data: string;
  readonly socketDirectory: string;
  readonly pidFile: string;
  readonly logFile: string;

  constructor(
    /** For messages: "orders-primary". */
    readonly name: string,
    readonly directory: string,
    readonly binaries: Postgres,
    readonly user: ServiceUser | undefined,
    readonly signal: AbortSignal,
  ) {
    this.data = join(directory, "data");
    this.socketDirectory = socketDirectoryOf(directory);
    this.pidFile = join(directory, "postgres.pid");
    this.logFile = join(directory, "postgres.log");
  }

  /** Whether its process lives. */
  get alive(): boolean {
    return running(this.pidFile) !== undefined;
  }

  /**
   * Runs one of PostgreSQL's programs to its end, as the user the server runs as. Its pid is on file: what a killed command
   * has left running is found and ended before it can harm what comes after it.
   */
  async run(program: string, args: readonly string[]): Promise<void> {
    const file = join(this.directory, program);
    await stop(`${file}.pid`);
    rmSync(`${file}.log`, { force: true });
    const spec = {
      name: `${program} of ${this.name}`,
      command: join(this.binaries.bin, program),
      args,
      env: { LC_ALL: "C" },
      cwd: this.directory,
      pidFile: `${file}.pid`,
      logFile: `${file}.log`,
      user: this.user,
    };
    const { code, signal } = await runToEnd(spec, { signal: this.signal });
    if (code !== 0) throw new Error(`${spec.name} ended with ${signal ?? code}: ${quoteLog(spec.logFile)}`);
    rmSync(spec.logFile, { force: true });
  }

  /** Makes an empty cluster, which nobody has flushed to the disk. */
  async initialise(data = this.data): Promise<void> {
    const locale = process.platform === "linux" ? "C.UTF-8" : "en_US.UTF-8";
    const encoding = ["--encoding=UTF8", `--locale=${locale}`];
    const options = ["--no-sync", "--data-checksums", `--username=${superuser}`, "--auth=reject", ...encoding];
    await this.run("initdb", ["-D", data, ...options]);
  }

  /** Ends everything that works in its directory, the quick way, and removes its data. */
  async wipe(): Promise<void> {
    await this.stop("immediate");
    await stopAll(this.directory, { graceMs: 2000 });
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Writes a file for the server, whole or not at all. Returns whether it differs from what was there. */
  write(name: string, content: string): boolean {
    return writeWhole(join(this.directory, name), content, { owner: this.user });
  }

  read(name: string): string | undefined {
    return readIfThere(join(this.directory, name));
  }

  /** Has a certificate of the authority as it is now. */
  async ensureCertificate(caDirectory: string): Promise<void> {
    const present = this.read("server.crt");
    if (present !== undefined && stillGood(caDirectory, present)) return;
    const { certificatePem, keyPem } = await issueServerCertificate(caDirectory, this.name);
    this.write("server.key", keyPem);
    this.write("server.crt", certificatePem);
  }

  /**
   * Writes the configuration and returns in what the server has yet to take it over. That is not what differs from the
   * files as they were: a run may end between writing and applying them.
   */
  configure(port: number, settings: Settings, more: Record<string, string> = {}): string[] {
    const place = { directory: this.directory, socketDirectory: this.socketDirectory, port };
    this.write("postgresql.conf", parametersFile(place, settings, more));
    this.write("pg_hba.conf", clientRules(settings.forceSsl));
    this.write("pg_ident.conf", identities(this.user));
    return this.outstanding;
  }

  /** The configuration as the server last read it. */
  get inForce(): Configuration {
    const text = this.read("in-force.json");
    return text === undefined ? { parameters: "", rules: "", certificate: "" } : (JSON.parse(text) as Configuration);
  }

  private get written(): Configuration {
    const [parameters = "", rules = "", certificate = ""] = ["postgresql.conf", "pg_hba.conf", "server.crt"].map(
      (name) => this.read(name),
    );
    return { parameters, rules, certificate };
  }

  /** Starts it on a port of its configuration and returns once it answers, as a primary or as a standby. */
  async start(timeoutMs = 60_000): Promise<void> {
    ensureSocketDirectory(this.directory, this.user);
    for (let attempt = 0; ; attempt++) {
      if (!this.alive) removeForeignLockFile(this.data);
      // One log for each start: it is quoted when the start fails, and none grows for ever.
      if (!this.alive && existsSync(this.logFile)) renameSync(this.logFile, `${this.logFile}.old`);
      await start({
        name: `PostgreSQL of ${this.name}`,
        command: join(this.binaries.bin, "postgres"),
        args: ["-D", this.data, "-c", `config_file=${join(this.directory, "postgresql.conf")}`],
        env: { LC_ALL: "C", PGDATA: this.data },
        cwd: this.directory,
        pidFile: this.pidFile,
        logFile: this.logFile,
        user: this.user,
      });
      try {
        await this.ready(timeoutMs);
        this.write("in-force.json", JSON.stringify(this.written));
        return;
      } catch (error) {
        this.signal.throwIfAborted();
        // Its predecessor was killed, and the last of that one's children are still on their way out.
        const waitsForChildren = /pre-existing shared memory block|lock file .* already exists/.test(this.lastLog());
        if (!waitsForChildren || attempt > 100) throw withLog(error, this.logFile);
        await sleep(100, this.signal);
      }
    }
  }

  /** Returns once it answers: it may still be recovering from a crash. */
  ready(timeoutMs = 60_000): Promise<boolean> {
    return waitUntil(`PostgreSQL of ${this.name}`, () => this.answers(), {
      timeoutMs,
      everyMs: 25,
      signal: this.signal,
      pidFile: this.pidFile,
    });
  }

  /** A fast shutdown: sessions are ended, everything is written, what replicas still lack is sent to them. */
  stop(how: "fast" | "immediate" = "fast"): Promise<boolean> {
    return stop(this.pidFile, {
      signal: how === "fast" ? "SIGINT" : "SIGQUIT",
      graceMs: how === "fast" ? 60_000 : 5000,
    });
  }

  /** Has the server read its configuration anew, and returns once new sessions have it, but for what waits for its next start. */
  async reload(waiting: readonly string[] = []): Promise<void> {
    const loaded = async () => (await this.query<{ at: string }>("select pg_conf_load_time()::text as at"))[0]?.at;
    const before = await loaded();
    await this.query("select pg_reload_conf()");
    const done = async () => (await loaded()) !== before;
    await waitUntil(`PostgreSQL of ${this.name} reading its configuration`, done, {
      timeoutMs: 10_000,
      everyMs: 20,
      signal: this.signal,
    });
    this.write("in-force.json", JSON.stringify(keeping(waiting, this.inForce, this.written)));
  }

  /** What it was given and has not in force: parameters, and the names of other files. */
  get outstanding(): string[] {
    return differences(this.inForce, this.written);
  }

  /** Runs statements as the service's superuser, over the socket that only it and root can reach. */
  async query<Row extends QueryResultRow>(sql: string, values: unknown[] = [], database = "postgres"): Promise<Row[]> {
    const client = new Client({
      host: this.socketDirectory,
      port: this.port,
      user: superuser,
      database,
      application_name: "rds",
      connectionTimeoutMillis: 10_000,
      // The service's own statements are not the customer's, whatever the parameter group has logged.
      options: "-c log_statement=none -c log_min_duration_statement=-1",
    });
    client.on("error", () => undefined); // told by the query that fails of it
    await client.connect();
    try {
      const { rows } = await client.query<Row>(sql, values);
      return rows;
    } finally {
      await client.end();
    }
  }

  /** The port it listens on; while it is down, the one it will. */
  get port(): number {
    const live = this.alive ? readLockFile(this.data)?.port : undefined;
    const port = live || valuesIn(this.read("postgresql.conf") ?? "").port;
    if (port === undefined) throw new Error(`${this.directory}/postgresql.conf names no port`);
    return Number(port);
  }

  private async answers(): Promise<boolean> {
    // Asked before it is ready, it would log a failed connection each time.
    if (readLockFile(this.data)?.status !== "ready") return false;
    await this.query("select 1");
    return true;
  }

  /** All it has logged since its start. */
  log(): string {
    return readIfThere(this.logFile) ?? "";
  }

  lastLog(): string {
    return lastLines(this.logFile, 30);
  }
}

const withLog = (error: unknown, logFile: string): Error =>
  new Error(`${error instanceof Error ? error.message : String(error)}\n${quoteLog(logFile)}`, { cause: error });
