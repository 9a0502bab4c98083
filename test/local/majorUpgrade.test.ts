/** A major upgrade of real servers by pg_upgrade, with this program's schema and under write load: where this machine has two versions. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rdsRoot } from "../../cloud/aws/rds/api/service";
import { listBackups, placeOf } from "../../cloud/aws/rds/backups/automated";
import { listBases } from "../../cloud/aws/rds/backups/base";
import { keepBackups } from "../../cloud/aws/rds/backups/keeper";
import { restore } from "../../cloud/aws/rds/backups/restore";
import { Server } from "../../cloud/aws/rds/server";
import { primaryParameters } from "../../components/parameters/primaryParameters";
import { findPostgres } from "../../cloud/host/programs";
import { databaseName, roles } from "../../ops/roles";
import { insertReceipts, newReceipt } from "../receipts";
import { runOps } from "../sql/programs";
import { FakeCloud } from "./fakeCloud";

const majors = [15, 16, 17, 18].filter((major) => findPostgres(major)?.major === major);
const [from = 0, to = 0] = [majors[0], majors.at(-1)];
if (from === to)
  console.warn(
    `not tested here: a major upgrade. This machine has PostgreSQL ${from} only; a second one in PATH would do.`,
  );

const [home, away] = ["eu-central-1", "eu-west-1"] as const;
const [instance, group] = ["aws:rds/instance:Instance", "aws:rds/parameterGroup:ParameterGroup"];
const cloud = new FakeCloud();
const directory = mkdtempSync(join(tmpdir(), "major-upgrade-"));
const size = { instanceClass: "db.t4g.small", storageGib: 20, maxConnections: 100 };
const [anchor, caFile] = ["anchor.json", "ca.pem"].map((file) => join(directory, file)) as [string, string];
const password = "a-password-of-a-test";
const acknowledged: string[] = [];
const { signal } = new AbortController();

const url = (role: string) =>
  `postgresql://${role}:${password}@localhost:${String(cloud.get("primary").outputs.port)}/${databaseName}`;
const ops = (program: string, args: string[], role: string) =>
  runOps(program, args, { DATABASE_URL: `${url(role)}?sslmode=verify-full`, NODE_EXTRA_CA_CERTS: caFile });
const as = async <T>(role: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({ connectionString: url(role), ssl: { ca: readFileSync(caFile, "utf8") } });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};
/** @returns what it logged */
const migrate = async (): Promise<string> => {
  const { code, stdout, stderr } = await ops("migrate", [], roles.owner);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
};
const value = async (role: string, sql: string): Promise<unknown> => {
  const [row] = await as(role, async (client) => (await client.query<Record<string, unknown>>(sql)).rows);
  return row && Object.values(row)[0];
};
const startedAt = () => value(roles.owner, "select pg_postmaster_start_time()::text");
const write = (client: pg.Client, agent: string) => {
  const receipt = newReceipt({ actor_id: agent });
  return insertReceipts(client, [receipt]).then(() => void acknowledged.push(receipt.id));
};
const groupOf = (major: number, region: string = home) => cloud.get(`group-${region}-${major}`).outputs.name;
const upgrade = (change: object = {}) =>
  cloud.update("primary", {
    ...{ engineVersion: String(to), parameterGroupName: groupOf(to), allowMajorVersionUpgrade: true },
    ...change,
  });

const both = { instanceClass: size.instanceClass, skipFinalSnapshot: true };
const replica = (name: string, major: number) =>
  cloud.create(instance, name, {
    ...{ ...both, region: away, parameterGroupName: groupOf(major, away) },
    replicateSourceDb: cloud.get("primary").outputs.arn,
  });

beforeAll(async () => {
  if (from === to) return;
  writeFileSync(caFile, readFileSync(await cloud.ca()));
  for (const major of [from, to])
    for (const region of [home, away])
      await cloud.create(group, `group-${region}-${major}`, {
        ...{ region, family: `postgres${major}` },
        parameters: primaryParameters({ ...size, postgresVersion: String(major) }),
      });
  await cloud.create(instance, "primary", {
    ...{ ...both, region: home, engine: "postgres", engineVersion: String(from), parameterGroupName: groupOf(from) },
    ...{ username: roles.owner, passwordWo: password, passwordWoVersion: 1, dbName: databaseName },
    ...{ allocatedStorage: 20, backupRetentionPeriod: 1 },
  });
  await replica("replica", from);
  await migrate();
  for (const role of [roles.app, roles.auditor])
    await as(roles.owner, (client) => client.query(`alter role ${role} password '${password}'`));
  await as(roles.app, async (client) => {
    for (let i = 0; i < 200; i++) await write(client, `agent-${i % 5}`);
  });
  await keepBackups(rdsRoot(cloud.root), signal);
  expect(await ops("anchor", ["--output", anchor], roles.auditor)).toMatchObject({ code: 0 });
}, 300_000);
afterAll(async () => {
  await cloud.destroy();
  rmSync(directory, { recursive: true });
});

describe.skipIf(from === to)("a major upgrade", () => {
  test("is refused without the flag, with a parameter group of the old version, and while there is a replica elsewhere", async () => {
    await expect(upgrade({ allowMajorVersionUpgrade: false })).rejects.toThrow("AllowMajorVersionUpgrade flag");
    await expect(upgrade({ parameterGroupName: groupOf(from) })).rejects.toThrow(
      `DBParameterGroupFamily postgres${to}`,
    );
    await expect(upgrade()).rejects.toThrow(/while it has the read replica \S+ in eu-west-1: delete that first/);
    await cloud.delete("replica");
  });

  test("that pg_upgrade refuses says why, and the server goes on as it was", async () => {
    await as(roles.owner, (client) => client.query("create table public.in_the_way (f regprocedure)"));
    const started = await startedAt();
    await expect(upgrade()).rejects.toThrow(/was not upgraded and goes on as it was: .*reg\*/s);
    expect(await value(roles.auditor, "select count(*)::int from receipts")).toBe(acknowledged.length);
    expect(String(await value(roles.owner, "show server_version"))).toMatch(new RegExp(`^${from}\\b`));
    expect(await startedAt()).toBe(started); // nobody was interrupted
    await as(roles.owner, (client) => client.query("drop table public.in_the_way"));
  });

  test("keeps every receipt that was acknowledged while a client wrote all the time", async () => {
    const done = new AbortController();
    let [longest, last] = [0, Date.now()];
    const writer = (async () => {
      while (!done.signal.aborted) {
        const writing = as(roles.app, async (client) => {
          while (!done.signal.aborted) {
            await write(client, "agent-under-load");
            longest = Math.max(longest, Date.now() - last);
            last = Date.now();
          }
        });
        await writing.catch(() => sleep(20));
      }
    })();
    await sleep(500);
    const { outputs } = await upgrade();
    const before = acknowledged.length;
    while (acknowledged.length < before + 20) await sleep(20);
    done.abort();
    await writer;
    console.info(`PostgreSQL ${from} to ${to}: ${longest} ms without a receipt, ${acknowledged.length} receipts`);
    expect(String(outputs.engineVersionActual)).toMatch(new RegExp(`^${to}\\b`));
    const stored = await as(roles.auditor, (client) => client.query<{ id: string }>("select id from receipts"));
    const ids = new Set(stored.rows.map(({ id }) => id));
    expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
    expect(stored.rows.length - acknowledged.length).toBeLessThanOrEqual(1); // stored, and its answer lost
  });

  test("leaves the planner without statistics, which the migrations then make", async () => {
    const unknown =
      "select count(*)::int from pg_class where relname like 'receipts%' and relkind = 'r' and reltuples < 0 and relpages > 0";
    const logged = await migrate();
    if (to < 18) expect(logged).toContain("tables analysed");
    expect(await value(roles.owner, unknown)).toBe(0);
  });

  test("leaves a trail that verifies from the anchor of before, and as a whole with the catalog of the new version", async () => {
    for (const args of [["--from-anchor", anchor], []]) {
      const { code, stderr } = await ops("verify", args, roles.auditor);
      expect([code, stderr]).toEqual([0, expect.stringMatching(/^the trail( after the anchor of \S+)? is whole: /)]);
    }
  });

  test("that was cut off after its last step is only noted, and one that is done is done once", async () => {
    writeFileSync(join(cloud.root, "primary", "made.json"), JSON.stringify({ role: "primary", major: from }));
    const before = await startedAt();
    await upgrade();
    expect(JSON.parse(readFileSync(join(cloud.root, "primary", "made.json"), "utf8"))).toMatchObject({ major: to });
    expect(await startedAt()).toBe(before);
  });

  test("begins the backups anew, and restores no moment of before as the new version", async () => {
    const rds = rdsRoot(cloud.root);
    await keepBackups(rds, signal);
    const [backup] = listBackups(rds).filter(({ copyOf, region }) => copyOf === undefined && region === home);
    const place = placeOf(rds, backup!);
    const [older, newer] = listBases(place);
    expect([older?.major, newer?.major]).toEqual([from, to]);
    const scratch = new Server("scratch", join(cloud.root, "scratch"), findPostgres(to)!, cloud.serviceUser, signal);
    const settings = { values: {}, forceSsl: true } as never;
    const restored = restore(scratch, { place, moment: new Date(older!.endedAt), settings, port: 0, rds });
    await expect(restored).rejects.toThrow(`is of PostgreSQL ${from}, before a major upgrade`);
  });

  test("lets a replica be made anew, of the new version", async () => {
    const { outputs } = await replica("replica-anew", to);
    expect(String(outputs.engineVersionActual)).toMatch(new RegExp(`^${to}\\b`));
  });
});
