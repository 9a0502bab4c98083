/** A stack is lost, and a new one is made from what it has left: its receipts are there, verified, and it accepts new ones. */
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitUntil } from "../../cloud/host/wait";
import { LocalCloud, type Result } from "./commands";

const cloud = new LocalCloud();
afterAll(() => cloud.remove());

const small = ["replica=false", "backupCopies=false", "drill=false"];
const up = (...settings: string[]) => cloud.run("up", ...[...small, ...settings].flatMap((one) => ["--set", one]));

async function query<Row extends object>(sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: cloud.outputs().ownerUrl });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}
const ids = async () => (await query<{ id: string }>("select id from receipts order by id")).map(({ id }) => id);
const comment = "select shobj_description(oid, 'pg_database') as comment from pg_database where datname = 'authensor'";

let written: string[];
let left: Record<string, string>;
let restored: Result;
beforeAll(async () => {
  const made = await up();
  expect(made.code, made.stdout + made.stderr).toBe(0);
  expect((await cloud.run("cron", "archive")).code).toBe(0);
  written = await ids();
  // What a commit's time may be ahead of it by is left out of the comparison: the database shows a moment well after it.
  const since =
    "select (select at from audit.heartbeat) > archived_until + interval '10 s' as later from audit.archive";
  const later = async () => (await query<{ later: boolean }>(since))[0]?.later;
  await waitUntil("a heartbeat after the archive", later, { timeoutMs: 60_000, everyMs: 200 });
  const lost = await cloud.run("lose-stack");
  left = Object.fromEntries(
    [...lost.stdout.matchAll(/(restore\w+)=(\S+)/g)].map(([, key = "", value = ""]) => [key, value]),
  );
  restored = await up("environment=restored", ...Object.entries(left).map(([key, value]) => `${key}=${value}`));
}, 240_000);

describe("a new stack with restoreFrom", () => {
  test("comes up, has every receipt of the lost one, and has accepted another", async () => {
    expect(restored.code, restored.stdout + restored.stderr).toBe(0);
    expect(written.length).toBeGreaterThan(0);
    expect(restored.stdout).toContain("rds.Instance authensor-restored-primary  created");
    expect(await ids()).toEqual(expect.arrayContaining(written));
    expect((await ids()).length).toBe(written.length + 1);
  });

  test("was verified against its source's bucket before that, which the database says for good", async () => {
    const [said] = await query<{ comment: string }>(comment);
    expect(said?.comment).toContain(`authensor: restored from ${left["restoreFrom"]}; verified `);
  });

  test("archives the whole trail into a bucket of its own from its first manifest on, and the trail is whole", async () => {
    const archived = await cloud.run("cron", "archive");
    expect(archived.code, archived.stdout).toBe(0);
    expect(archived.stdout).toMatch(/the newest manifest is 1\b/);
    const verified = await cloud.run("verify", "--archived");
    expect(verified.code, verified.stdout + verified.stderr).toBe(0);
    const report = JSON.parse(verified.stdout) as { verified: { receipts: number }; archive: { bucket: string } };
    expect(report.verified.receipts).toBe(written.length + 1);
    expect(report.archive.bucket).toMatch(/^authensor-restored-backups-/);
  });

  test("stays as it is when the settings are taken away", async () => {
    const again = await up("environment=restored");
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(again.stdout).not.toMatch(/(primary|adopt|migrate|control-plane) {2}(created|updated|replaced|restarted)/);
  });

  test("is not restored over: another source is refused in one line, before anything is touched", async () => {
    const settings = { ...left, restoreTime: "2026-01-01T00:00:00Z" };
    const refused = await up(
      "environment=restored",
      ...Object.entries(settings).map(([key, value]) => `${key}=${value}`),
    );
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("Nothing is restored over a database that is there");
  });
});

describe("a new stack from a snapshot", () => {
  test("comes up verified, with every receipt of its source, and accepts another", async () => {
    const before = await ids();
    const snapshot = /restoreFrom=(\S+)/.exec((await cloud.run("snapshot", "before-the-loss")).stdout)?.[1];
    const lost = await cloud.run("lose-stack");
    const bucket = [...lost.stdout.matchAll(/(restoreBucket\w+=\S+)/g)].map(([, setting = ""]) => setting);
    const made = await up("environment=snapshot", `restoreFrom=${snapshot}`, ...bucket);
    expect(made.code, made.stdout + made.stderr).toBe(0);
    expect((await query<{ comment: string }>(comment))[0]?.comment).toContain(`restored from ${snapshot}; verified `);
    expect(await ids()).toEqual(expect.arrayContaining(before));
    expect((await ids()).length).toBe(before.length + 1);
  }, 240_000);
});

describe("a new stack with the bucket alone", () => {
  test("is filled from it by a Job, verified, and accepts receipts", async () => {
    const before = await ids();
    expect((await cloud.run("cron", "archive")).code).toBe(0);
    const lost = await cloud.run("lose-stack");
    const bucket = [...lost.stdout.matchAll(/(restoreBucket\w+=\S+)/g)].map(([, setting = ""]) => setting);
    const again = await up("environment=again", "restoreFrom=bucket", ...bucket);
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(again.stdout).toContain("batch.Job authensor-again-restore  created");
    expect(await ids()).toEqual(expect.arrayContaining(before));
    expect((await ids()).length).toBe(before.length + 1);
  }, 240_000);
});
