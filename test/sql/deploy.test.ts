import "reflect-metadata";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import * as x509 from "@peculiar/x509";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createdLogins, roles, secondLogin } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { monthName } from "../months";
import { runOps, startOps } from "./programs";

let server: TestPostgres;
let database: TestDatabase;
let dir: string;

async function selfSigned(): Promise<{ certificate: string; key: string }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=localhost",
    keys,
    signingAlgorithm: algorithm,
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [
      new x509.BasicConstraintsExtension(true),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "localhost" }]),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return {
    certificate: certificate.toString("pem"),
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
  };
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "deploy-"));
  const tls = await selfSigned();
  writeFileSync(join(dir, "ca.pem"), tls.certificate);
  server = await startPostgres({
    auth: "scram",
    tls,
    parameters: {
      log_statement: "all",
      log_min_duration_statement: "0",
      checkpoint_timeout: "15min",
      "rds.force_ssl": "1",
    },
  });
});
afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true });
});

const passwords = Object.fromEntries(createdLogins.map((login) => [login, `First0${login.replaceAll("_", "")}`]));

beforeEach(async () => {
  database = await server.createDatabase();
  writePasswords(passwords);
});

function writePasswords(content: Record<string, string>): void {
  rmSync(join(dir, "passwords"), { recursive: true, force: true });
  const target = mkdtempSync(join(dir, "passwords-"));
  for (const [role, password] of Object.entries(content)) writeFileSync(join(target, role), password);
  env = { ...env, ROLE_PASSWORDS_DIR: target };
}

let env: Record<string, string> = {};
const tlsUrl = () => `${database.ownerUrl}?sslmode=verify-full&sslrootcert=${join(dir, "ca.pem")}`;
const migrate = (args: string[] = [], extra: Record<string, string> = {}) =>
  runOps("migrate", args, { DATABASE_URL: tlsUrl(), ...env, ...extra });
function expectations(content: unknown): Record<string, string> {
  const file = join(dir, "expectations.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return { EXPECTATIONS_FILE: file };
}

async function logsIn(role: string, password: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: database.url(role, password) });
  try {
    await client.connect();
    return true;
  } catch (error) {
    expect((error as { code?: string }).code).toBe("28P01");
    return false;
  } finally {
    await client.end();
  }
}

describe("passwords", () => {
  it("are set once, changed when their file changes, and never seen by the server's log or ours", async () => {
    const first = await migrate();
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.lines.filter(({ message }) => message === "password set").map(({ role }) => role)).toEqual([
      ...createdLogins,
    ]);
    for (const login of createdLogins) expect(await logsIn(login, passwords[login] ?? ""), login).toBe(true);

    // The owner's own, given as parameters of the URL, are not taken for those of each role.
    const url = new URL(tlsUrl());
    url.searchParams.set("user", roles.owner);
    url.searchParams.set("password", url.password);
    url.username = "";
    url.password = "";
    const second = await migrate([], { DATABASE_URL: url.href });
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(second.lines.map(({ message }) => message)).not.toContain("password set");

    writePasswords({ ...passwords, [roles.app]: "Second1app\n" });
    const third = await migrate();
    expect(third.lines.filter(({ message }) => message === "password set").map(({ role }) => role)).toEqual([
      roles.app,
    ]);
    expect(await logsIn(roles.app, passwords[roles.app] ?? "")).toBe(false);
    expect(await logsIn(roles.app, "Second1app")).toBe(true);

    const seen = server.serverLog() + [first, second, third].map(({ stdout, stderr }) => stdout + stderr).join("");
    expect(server.serverLog()).toMatch(/alter role .*SCRAM-SHA-256\$4096:/);
    for (const password of [...Object.values(passwords), "Second1app"]) expect(seen).not.toContain(password);
  });

  it("that somebody is logged in by stay as they are, all of them, and the message says how to go on", async () => {
    expect((await migrate()).code).toBe(0);
    const inUse = await server.connect(database.url(roles.app, passwords[roles.app]));
    writePasswords({ ...passwords, [roles.app]: "NeverSet1", [secondLogin(roles.app)]: "NeverSet2" });
    const refused = await migrate([], { PASSWORD_WAIT_SECONDS: "0" });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/no password was changed.*Set passwordGeneration to what it was.*or to one more/s);
    expect(refused.stderr).toMatch(/authensor_app: 1 sessions/);
    expect(await logsIn(secondLogin(roles.app), passwords[secondLogin(roles.app)] ?? "")).toBe(true);

    // What a deployment does with the next generation: the other login's alone changes.
    writePasswords({ ...passwords, [secondLogin(roles.app)]: "Second1app" });
    expect((await migrate([], { PASSWORD_WAIT_SECONDS: "0" })).code).toBe(0);
    expect(await logsIn(secondLogin(roles.app), "Second1app")).toBe(true);
    expect(await logsIn(roles.app, passwords[roles.app] ?? "")).toBe(true);
    await inUse.end();
  });

  it("change as soon as the last session has ended that is logged in by the one before", async () => {
    expect((await migrate()).code).toBe(0);
    const ending = await server.connect(database.url(roles.app, passwords[roles.app]));
    writePasswords({ ...passwords, [roles.app]: "Second1app" });
    const { child, result } = await startOps("migrate", [], { DATABASE_URL: tlsUrl(), ...env });
    const waits = (text: Buffer) => text.includes("waiting until nobody uses a login");
    await new Promise<void>((resolve) => child.stdout?.on("data", (text: Buffer) => waits(text) && resolve()));
    await ending.end();
    expect((await result).code).toBe(0);
    expect(await logsIn(roles.app, "Second1app")).toBe(true);
  });

  it("stay as they are where the server differs from the configuration: those who know the old ones are not told new ones", async () => {
    writePasswords(passwords);
    expect((await migrate()).code).toBe(0);
    writePasswords({ ...passwords, [roles.app]: "NeverSet1" });
    const failed = await migrate([], expectations({ parameters: { max_connections: "77" } }));
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/max_connections: expected 77/);
    expect(await logsIn(roles.app, "NeverSet1")).toBe(false);
    expect(await logsIn(roles.app, passwords[roles.app] ?? "")).toBe(true);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      "one is missing",
      { ...passwords, [roles.app]: undefined as unknown as string },
      /authensor_app: no file of that name/,
    ],
    ["one is empty", { ...passwords, [roles.monitor]: "\n" }, /authensor_monitor: the file is empty/],
    [
      "one holds what no URL can",
      { ...passwords, [roles.auditor]: "tab\there" },
      /authensor_auditor: only printable ASCII/,
    ],
  ])("are refused before anything is touched when %s", async (_name, content, message) => {
    writePasswords(
      Object.fromEntries(
        Object.entries(content).filter(([, password]) => (password as string | undefined) !== undefined),
      ),
    );
    const result = await migrate();
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(message);
    expect((await (await database.connect()).query("select from pg_namespace where nspname = 'audit'")).rowCount).toBe(
      0,
    );
  });
});

describe("the check at the end", () => {
  it("passes, over an encrypted connection, where everything is as deployed", async () => {
    const result = await migrate(
      [],
      expectations({
        parameters: {
          checkpoint_timeout: "900",
          max_connections: "120",
          "rds.force_ssl": "1",
          max_wal_size: "{DBInstanceClassMemory/1}",
        },
        monthsAhead: 5,
      }),
    );
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.lines.at(-1)).toMatchObject({
      message: "the server agrees with the deployed configuration",
      monthsAhead: 5,
    });
  });

  it("lists all that differs, with what was expected and what is, and fails the deployment", async () => {
    database = await server.createDatabase({ migrated: true });
    const admin = await database.connect();
    await admin.query(`alter role ${roles.app} in database ${database.name} set synchronous_commit = off`);
    await admin.query(`alter role ${roles.telemetry} in database ${database.name} reset synchronous_commit`);
    await admin.query(`alter role ${roles.monitor} createdb`);
    await admin.query(`alter role ${roles.auditor} in database ${database.name} reset default_transaction_read_only`);
    await admin.query(`alter role ${roles.app} in database ${database.name} set session_replication_role = replica`);
    await admin.query(`alter role ${roles.telemetry} set search_path = 'x', 'y=z'`);
    // Only who granted it takes it away, from PostgreSQL 16 on: the owner.
    await admin.query(`grant pg_read_all_data, pg_signal_backend to ${roles.app};
      set role ${roles.owner}; revoke pg_monitor from ${roles.monitor}; reset role`);
    const plain = { DATABASE_URL: database.ownerUrl };
    const wanted = {
      checkpoint_timeout: "900",
      max_connections: "400",
      shared_preload_libraries: "pg_stat_statements",
      "rds.unheard_of": "1",
    };
    const result = await migrate(["check"], { ...plain, ...expectations({ parameters: wanted, monthsAhead: 1 }) });
    await admin.query(`alter role ${roles.monitor} nocreatedb; alter role ${roles.telemetry} reset search_path`);
    await admin.query(`revoke pg_read_all_data, pg_signal_backend from ${roles.app};
      set role ${roles.owner}; grant pg_monitor to ${roles.monitor}; reset role`);

    expect(result.code).toBe(1);
    const [head, ...details] = result.stderr.trim().split("\n");
    const lines = details.slice(0, -1);
    expect(head).toBe(`migrate: the server differs from the deployed configuration: ${lines.length} differences`);
    expect(details.at(-1)).toMatch(/Reboot the replica first, then the primary: max_connections is raised/);
    expect(lines.map((line) => line.trim())).toEqual(
      expect.arrayContaining([
        "max_connections: expected 400, is 120",
        "shared_preload_libraries: expected pg_stat_statements, is nothing",
        "rds.unheard_of: expected 1, is not known to this server",
        "this connection: expected encrypted, is plain text",
        "synchronous_commit of authensor_app: expected on, is off",
        "synchronous_commit of authensor_telemetry: expected off, is not set",
        "default_transaction_read_only of authensor_auditor: expected on, is not set",
        "session_replication_role of authensor_app: expected not set, is replica",
        'search_path of authensor_telemetry in every database: expected not set, is x, "y=z"',
        "authensor_app is a member of pg_read_all_data: expected no, is yes",
        "authensor_app is a member of pg_signal_backend: expected no, is yes",
        "authensor_monitor is a member of pg_monitor: expected yes, is no",
        "createdb of authensor_monitor: expected no, is yes",
        `partition of receipts for ${monthName(1)}: expected exists, is missing`,
      ]),
    );
    expect(result.stderr).not.toContain("checkpoint_timeout");
    // What is as deployed is not in the list.
    expect(result.stderr).not.toMatch(/statement_timeout|lock_timeout|idle_in_transaction/);
  });

  it("notices a server without TLS and one whose WAL suffices for no standby", async () => {
    const bare = await startPostgres({ parameters: { wal_level: "minimal", max_wal_senders: "0" } });
    try {
      const copy = await bare.createDatabase({ migrated: true });
      const result = await runOps("migrate", ["check"], {
        DATABASE_URL: copy.ownerUrl,
        ...expectations({ monthsAhead: 0 }),
      });
      expect(result.code).toBe(1);
      expect(result.stderr.split("\n").map((line) => line.trim())).toEqual([
        "migrate: the server differs from the deployed configuration: 3 differences",
        "ssl: expected on, is off",
        "wal_level: expected replica or logical, is minimal",
        "this connection: expected encrypted, is plain text",
        "",
      ]);
    } finally {
      await bare.stop();
    }
  });

  describe("where RDS has yet to apply a parameter that needs no reboot", () => {
    let admin: pg.Client;
    const set = async (value: string) => {
      await admin.query(`alter system set work_mem = ${value}`);
      await admin.query("select pg_reload_conf()");
    };
    beforeEach(async () => {
      database = await server.createDatabase({ migrated: true });
      admin = await database.connect();
      return () => set("default");
    });
    const wanted = (more: object = {}) =>
      expectations({ parameters: { work_mem: "8192", log_connections: "1", ...more }, monthsAhead: 0 });

    it("waits, says for what and how long, and passes once it is in force", async () => {
      const { child, result } = await startOps("migrate", ["check"], { DATABASE_URL: tlsUrl(), ...wanted() });
      await once(child.stdout!, "data");
      await set("8192");
      // A session that has begun keeps this one as it was.
      await admin.query("alter system set log_connections = on; ");
      await admin.query("select pg_reload_conf()");
      const { code, stderr, lines } = await result;
      await admin.query("alter system reset log_connections");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(lines.map(({ message }) => message)).toEqual([
        // A list from PostgreSQL 18 on, empty by default.
        expect.stringMatching(
          /^waiting for RDS to apply: work_mem: expected 8192 \(in units of kB\), is 4096; log_connections: expected 1, is (off|nothing); 0 of 10 minutes$/,
        ),
        "the server agrees with the deployed configuration",
      ]);
    });

    it("fails when the time is up, and says where to look", async () => {
      const result = await migrate(["check"], { ...wanted(), PARAMETER_WAIT_SECONDS: "1" });
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(
        /^migrate: the server differs from the deployed configuration: 2 differences\n {2}work_mem: expected 8192[^]*RDS has not applied this within 1 s/,
      );
    });

    it.each<[string, object, () => Promise<unknown>, RegExp]>([
      [
        "a reboot",
        { max_connections: "60" },
        () => Promise.resolve(),
        /Reboot the primary first, the replica last: max_connections is lowered/,
      ],
      [
        "a person",
        {},
        () => admin.query(`alter role ${roles.app} in database ${database.name} set synchronous_commit = off`),
        /synchronous_commit of authensor_app: expected on, is off/,
      ],
    ])("does not wait while something else needs %s", async (_name, more, change, message) => {
      await change();
      const result = await migrate(["check"], wanted(more));
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(
        /^migrate: the server differs from the deployed configuration: 3 differences\n {2}work_mem/,
      );
      expect(result.stderr).toMatch(message);
      expect(result.stdout).not.toContain("waiting for RDS");
    });
  });

  it("notices a parameter that waits for a reboot", async () => {
    database = await server.createDatabase({ migrated: true });
    const admin = await database.connect();
    await admin.query("alter system set max_connections = 140");
    await admin.query("select pg_reload_conf()");
    await expect
      .poll(async () => (await admin.query("select from pg_settings where pending_restart")).rowCount)
      .toBe(1);
    const result = await migrate(["check"], expectations({ parameters: { max_connections: "120" } }));
    await admin.query("alter system set max_connections = 120");
    await admin.query("select pg_reload_conf()");
    expect(result.stderr).toMatch(
      /max_connections: expected in force, is changed since, waiting for a reboot[^]*Reboot the primary/,
    );
  });

  it.each<[string, unknown]>([
    ["no JSON", "{"],
    ["an unknown key", { parameter: {} }],
    ["a number where RDS takes a string", { parameters: { max_connections: 100 } }],
    ["months that are none", { monthsAhead: -1 }],
  ])("refuses expectations that are %s", async (_name, content) => {
    const result = await migrate(["check"], expectations(content));
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/EXPECTATIONS_FILE/);
  });
});
