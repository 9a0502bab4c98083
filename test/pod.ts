/** A pod of the pooler on this machine: the files that the program renders, on a real PgBouncer in front of a test server. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { freePort } from "../cloud/host/ports";
import { generateKey, privateKeyPem, selfSign } from "../cloud/tls/x509";
import { databaseUrl } from "../components/connections/databaseUrl";
import { renderHba, renderUserlist } from "../components/pooling/pgbouncerAccess";
import {
  configFile,
  hbaFile,
  paths,
  type PgbouncerConfig,
  renderPgbouncerConfig,
} from "../components/pooling/pgbouncerConfig";
import {
  pooledDatabase,
  type Pooler,
  type PoolerClient,
  poolerClients,
  poolerPort,
  poolers,
} from "../components/pooling/pgbouncerEntries";
import { suitPgbouncer } from "../local/pgbouncer";
import type { credentials } from "./credentials";
import type { TestPostgres } from "./postgres";

export interface PodArgs {
  server: TestPostgres;
  /** What it verifies the server by, PEM. */
  databaseCa: string;
  config: Omit<PgbouncerConfig, "host" | "port" | "logins">;
  logins: ReturnType<typeof credentials<PoolerClient>>;
}

/** Of localhost, by itself. */
export async function certificate() {
  const key = privateKeyPem(generateKey({ algorithm: "ECDSA", ecdsaCurve: "P256" }));
  const names = { subject: { commonName: "localhost" }, dnsNames: ["localhost"] };
  const { pem } = await selfSign(names, { hours: 1, uses: ["serverAuth"], isCa: true }, key);
  return { certificate: pem, key };
}

/**
 * A pod of the pooler with its processes: the rendered files under the paths that the configuration names, here below
 * one directory.
 */
export class Pod {
  readonly dir = mkdtempSync(join(tmpdir(), "pooling-"));
  readonly caFile = join(this.dir, "client-ca.pem");
  readonly ports = {} as Record<Pooler, number>;
  readonly processes = {} as Record<Pooler, ChildProcess>;
  readonly clients: pg.Client[] = [];
  log = "";

  constructor(readonly args: PodArgs) {}

  async start(): Promise<this> {
    const { server, databaseCa, logins } = this.args;
    const { current, previous } = logins;
    for (const pooler of poolers) this.ports[pooler] = await freePort();
    const tls = await certificate();
    const { stdout: version } = spawnSync("pgbouncer", ["--version"], { encoding: "utf8" });
    const configOf = (pooler: Pooler) =>
      this.#here(
        suitPgbouncer(
          renderPgbouncerConfig(pooler, {
            ...this.args.config,
            host: "localhost",
            port: server.port,
            logins: current,
          }),
          version,
        ),
      )
        .replace(`listen_port = ${poolerPort[pooler]}`, `listen_port = ${this.ports[pooler]}`)
        .replace("listen_addr = *", "listen_addr = localhost");
    const files = {
      ...Object.fromEntries(poolers.map((pooler) => [`${paths.config}/${configFile(pooler)}`, configOf(pooler)])),
      [`${paths.config}/${hbaFile}`]: renderHba(),
      [`${paths.auth}/userlist.txt`]: renderUserlist(
        poolerClients.flatMap((client) => [current[client], previous[client]]),
      ),
      [`${paths.tls}/tls.crt`]: tls.certificate,
      [`${paths.tls}/tls.key`]: tls.key,
      [`${paths.trust}/database-ca.pem`]: databaseCa,
    };
    for (const path of Object.values(paths)) mkdirSync(join(this.dir, path), { recursive: true });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(this.dir, path), text);
    writeFileSync(this.caFile, tls.certificate);
    // PgBouncer refuses to run as root.
    const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
    const user = process.getuid?.() === 0 ? { uid: id("-u"), gid: id("-g") } : {};
    if (user.uid !== undefined) chownSync(this.dir, user.uid, user.gid ?? 0);
    for (const pooler of poolers) {
      const ini = join(this.dir, paths.config, configFile(pooler));
      const child = spawn("pgbouncer", [ini], { ...user, cwd: this.dir, stdio: ["ignore", "ignore", "pipe"] });
      child.stderr.on("data", (text: Buffer) => (this.log += text.toString()));
      this.processes[pooler] = child;
    }
    for (let tries = 0; this.log.split("process up").length <= poolers.length; tries++) {
      if (tries === 200 || Object.values(this.processes).some(({ exitCode }) => exitCode !== null))
        throw new Error(`PgBouncer did not start:\n${this.log}`);
      await sleep(20);
    }
    return this;
  }

  #here(config: string): string {
    return Object.values(paths).reduce((text, path) => text.replaceAll(`${path}/`, `${this.dir}${path}/`), config);
  }

  /** To the process that has the entry. */
  url(client: PoolerClient, database: string, login: { user?: string; password?: string } = {}): string {
    return databaseUrl({
      ...this.args.logins.current[client],
      ...login,
      host: "localhost",
      port: this.ports[database === pooledDatabase.controlPlane ? "decisions" : "others"],
      database,
      caFile: this.caFile,
    });
  }

  async connect(url: string, more: pg.ClientConfig = {}): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url, ...more });
    client.on("error", () => undefined);
    await client.connect();
    // Not before: of one that still connects, end() leaves connect() waiting for ever (pg's client.js, on "end").
    this.clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    const running = Object.values(this.processes).filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    for (const child of running) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    // Each has lost its connection by now.
    for (const client of this.clients) void client.end().catch(() => undefined);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
