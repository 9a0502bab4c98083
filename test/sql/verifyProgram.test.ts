import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { assertNotBehind } from "../../ops/archive/position";
import { roles } from "../../ops/roles";
import { startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { runOps } from "./programs";

let server: TestPostgres;
let database: TestDatabase;
let app: pg.Client;
const dir = mkdtempSync(join(tmpdir(), "verify-"));

beforeAll(async () => {
  server = await startPostgres();
  database = await server.createDatabase({ migrated: true });
  app = await database.connect(roles.app);
  await insertReceipts(
    app,
    Array.from({ length: 30 }, (_, i) => newReceipt({ actor_id: `agent-${i % 3}` })),
  );
});
afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

const env = (role: string = roles.auditor) => ({ DATABASE_URL: database.url(role) });
const report = (stdout: string) =>
  JSON.parse(stdout) as { ok: boolean; verified: { receipts: number }; first?: { kind: string; seq?: number } };

describe("ops/anchor and ops/verify", () => {
  it("print an anchor, and verify against it: 0, with a report on standard output and a line for people on standard error", async () => {
    const file = join(dir, "anchor.json");
    expect(await runOps("anchor", ["--output", file], env())).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(await runOps("anchor", ["--output", file], env())).toMatchObject({ code: 1 });
    const printed = await runOps("anchor", [], env());
    expect(printed.lines[0]).toMatchObject({
      version: 1,
      receipts: 30,
      digest: (JSON.parse(readFileSync(file, "utf8")) as { digest: string }).digest,
    });

    const { code, stdout, stderr } = await runOps("verify", ["--anchors", file], env());
    expect(stderr).toMatch(/^the trail is whole: 30 receipts, 0 changes, 3 chains in /);
    expect(report(stdout)).toMatchObject({ ok: true, verified: { receipts: 30 } });
    expect(code).toBe(0);

    await insertReceipts(app, [newReceipt({ actor_id: "agent-1" })]);
    const since = await runOps("verify", ["--from-anchor", file], env());
    expect(report(since.stdout)).toMatchObject({ ok: true });
    expect(since.code).toBe(0);
  });

  it("compare what the deployment told the database, where a file says what that was", async () => {
    const file = join(dir, "expectations.json");
    writeFileSync(file, JSON.stringify({ programs: ["verify-whole"], connections: { [roles.maintenance]: 7 } }));
    const { code, stderr } = await runOps("verify", [], { ...env(), EXPECTATIONS_FILE: file });
    expect(stderr).toContain(
      "1 finding; the first: guard-off: audit.connection_limits has 3 connections of authensor_maintenance, instead of 7",
    );
    expect(code).toBe(1);
  });

  it("exit 1 on a finding, with the first broken place in one line and all of them in the report", async () => {
    const attacker = await database.connect(superuser);
    await attacker.query(
      "set session_replication_role = replica; create temp table kept as table receipts; delete from receipts where actor_id = 'agent-2' and chain_seq = 4",
    );
    const file = join(dir, "report.json");
    const { code, stdout, stderr } = await runOps("verify", ["--report", file], env());
    await attacker.query("delete from receipts; insert into receipts select * from kept");
    expect(code).toBe(1);
    expect(stderr).toContain('verify: 1 finding; the first: removed-row: receipt 4 of agent "agent-2" is missing');
    expect(report(stdout)).toMatchObject({ ok: false, first: { kind: "removed-row", seq: 4 } });
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(report(stdout));
  });

  it("tell the monitor how it ended where they are asked to, in a row that the auditor cannot write", async () => {
    const owner = await database.connect(roles.owner);
    const told = async () =>
      (
        await owner.query(
          "select findings, unverified, receipts, summary from audit.verifications where scope = 'whole'",
        )
      ).rows[0] as unknown;
    expect(await told()).toMatchObject({ findings: null });
    const verifier = env(roles.verifier);
    const asAuditor = await runOps("verify", ["--record", "whole"], env());
    expect(asAuditor).toMatchObject({ code: 1 });
    expect(asAuditor.stderr).toMatch(
      /verify: the monitor cannot be told how the run ended: permission denied .*\n {2}.* only authensor_verifier may/,
    );
    expect(await told()).toMatchObject({ findings: null });
    expect(await runOps("verify", ["--record", "whole"], verifier)).toMatchObject({ code: 0 });
    expect(await told()).toMatchObject({
      findings: "0",
      receipts: "31",
      summary: expect.stringMatching(/^the trail is whole: 31/) as string,
    });
    const attacker = await database.connect(superuser);
    await attacker.query(
      "set session_replication_role = replica; update receipts set tool_name = 'x' where chain_seq = 2",
    );
    expect(await runOps("verify", ["--record", "whole"], verifier)).toMatchObject({ code: 1 });
    expect(await told()).toMatchObject({
      findings: "3",
      summary: expect.stringMatching(/^3 findings; the first: altered-column/) as string,
    });
    await attacker.query("update receipts set tool_name = 'http.request' where chain_seq = 2");
    expect(await runOps("verify", ["--record", "all"], verifier)).toMatchObject({ code: 2 });
  });

  it("tell the monitor of a run that did not come to its end, as of one that did, and of the archive's findings", async () => {
    const owner = await database.connect(roles.owner);
    const told = async (scope: string) =>
      (
        await owner.query<{ succeeded: boolean; summary: string }>(
          "select succeeded_at is not distinct from finished_at as succeeded, summary from audit.program_runs where program = $1",
          [`verify-${scope}`],
        )
      ).rows[0];
    const verifier = env(roles.verifier);
    const unreadable = join(dir, "no.json");
    const broken = ["--record", "recent", "--acknowledged", unreadable];
    expect((await runOps("verify", broken, verifier)).code).toBeGreaterThan(0);
    expect(await told("recent")).toMatchObject({
      succeeded: false,
      summary: expect.stringContaining(unreadable) as string,
    });
    expect(await runOps("verify", ["--record", "recent", "--since", "1d"], verifier)).toMatchObject({ code: 0 });
    expect(await told("recent")).toMatchObject({ succeeded: true });
    // As the CronJob does, where the bucket's name is missing.
    await runOps("verify", ["--record", "archived", "--archived"], verifier);
    expect(await told("archived")).toMatchObject({
      succeeded: false,
      summary: expect.stringContaining("BACKUP_BUCKET") as string,
    });
  });

  it("exit 1 where nothing could be verified, 2 for wrong usage, each with one clear line", async () => {
    for (const [args, reason, expected] of [
      [["--agent", "nobody"], /no receipt of agent "nobody"/, 1],
      [["--agent", "hot\u001f3"], /u001f3.* is the name of a lane: --agent .*hot.* takes all lanes/, 2],
      [["--since", "never"], /--since is not a time/, 2],
      [["--since", "2026-11-02", "--until", "2026-11-01"], /must be before/, 2],
      [["--since", "2026-11-02", "--anchors", "x"], /do not combine them with --since/, 2],
      [["--anchors", join(dir, "missing")], /cannot read anchors/, 2],
      [["--connections", "0"], /--connections must be/, 2],
      [["--record", "whole", "--since", "1d"], /--record whole would tell the monitor more than was verified/, 2],
      [["--record", "archived"], /combine it with --archived/, 2],
      [["--record", "recent", "--agent", "a"], /--record recent would tell the monitor more/, 2],
      [["extra"], /too many arguments/, 2],
    ] as const) {
      const { code, stderr } = await runOps("verify", [...args], env());
      expect(stderr).toMatch(reason);
      expect([args, code]).toEqual([args, expected]);
    }
    const file = join(dir, "no-anchor.json");
    writeFileSync(file, "{}");
    expect(await runOps("verify", ["--anchors", file], env())).toMatchObject({ code: 2 });
    expect((await runOps("verify", [], env(roles.app))).stderr).toMatch(/cannot be verified: permission denied/);
  });
});

it("verifies on a standby, where nothing can be written, as of what it has replayed; on the primary where that is old", async () => {
  const copy = await server.startStandby();
  try {
    await insertReceipts(app, [newReceipt({ actor_id: "agent-0" })]);
    const url = copy.url(roles.auditor, database.name);
    const standby = await copy.connect(url);
    for (let n = 0; n < 200; n++, await sleep(50)) {
      const { rows } = await standby.query<{ n: number }>("select count(*)::int as n from receipts");
      if (rows[0]?.n === 32) break;
    }
    const { code, stdout } = await runOps("verify", [], { DATABASE_URL: url });
    expect(report(stdout)).toMatchObject({ ok: true, standby: true, verified: { receipts: 32 } });
    expect(code).toBe(0);

    // One that has stopped: what it shows stays whole for ever. It is read only where there is no other.
    await (await copy.connect(copy.url(superuser))).query("select pg_wal_replay_pause()");
    await sleep(2000);
    const env = { DATABASE_URL: database.url(roles.auditor), REPLICA_URL: url, REPLICA_MAX_AGE_SECONDS: "1" };
    const other = await runOps("verify", ["--record", "whole"], env);
    expect(other.stderr).toMatch(
      /the replica is not used: it is out of date: the newest that was replayed is \d+ s old/,
    );
    expect(report(other.stdout)).toMatchObject({ ok: true, standby: false });
    const alone = await runOps("verify", [], { ...env, DATABASE_URL: "postgresql://nobody@localhost:1/none" });
    expect(alone.stderr).toContain("the primary does not answer, and the replica is out of date");
    expect(report(alone.stdout)).toMatchObject({ ok: true, standby: true });
    const behind = new pg.Client({ connectionString: url });
    await behind.connect();
    vi.stubEnv("REPLICA_MAX_AGE_SECONDS", "1");
    await expect(assertNotBehind(behind, undefined)).rejects.toThrow("the replica is out of date");
    vi.unstubAllEnvs();
    await behind.end();
  } finally {
    await copy.stop();
  }
});
