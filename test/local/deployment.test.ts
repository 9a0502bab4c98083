import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { firstReceipt } from "../../local/firstReceipt";
import { readIfThere } from "../../cloud/host/files";
import { processMark } from "../../cloud/host/pidFile";
import type { ReceiptNow, Searched } from "../../local/page/answers";
import { waitUntil } from "../../cloud/host/wait";
import { changes, LocalCloud, type Result } from "./commands";

/** One cloud for the whole file: each test finds it as the one before has left it, which is up and healthy. */
const cloud = new LocalCloud();
afterAll(() => cloud.remove());

const instance = "aws:rds/instance:Instance";
const deployment = "kubernetes:apps/v1:Deployment";
const service = "kubernetes:core/v1:Service";
const cronJob = "kubernetes:batch/v1:CronJob";

function expectDone(result: Result): void {
  expect(result.code, result.stdout + result.stderr).toBe(0);
}

async function query<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function receiptsOnReplica(): Promise<number> {
  const rows = await query<{ count: string }>(cloud.outputs().replicaUrl!, "select count(*) as count from receipts");
  return Number(rows[0]?.count);
}

describe("a first run", () => {
  test("that is killed leaves a state from which status, down and another run work", async () => {
    const first = cloud.begin("up");
    await first.printed("rds.Instance authensor-local-primary  created");
    first.child.kill("SIGKILL"); // the migrations and the base backup of the replica have just begun
    expect((await first.result).signal).toBe("SIGKILL");
    const status = await cloud.run("status");
    expect(status.code).toBe(1);
    expect(status.stderr).toMatch(/^error: (not healthy: |the last `make local` did not finish)/m);
    expectDone(await cloud.run("down"));
    expect(cloud.pids()).toEqual([]);
  });

  test("that is interrupted says so, and how to go on", async () => {
    const second = cloud.begin("up");
    await second.printed("rds.Instance authensor-local-primary  ");
    second.child.kill("SIGINT");
    const { code, stderr } = await second.result;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: interrupted; run `make local` to continue/m);
  });

  test("brings everything up, proves a receipt, and says what to try next", async () => {
    const result = await cloud.run("up");
    expectDone(result);
    expect(result.stdout).toMatch(/receipt [0-9a-f-]{36} \(deny\) through the control plane in \d+ ms, on the replica/);
    expect(result.stdout).toContain("ok    rds.Instance authensor-local-replica");
    expect(result.stdout).toContain("Try next");
    expectDone(await cloud.run("status"));
  });

  test("writes the outputs for their owner only, and prints no password", async () => {
    const outputs = cloud.outputs();
    expect(statSync(join(cloud.directory, "outputs.json")).mode & 0o777).toBe(0o600);
    expect(statSync(join(cloud.directory, "state.json")).mode & 0o777).toBe(0o600);
    const { stdout } = await cloud.run("status");
    for (const url of [
      outputs.auditUrl,
      outputs.telemetryUrl,
      outputs.ownerUrl,
      outputs.replicaUrl!,
      outputs.monitorUrl,
    ])
      expect(stdout).not.toContain(new URL(url).password);
    expect(stdout).not.toContain(outputs.adminToken);
  });
});

describe("what was brought up", () => {
  test("takes an action to the control plane and its receipt to the replica", async () => {
    const { receiptId, outcome } = await firstReceipt(cloud.outputs());
    expect(outcome).toBe("deny");
    const { controlPlaneUrl, adminToken } = cloud.outputs();
    const headers = { authorization: `Bearer ${adminToken}` };
    const response = await fetch(`${controlPlaneUrl}/receipts/${receiptId}`, { headers });
    expect(await response.json()).toMatchObject({ id: receiptId, status: "skipped" });
  });

  test("turns away who has no key", async () => {
    const { controlPlaneUrl } = cloud.outputs();
    const envelope = { id: randomUUID() };
    const response = await fetch(`${controlPlaneUrl}/evaluate`, { method: "POST", body: JSON.stringify(envelope) });
    expect(response.status).toBe(401);
  });

  test("is reached by every URL of the outputs, as the role and on the server that its name says", async () => {
    const outputs = cloud.outputs();
    const who = "select current_user as role, pg_is_in_recovery() as standby";
    const roleOf = async (url: string) => (await query<{ role: string; standby: boolean }>(url, who))[0];
    expect(await roleOf(outputs.auditUrl)).toEqual({ role: "authensor_app", standby: false });
    expect(await roleOf(outputs.telemetryUrl)).toEqual({ role: "authensor_telemetry", standby: false });
    expect(await roleOf(outputs.ownerUrl)).toEqual({ role: "authensor_owner", standby: false });
    expect(await roleOf(outputs.monitorUrl)).toEqual({ role: "authensor_monitor", standby: false });
    expect(await roleOf(outputs.replicaUrl!)).toEqual({ role: "authensor_auditor", standby: true });
  });

  test("refuses a client that trusts another certificate authority", async () => {
    const wrong = cloud
      .outputs()
      .auditUrl.replace(/sslrootcert=[^&]+/, "sslrootcert=/etc/ssl/certs/ca-certificates.crt");
    const connecting = query(
      existsSync("/etc/ssl/certs/ca-certificates.crt") ? wrong : wrong.replace(/&?sslrootcert=[^&]+/, ""),
      "select 1",
    );
    await expect(connecting).rejects.toThrow(/certificate/);
  });

  test("runs a CronJob on demand, and names the ones there are when asked for another", async () => {
    const known = await cloud.run("cron", "partitions");
    expectDone(known);
    expect(known.stdout).toContain('"program":"partitions"');
    const unknown = await cloud.run("cron", "nonsense");
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/no CronJob nonsense; known: .*partitions/);
  });
});

describe("the page", () => {
  test("answers who has its token, finds a receipt, and shows it with its proof", async () => {
    const { origin, hash } = new URL(cloud.outputs().pageUrl);
    const { receiptId } = await firstReceipt(cloud.outputs());
    const path = `${origin}/api/receipt?id=${receiptId}`;
    expect((await fetch(path)).status).toBe(401);
    const entered = await fetch(`${origin}/session`, { method: "POST", body: hash.replace("#token=", "") });
    const headers = { cookie: entered.headers.getSetCookie()[0] ?? "" };
    const found = (await (await fetch(`${origin}/api/search?q=hello`, { headers })).json()) as Searched;
    expect(found.rows.map(({ id }) => id)).toContain(receiptId);
    const shown = (await (await fetch(path, { headers })).json()) as ReceiptNow;
    expect(shown.columns["id"]).toBe(receiptId);
    expect(shown.checks.map(({ of, holds }) => [of, holds])).toEqual([
      ["seal", true],
      ["link", true],
      ["state", true],
    ]);
  });
});

describe("an auditor", () => {
  test("verifies a deployment that nobody tampered with: it is whole, on the replica, with the report alone on stdout", async () => {
    const { code, stdout, stderr } = await cloud.run("verify");
    expect(stderr).toMatch(/^the trail is whole: [1-9]\d* receipts/m);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, standby: true });
    expect(code).toBe(0);
  });

  test("anchors the trail, and verifies from there", async () => {
    const anchor = join(cloud.directory, "anchor.json");
    expectDone(await cloud.run("anchor", "--output", anchor));
    const { code, stderr } = await cloud.run("verify", "--from-anchor", anchor);
    expect(stderr).toMatch(/^the trail after the anchor of .* is whole/m);
    expect(code).toBe(0);
    rmSync(anchor);
  });

  test("finds the first receipt by a word, and is told what a program itself says of wrong usage", async () => {
    const found = await cloud.run("search", "--limit", "1", "--json", "--", "hello");
    expectDone(found);
    expect(JSON.parse(found.stdout)).toMatchObject({ by: "words", found: [{ tool_name: "local.hello" }] });
    expect(await cloud.run("search")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^search: nothing to search for/) as string,
    });
    expect(await cloud.run("verify", "--agent", "nobody")).toMatchObject({ code: 1 });
  });
});

describe("another run", () => {
  test("changes nothing and touches no process, and one at the same time is refused with 2", async () => {
    const before = cloud.pids().sort();
    const first = cloud.begin("up");
    await waitUntil("the first run has the lock", () => existsSync(join(cloud.directory, "lock")));
    const second = await cloud.run("down");
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(/^error: "make local" is running in .* \(process \d+\)/m);
    const result = await first.result;
    expectDone(result);
    expect(result.stdout).toMatch(/^ *[\d.]+ s {2}\d+ unchanged$/m);
    expect(changes(result)).toEqual([]);
    expect(cloud.pids().sort()).toEqual(before);
  });

  test("with a changed setting changes exactly what it affects, and says what", async () => {
    const result = await cloud.run("up", "--set", "pgbouncerMaxClients=150");
    expectDone(result);
    expect(changes(result)).toEqual([
      // Here, where a headless Service's name cannot be resolved, it is told each pod's port when it starts.
      "apps.Deployment authensor-local-monitor replaced",
      "apps.Deployment authensor-local-pgbouncer updated",
      "core.ConfigMap authensor-local-pgbouncer-config replaced",
    ]);
    expect(result.stdout).toMatch(/1 updated, 1 replaced, 1 restarted, \d+ unchanged/);
  });

  test("with wrong settings exits with 2, lists every one of them, and changes nothing", async () => {
    const before = cloud.pids().sort();
    const wrong = ["replicaZones=7", "primaryRegion=eu-west-1", "nonsense=1"].flatMap((setting) => ["--set", setting]);
    const { code, stderr } = await cloud.run("up", ...wrong);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: 3 problems in the configuration:/);
    for (const key of ["replicaZones = 7", "replicaRegion = eu-west-1", "nonsense = 1"]) expect(stderr).toContain(key);
    expect(cloud.pids().sort()).toEqual(before);
  });

  test("with wrong usage exits with 2", async () => {
    expect((await cloud.run("upp")).code).toBe(2);
    expect((await cloud.run("up", "--set", "novalue")).code).toBe(2);
    expect((await cloud.run("cron")).code).toBe(2);
  });
});

describe("a Job that fails", () => {
  test("fails the deployment with the last lines of its log, and the next run tries again", async () => {
    const { ownerUrl } = cloud.outputs();
    const row = "max(number) + 1, 'from_the_future', repeat('0', 64)";
    await query(ownerUrl, `insert into audit.migrations (number, slug, sha256) select ${row} from audit.migrations`);
    const failed = await cloud.run("up", "--set", "monthsAhead=4");
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^error: batch\.Job authensor-local-migrate: .*\n(.*\n)*.*newer/m);
    await query(ownerUrl, "delete from audit.migrations where slug = 'from_the_future'");
    expectDone(await cloud.run("up", "--set", "monthsAhead=4"));
    const months = "select count(*) as count from pg_inherits where inhparent = 'receipts'::regclass";
    const [partitions] = await query<{ count: string }>(ownerUrl, months);
    expect(Number(partitions?.count)).toBeGreaterThanOrEqual(5);
  });
});

describe("processes that died", () => {
  async function kill(pids: number[]): Promise<void> {
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await waitUntil("they are gone", () => pids.every((pid) => processMark(pid) === undefined));
  }

  test("are seen by status, each by its name, and healed by another run with their data", async () => {
    const receipts = await receiptsOnReplica();
    const victims = [
      { type: deployment, name: "apps.Deployment authensor-local-pgbouncer" },
      { type: deployment, name: "apps.Deployment authensor-local-control-plane" },
      { type: instance, name: "rds.Instance authensor-local-replica" },
      { type: instance, name: "rds.Instance authensor-local-primary" },
      { type: service, name: "core.Service authensor-local-control-plane" },
    ];
    const services = { cronjobs: "CronJob controller", page: "page" };
    await kill(Object.keys(services).map((directory) => cloud.servicePid(directory)!));
    for (const { type, name } of victims) {
      const pids = cloud.pids(type, name.split(" ")[1]);
      expect(pids.length, name).toBeGreaterThan(0);
      await kill(pids);
    }
    const status = await cloud.run("status");
    expect(status.code).toBe(1);
    for (const { name } of victims) {
      expect(status.stdout).toContain(`DOWN  ${name}`);
      expect(status.stderr).toContain(name);
    }
    for (const name of Object.values(services)) expect(status.stdout).toMatch(new RegExp(`DOWN  ${name} +stopped`));
    const healed = await cloud.run("up");
    expectDone(healed);
    for (const { name } of victims) expect(healed.stdout).toMatch(new RegExp(` s  ${name}  (restarted|updated)`));
    for (const directory of Object.keys(services)) expect(cloud.servicePid(directory)).toBeDefined();
    expect((await fetch(cloud.outputs().pageUrl)).status).toBe(200);
    expect(await receiptsOnReplica()).toBeGreaterThan(receipts);
  });

  test("all at once, as after a reboot, are healed with their data", async () => {
    const receipts = await receiptsOnReplica();
    await kill(cloud.pids());
    expectDone(await cloud.run("up"));
    expect(await receiptsOnReplica()).toBeGreaterThan(receipts);
    expectDone(await cloud.run("status"));
  });
});

describe("stopping", () => {
  test("ends every process and keeps the data, and ports that others took meanwhile are no error", async () => {
    const receipts = await receiptsOnReplica();
    const before = cloud.outputs();
    expectDone(await cloud.run("down"));
    expect([...cloud.pids(), ...cloud.pids(cronJob), cloud.servicePid("cronjobs")]).toEqual([undefined]);
    expectDone(await cloud.run("down"));
    // As if that had been ten minutes ago.
    const archive = cloud.directoryOf(cronJob, "-archive");
    writeFileSync(join(archive, "lastScheduleTime"), new Date(Date.now() - 600_000).toISOString());
    const stopped = new Date().toISOString();

    const taken = [...cloud.ports("-primary"), ...cloud.ports("-control-plane"), ...cloud.ports("-pgbouncer")];
    expect(taken.length).toBeGreaterThan(2);
    const strangers = await Promise.all(taken.map(listen));
    try {
      expectDone(await cloud.run("up"));
      expect(new URL(cloud.outputs().ownerUrl).port).not.toBe(new URL(before.ownerUrl).port);
      expect(new URL(cloud.outputs().auditUrl).port).not.toBe(new URL(before.auditUrl).port);
      expect(cloud.outputs().controlPlaneUrl).not.toBe(before.controlPlaneUrl);
      expect(await receiptsOnReplica()).toBeGreaterThan(receipts);
    } finally {
      for (const stranger of strangers) stranger.close();
    }
    const jobs = () => readdirSync(archive).map((name) => readIfThere(join(archive, name, "job.json")) ?? "{}");
    const made = () => jobs().map((text) => JSON.parse(text) as { startTime?: string; condition?: string });
    const madeUpFor = () =>
      made().some(({ startTime = "", condition }) => startTime > stopped && condition === "Complete");
    await waitUntil("the archive makes up for the runs that it missed", madeUpFor);
  });

  test("the replica for good leaves a deployment whose first receipt is read from the primary", async () => {
    const result = await cloud.run("up", "--set", "replica=false");
    expectDone(result);
    expect(result.stdout).toMatch(/through the control plane in \d+ ms, on the primary \d+ ms later/);
    const verified = await cloud.run("verify");
    expect(verified.stderr).toMatch(/^the trail is whole/m);
    expect(JSON.parse(verified.stdout)).toMatchObject({ standby: false });
    expect(cloud.outputs().replicaUrl).toBeUndefined();
  });

  test("and deleting leaves neither a process nor a file, even where the state cannot be read, and can be done again", async () => {
    const { root } = cloud;
    const pids = cloud.pids();
    expect(pids.length).toBeGreaterThan(5);
    writeFileSync(join(cloud.directory, "state.json"), "not a state");
    const unreadable = await cloud.run("up");
    expect(unreadable.code).toBe(1);
    expect(unreadable.stderr).toMatch(/^error: .*state\.json is damaged; run `make clean`, then `make local`\n$/);
    writeFileSync(join(cloud.directory, "state.json"), '{"version":1,"resources":[]}');
    for (const command of ["up", "status", "down"]) {
      const { code, stderr } = await cloud.run(command);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^error: .* made by an older version of the program .*; run `make clean`, then `make local`\n$/,
      );
    }
    expectDone(await cloud.run("clean"));
    expect(pids.filter((pid) => processMark(pid) !== undefined)).toEqual([]);
    expect(existsSync(root)).toBe(false);
    expect(readdirSync(cloud.directory)).toEqual([]);
    expectDone(await cloud.run("clean"));
    const status = await cloud.run("status");
    expect(status).toMatchObject({ code: 1, stderr: "error: no local deployment; run `make local`\n" });
  });
});

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
