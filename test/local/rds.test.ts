import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Client, type QueryResultRow } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureDatabaseCa } from "../../cloud/aws/databaseCa";
import type { Properties } from "../../cloud/handler";
import { running } from "../../cloud/host/pidFile";
import { waitUntil } from "../../cloud/host/wait";
import { FakeCloud } from "./fakeCloud";

const [instance, group] = ["aws:rds/instance:Instance", "aws:rds/parameterGroup:ParameterGroup"];
const cloud = new FakeCloud();
const password = "first-password";

const parameters = (more: Record<string, string> = {}) =>
  Object.entries({ max_connections: "40", log_statement: "all", ...more }).map(([name, value]) => ({
    name,
    value,
    applyMethod: name.startsWith("max_") ? "pending-reboot" : "immediate",
  }));

interface Login {
  user?: string;
  password?: string;
  database?: string;
  ssl?: "verified" | "plain";
  ca?: string;
}

async function connect(name: string, login: Login = {}): Promise<Client> {
  const { address, port } = cloud.get(name).outputs as { address: string; port: number };
  const ca = readFileSync(login.ca ?? (await cloud.ca()), "utf8");
  const client = new Client({
    host: address,
    port,
    user: login.user ?? "owner",
    password: login.password ?? password,
    database: login.database ?? "authensor",
    ssl: login.ssl === "plain" ? false : { ca, servername: address },
  });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function query<Row extends QueryResultRow>(name: string, sql: string, login: Login = {}): Promise<Row[]> {
  const client = await connect(name, login);
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function value(name: string, sql: string, login: Login = {}): Promise<unknown> {
  const [row] = await query<Record<string, unknown>>(name, sql, login);
  return row && Object.values(row)[0];
}

const reaches = (name: string, sql: string) =>
  waitUntil(`${sql} on ${name}`, async () => Boolean(await value(name, sql)), { timeoutMs: 90_000 });

const pidOf = (name: string): number =>
  Number(readFileSync(join(cloud.root, name, "postgres.pid"), "utf8").split(" ")[0]);

const startedAt = (name: string) => value(name, "select pg_postmaster_start_time()::text");

const replicaInputs = (more: Properties = {}): Properties => ({
  region: "us-east-1",
  replicateSourceDb: cloud.get("primary").outputs.arn,
  instanceClass: "db.t4g.micro",
  parameterGroupName: cloud.get("replica-group").outputs.name,
  skipFinalSnapshot: true,
  ...more,
});

beforeAll(async () => {
  for (const [name, region] of [
    ["primary-group", "eu-central-1"],
    ["replica-group", "us-east-1"],
  ] as const) {
    await cloud.create(group, name, { family: "postgres17", region, parameters: parameters() });
  }
  await cloud.create(instance, "primary", {
    region: "eu-central-1",
    engine: "postgres",
    engineVersion: "17",
    username: "owner",
    passwordWo: password,
    passwordWoVersion: 1,
    dbName: "authensor",
    instanceClass: "db.t4g.micro",
    allocatedStorage: 20,
    backupRetentionPeriod: 7,
    parameterGroupName: cloud.get("primary-group").outputs.name,
    skipFinalSnapshot: true,
  });
  await cloud.create(instance, "replica", replicaInputs());
  await query("primary", "create table kept (note text)");
});

afterAll(() => cloud.destroy());

describe("a primary", () => {
  test("gives its master user a database and roles of its own, and nothing of a superuser", async () => {
    const [role] = await query(
      "primary",
      "select rolsuper, rolcreaterole, rolcreatedb, rolreplication from pg_roles where rolname = 'owner'",
    );
    expect(role).toEqual({ rolsuper: false, rolcreaterole: true, rolcreatedb: true, rolreplication: false });
    await query(
      "primary",
      `create role watcher login password 'watcher-password'; grant pg_monitor to watcher;
       create schema audit; create extension if not exists pg_stat_statements; select from pg_stat_statements limit 1`,
    );
    for (const forbidden of [
      "select * from pg_authid",
      "alter system set fsync = off",
      "copy kept to '/tmp/kept'",
      "set role rdsadmin",
    ]) {
      await expect(query("primary", forbidden)).rejects.toThrow(/permission denied|must be/);
    }
  });

  test("is durable: checksums, fsync and full page writes are on, as is the WAL for replicas", async () => {
    const settings = ["data_checksums", "fsync", "full_page_writes", "wal_level", "synchronous_commit", "ssl"];
    const values = await Promise.all(settings.map((name) => value("primary", `show ${name}`)));
    expect(values).toEqual(["on", "on", "on", "replica", "on", "on"]);
  });

  test("refuses plain text, and clients that trust another authority refuse it", async () => {
    await expect(query("primary", "select 1", { ssl: "plain" })).rejects.toThrow(/no pg_hba.conf entry.*no encryption/);
    const other = await ensureDatabaseCa(join(cloud.root, "other-ca"));
    await expect(query("primary", "select 1", { ca: other })).rejects.toThrow(/certificate/);
    expect(await value("primary", "select version from pg_stat_ssl where pid = pg_backend_pid()")).toMatch(
      /^TLSv1\.[23]$/,
    );
  });

  test("lets nobody in as the service's own users, nor with a wrong password", async () => {
    for (const user of ["rdsadmin", "rdsrepladmin"]) {
      const secret = readFileSync(join(cloud.root, "primary", "replication.password"), "utf8");
      await expect(query("primary", "select 1", { user, password: secret })).rejects.toThrow(/rejects connection/);
    }
    await expect(query("primary", "select 1", { password: "wrong-password" })).rejects.toThrow(
      /password authentication/,
    );
  });

  test("writes no password to its log, even where every statement is logged", () => {
    const log = readFileSync(join(cloud.root, "primary", "postgres.log"), "utf8");
    expect(log).toContain("create table kept");
    expect(log).not.toContain(password);
    expect(log).not.toContain("SCRAM-SHA-256$");
  });

  test("takes a new password only with a new version of it", async () => {
    await cloud.update("primary", { passwordWo: "second-password" });
    await query("primary", "select 1");
    await cloud.update("primary", { passwordWo: "second-password", passwordWoVersion: 2 });
    await expect(query("primary", "select 1")).rejects.toThrow(/password authentication/);
    await cloud.update("primary", { passwordWo: password, passwordWoVersion: 3 });
    await query("primary", "select 1");
  });
});

describe("a replica", () => {
  test("has what is written to the primary, over verified TLS, and takes no writes", async () => {
    await query("primary", "insert into kept values ('before')");
    await reaches("replica", "select exists (select from kept where note = 'before')");
    await expect(query("replica", "insert into kept values ('never')")).rejects.toThrow(/read-only/);
    const streams = "select usename, ssl, state from pg_stat_replication join pg_stat_ssl using (pid)";
    await query("primary", "grant pg_read_all_stats to owner");
    expect(await query("primary", streams)).toEqual([{ usename: "rdsrepladmin", ssl: true, state: "streaming" }]);
    const conninfo = readFileSync(join(cloud.root, "replica", "postgresql.conf"), "utf8");
    expect(conninfo).toMatch(/primary_conninfo = .*sslmode=''verify-full''/);
    expect(conninfo).not.toContain(readFileSync(join(cloud.root, "replica", "replication.password"), "utf8"));
  });

  test("and a primary that are as they should be are left alone", async () => {
    expect(await cloud.heal("primary")).toBeUndefined();
    expect(await cloud.heal("replica")).toBeUndefined();
    expect(await cloud.status("replica")).toMatchObject({
      healthy: true,
      text: expect.stringMatching(/streaming/) as string,
    });
  });

  test("smaller than its source is refused, and the message says in what", async () => {
    const small = await cloud.create(group, "small", {
      family: "postgres17",
      region: "us-east-1",
      parameters: parameters({ max_connections: "20" }),
    });
    const refused = cloud.update("replica", { parameterGroupName: small.outputs.name });
    await expect(refused).rejects.toThrow(/max_connections = 20, its source 40/);
  });

  test("gone with its slot's WAL is made anew from its source", async () => {
    await cloud.stop("replica");
    const client = await connectAsService("primary");
    const { rows } = await client.query<{ needed: string }>(
      "select pg_walfile_name(restart_lsn) as needed from pg_replication_slots",
    );
    await client.query("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
    // Kept until it is archived, whatever the checkpoints.
    await waitUntil("the WAL that the replica needs is gone", async () => {
      await client.query("insert into kept values ('meanwhile'); select pg_switch_wal(); checkpoint");
      const there = await client.query("select from pg_ls_waldir() where name = $1", [rows[0]?.needed]);
      return there.rowCount === 0;
    });
    await client.end();
    expect(await cloud.heal("replica")).toMatch(/made anew from its source/);
    await reaches("replica", "select exists (select from kept where note = 'meanwhile')");
  });
});

/** As RDS' own superuser, for what no customer could do. */
async function connectAsService(name: string): Promise<Client> {
  const { port } = cloud.get(name).outputs as { port: number };
  const client = new Client({ host: join(cloud.root, name), port, user: "rdsadmin", database: "authensor" });
  await client.connect();
  return client;
}

describe("after a kill", () => {
  test("both servers come back with all that was committed", async () => {
    await query("primary", "insert into kept values ('committed')");
    for (const name of ["primary", "replica"]) process.kill(pidOf(name), "SIGKILL");
    // A killed server refuses connections while its process still ends.
    const ended = (name: string) => running(join(cloud.root, name, "postgres.pid")) === undefined;
    await waitUntil("both dead", () => ended("primary") && ended("replica"));

    expect(await cloud.heal("primary")).toBe("restarted");
    expect(await cloud.heal("replica")).toBe("restarted");
    expect(await value("primary", "select count(*)::int from kept where note = 'committed'")).toBe(1);
    await query("primary", "insert into kept values ('after')");
    await reaches("replica", "select exists (select from kept where note = 'after')");
  });

  test("and a reboot a lock file that names another program's process does not stop a server", async () => {
    const bystander: ChildProcess = spawn("sleep", ["60"], {
      uid: cloud.serviceUser?.uid,
      gid: cloud.serviceUser?.gid,
    });
    const [data, pidFile] = ["data/postmaster.pid", "postgres.pid"].map((file) => join(cloud.root, "primary", file));
    const lock = readFileSync(String(data), "utf8");
    await cloud.stop("primary");
    writeFileSync(String(data), lock.replace(/^\d+/, String(bystander.pid)));
    writeFileSync(String(pidFile), `${bystander.pid} another-boot\n`);
    expect(await cloud.heal("primary")).toBe("restarted");
    expect(bystander.kill()).toBe(true);
  });

  test("in the middle of its making, an instance is made from the start", async () => {
    rmSync(join(cloud.root, "replica", "made.json"));
    rmSync(join(cloud.root, "replica", "data", "PG_VERSION"));
    cloud.live.delete("replica");
    await cloud.create(instance, "replica", replicaInputs());
    await reaches("replica", "select exists (select from kept where note = 'after')");
  });
});

describe("a changed parameter", () => {
  test("that is dynamic reaches the server without a restart", async () => {
    const before = await startedAt("primary");
    await cloud.update("primary-group", { parameters: parameters({ checkpoint_timeout: "900" }) });
    expect(await cloud.heal("primary")).toBe("now with checkpoint_timeout");
    expect(await value("primary", "show checkpoint_timeout")).toBe("15min");
    expect(await startedAt("primary")).toBe(before);
  });

  test("that is static waits for the next start, and beside it a dynamic one does not", async () => {
    const before = await startedAt("primary");
    await cloud.update("primary-group", {
      parameters: parameters({ max_connections: "60", checkpoint_timeout: "600" }),
    });
    expect(await cloud.heal("primary")).toBe("now with checkpoint_timeout");
    expect(await value("primary", "show checkpoint_timeout")).toBe("10min");
    expect(await value("primary", "show max_connections")).toBe("40");
    expect(await cloud.heal("primary")).toBeUndefined();
    expect(await startedAt("primary")).toBe(before);
    expect(cloud.log.join("\n")).toMatch(/primary: max_connections waits for a reboot/);
    await cloud.update("primary-group", { parameters: parameters({ checkpoint_timeout: "900" }) });
    expect(await cloud.heal("primary")).toBe("now with checkpoint_timeout");
  });

  test("that forces no TLS lets plain text in, and again keeps it out", async () => {
    await cloud.update("primary-group", { parameters: parameters({ "rds.force_ssl": "0" }) });
    await cloud.heal("primary");
    expect(await value("primary", "select 1", { ssl: "plain" })).toBe(1);
    await cloud.update("primary-group", { parameters: parameters({ "rds.force_ssl": "1" }) });
    await cloud.heal("primary");
    await expect(query("primary", "select 1", { ssl: "plain" })).rejects.toThrow(/no encryption/);
  });
});

describe("an instance", () => {
  test("keeps its data through a change of class, Multi-AZ and storage", async () => {
    const { outputs } = await cloud.update("primary", {
      instanceClass: "db.t4g.small",
      multiAz: true,
      allocatedStorage: 30,
    });
    expect(outputs).toMatchObject({ instanceClass: "db.t4g.small", multiAz: true });
    expect(await value("primary", "select count(*)::int from kept where note = 'committed'")).toBe(1);
  });

  test("whose port was taken while it was down moves, and its replica follows it", async () => {
    const { port } = cloud.get("primary").outputs as { port: number };
    await cloud.stop("primary");
    const squatter = createServer((socket) => socket.destroy()).listen(port, "127.0.0.1");
    await new Promise((resolve) => squatter.once("listening", resolve));

    expect(await cloud.heal("primary")).toMatch(/moved to port \d+, restarted/);
    const moved = cloud.get("primary").outputs as { port: number; endpoint: string };
    expect(moved.port).not.toBe(port);
    expect(moved.endpoint).toBe(`localhost:${moved.port}`);
    expect(await cloud.heal("replica")).toBe("follows its source");
    await query("primary", "insert into kept values ('moved')");
    await reaches("replica", "select exists (select from kept where note = 'moved')");
    await new Promise((resolve) => squatter.close(resolve));
  });

  test("that is protected is not deleted, and stays as it is", async () => {
    await cloud.update("primary", { deletionProtection: true });
    await expect(cloud.delete("primary")).rejects.toThrow(/Cannot delete protected DB Instance/);
    expect(await value("primary", "select 1")).toBe(1);
    await cloud.update("primary", { deletionProtection: false });
  });

  test("that was a replica becomes a primary of its own when its source is taken away", async () => {
    await cloud.update("replica", { replicateSourceDb: undefined });
    await query("replica", "insert into kept values ('promoted')");
    expect(await value("primary", "select count(*)::int from kept where note = 'promoted'")).toBe(0);
    expect(await value("primary", "select count(*)::int from pg_replication_slots")).toBe(0);
    expect(await cloud.heal("replica")).toBeUndefined();
    await expect(cloud.update("replica", { replicateSourceDb: cloud.get("primary").outputs.arn })).rejects.toThrow(
      /cannot become a replica/,
    );
  });

  test("takes its slot with it when it is deleted", async () => {
    await cloud.create(instance, "second", replicaInputs());
    expect(await value("primary", "select count(*)::int from pg_replication_slots where active")).toBe(1);
    await cloud.delete("second");
    expect(await value("primary", "select count(*)::int from pg_replication_slots")).toBe(0);
    expect(existsSync(join(cloud.root, "second"))).toBe(false);
  });
});
