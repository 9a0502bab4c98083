/** What the monitor's role may see and write, and that its sources understand every server. */
import { readdirSync, readFileSync } from "node:fs";
import dns from "node:dns";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type pg from "pg";
import { attempt } from "../../ops/monitor/scheduler";
import { Server } from "../../ops/monitor/server";
import type { Access, Source } from "../../ops/monitor/source";
import { sourcesFor } from "../../ops/monitor/sources";
import { controlPlane } from "../../ops/monitor/sources/controlPlane";
import { pools } from "../../ops/monitor/sources/pools";
import { checkpoints } from "../../ops/monitor/sources/checkpoints";
import { connections } from "../../ops/monitor/sources/connections";
import { partitions } from "../../ops/monitor/sources/partitions";
import { programs } from "../../ops/monitor/sources/programs";
import { receipts } from "../../ops/monitor/sources/receipts";
import { replicationLag } from "../../ops/monitor/sources/replicationLag";
import { searchIndex } from "../../ops/monitor/sources/searchIndex";
import { slowStatements } from "../../ops/monitor/sources/slowStatements";
import { statements } from "../../ops/monitor/sources/statements";
import { tables } from "../../ops/monitor/sources/tables";
import { transactions } from "../../ops/monitor/sources/transactions";
import { archive } from "../../ops/monitor/sources/archive";
import { reportArchive, toldManifest } from "../../ops/archive/report";
import { heldMs } from "../../ops/drill/lease";
import { beginDrill, drillGoesOn, reportDrill } from "../../ops/drill/record";
import { awaitRuns } from "../../ops/migrate/awaitRuns";
import { overdueHours } from "../../ops/monitor/overdue";
import { drill } from "../../ops/monitor/sources/drill";
import { reportDump, toldDump } from "../../ops/dump/report";
import { verificationProgress } from "../../ops/monitor/sources/verificationProgress";
import { verifications } from "../../ops/monitor/sources/verifications";
import { scopes } from "../../ops/verify/overdue";
import { showProgress } from "../../ops/verify/shownProgress";
import { verify } from "../../ops/verify/verification";
import { createdRoles, roles, secondLogin } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let monitor: pg.Client;
let primary: Server;

beforeAll(async () => {
  // Untouched: ages since the migration are told in minutes and less.
  server = await startPostgres({ untouched: true, parameters: { shared_preload_libraries: "pg_stat_statements" } });
  database = await server.createDatabase({ migrated: true });
  await (await database.connect()).query("create extension if not exists pg_stat_statements");
  monitor = await database.connect(roles.monitor);
  primary = new Server(database.url(roles.monitor), "test");
});
afterAll(async () => {
  await primary.end();
  await server.stop();
});

const denied = /permission denied/;
const signal = new AbortController().signal;
const collect = (source: Source, more: Partial<Access> = {}) => source.collect({ primary, ...more } as Access, signal);

describe("the heartbeat", () => {
  it("is one row that the monitor moves on, and neither doubles nor removes", async () => {
    const { rows } = await monitor.query("update audit.heartbeat set at = clock_timestamp() returning at");
    expect(rows).toHaveLength(1);
    await expect(monitor.query("insert into audit.heartbeat default values")).rejects.toThrow(denied);
    await expect(monitor.query("delete from audit.heartbeat")).rejects.toThrow(denied);
    await expect(monitor.query("update audit.heartbeat set only_row = false")).rejects.toThrow(denied);
    const owner = await database.connect(roles.owner);
    await expect(owner.query("insert into audit.heartbeat default values")).rejects.toThrow(/duplicate key/);
  });

  it("is nobody else's", async () => {
    for (const role of [roles.app, roles.auditor, roles.telemetry, roles.maintenance]) {
      const client = await database.connect(role);
      await expect(client.query("update audit.heartbeat set at = now()"), role).rejects.toThrow(
        /permission denied|read-only/,
      );
    }
  });
});

describe("the monitor's role", () => {
  it("gets counts of receipts and of rows outside of months, and no row", async () => {
    await expect(monitor.query("select * from receipts")).rejects.toThrow(denied);
    for (const role of [roles.app, roles.telemetry])
      await expect((await database.connect(role)).query("select audit.rows_outside_months()"), role).rejects.toThrow(
        denied,
      );
  });
});

describe("a source finds", () => {
  it("connections by role, and what of max_connections they are", async () => {
    const { samples } = await collect(connections);
    expect(samples.Connections?.[roles.monitor]).toBeGreaterThanOrEqual(2);
    expect(samples.ConnectionsUsedPercent).toBeGreaterThan(0);
  });

  it("both logins of a role as the role, whose metrics would end with each new generation of passwords", async () => {
    const source = statements();
    const clients = [await database.connect(roles.app), await database.connect(secondLogin(roles.app))];
    await collect(source);
    for (const client of clients) await client.query("select pg_sleep(0.02) from controls");
    for (const byRole of [
      (await collect(connections)).samples.Connections,
      (await collect(source)).samples.StatementMilliseconds,
    ]) {
      expect(byRole?.[roles.app]).toBeGreaterThanOrEqual(2);
      expect(byRole).not.toHaveProperty(secondLogin(roles.app));
    }
    for (const client of clients) await client.end();
  });

  it("transactions as differences, and no difference at first", async () => {
    const source = transactions();
    expect((await collect(source)).samples).not.toHaveProperty("Commits");
    const { samples } = await collect(source);
    expect(samples.Commits).toBeGreaterThanOrEqual(0);
    expect(samples.TransactionIdsUsedPercent).toBeLessThan(1);
  });

  it("checkpoints on this server's version", async () => {
    const source = checkpoints();
    await collect(source);
    await (await database.connect()).query("checkpoint");
    expect((await collect(source)).samples).toHaveProperty("CheckpointsRequested");
  });

  it("the time of statements by role, without their texts", async () => {
    const source = statements();
    await collect(source);
    await (await database.connect(roles.app)).query("select pg_sleep(0.05) from controls");
    const { samples } = await collect(source);
    expect(samples.StatementMilliseconds?.[roles.app]).toBeGreaterThan(20);
    expect(samples.StatementP95OfMeansMilliseconds?.[roles.app]).toBeGreaterThan(20);
    expect(samples.SlowestStatementMilliseconds).toBeGreaterThan(20);
  });

  it("what 95 of 100 statements take at most: one slow call of thirty is not in it, three are", async () => {
    const app = await database.connect(roles.app);
    const [source, withThree] = [statements(), statements()];
    await collect(source);
    await collect(withThree);
    const slow = "select pg_sleep(0.2) as slow_of_thirty from (values (1)) v";
    await app.query(slow);
    for (let call = 0; call < 29; call++) await app.query("select 1 as quick_of_thirty");
    expect((await collect(source)).samples.StatementP95OfMeansMilliseconds?.[roles.app]).toBeLessThan(50);
    for (let call = 0; call < 2; call++) await app.query(slow);
    const { samples } = await collect(withThree);
    expect(samples.StatementP95OfMeansMilliseconds?.[roles.app]).toBeGreaterThan(150);
    // The mean of all says of neither what the slow ones take.
    expect(samples.StatementMilliseconds?.[roles.app]).toBeLessThan(100);
  });

  it("dead rows only of tables that are worth a vacuum", async () => {
    expect((await collect(tables)).samples.DeadTuplesPercent).toBe(0);
  });

  it("months ahead, and rows that are in none", async () => {
    // As the migrations leave it: the months ahead are another program's to make.
    const missing = "next month has no partition";
    expect(await collect(partitions)).toEqual({
      samples: { MonthsAhead: 0, RowsOutsideMonths: 0 },
      findings: [{ part: "partitions", reason: missing }],
    });
    await insertReceipts(await database.connect(roles.app), [newReceipt({ created_at: "2001-01-01T00:00:00Z" })]);
    const { samples, findings } = await collect(partitions);
    expect(samples.RowsOutsideMonths).toBe(1);
    expect(findings).toEqual([{ part: "partitions", reason: `${missing}; rows are stored outside of any month` }]);
  });

  it("receipts of the minute before the last, by outcome", async () => {
    const minute = Math.floor(Date.now() / 60_000) * 60_000;
    // Should the minute end meanwhile, the second takes the place of the first.
    for (const before of [90_000, 30_000]) {
      const made = { created_at: new Date(minute - before).toISOString(), decision_outcome: "deny" };
      await insertReceipts(await database.connect(roles.app), [newReceipt(made)]);
    }
    expect((await collect(receipts)).samples.Receipts).toEqual({ deny: 1 });
  });

  it("what programs said of their last run: a failure counts until the next success", async () => {
    const job = await database.connect(roles.maintenance);
    const report = (ok: boolean) => job.query("select audit.report_run('partitions', $1, 'x')", [ok]);
    await expect(job.query("select audit.report_run('drill', true, 'x')")).rejects.toMatchObject({
      code: "42501",
      message: `${roles.maintenance} does not report runs of "drill"`,
    });
    const owner = await database.connect(roles.owner);
    await owner.query("update audit.programs set since = now() - interval '50 hours' where program = 'partitions'");
    expect((await collect(programs)).samples).toEqual({
      ProgramsFailed: 0,
      ProgramAgeHours: {
        partitions: expect.closeTo(50) as number,
        compact: expect.closeTo(0) as number,
        hold: expect.closeTo(0) as number,
        retire: expect.closeTo(0) as number,
      },
    });
    await report(true);
    expect((await collect(programs)).samples).toMatchObject({ ProgramsFailed: 0 });
    await report(false);
    const { samples } = await collect(programs);
    expect(samples.ProgramsFailed).toBe(1);
    expect(samples.ProgramAgeHours?.["partitions"]).toBeLessThan(1);
    const second = await database.connect(secondLogin(roles.maintenance));
    await second.query("select audit.report_run('partitions', true, 'x')");
    expect((await collect(programs)).samples.ProgramsFailed).toBe(0);
  });

  it("nothing of programs that the deployment does not have; one that comes later is awaited from then on", async () => {
    const owner = await database.connect(roles.owner);
    await owner.query("update audit.programs set since = now() - interval '5 years'");
    await owner.query("update audit.drill set since = now() - interval '5 years'");
    await owner.query("insert into audit.program_runs values ('retire', now(), now() - interval '4 years', 'failed')");
    await awaitRuns(owner, ["partitions", "compact"]);
    expect((await collect(programs)).samples).toEqual({
      ProgramsFailed: 0,
      ProgramAgeHours: { partitions: expect.any(Number) as number, compact: expect.any(Number) as number },
    });
    expect((await collect(drill)).samples.DrillAgeDays).toBeUndefined();
    for (const _again of [1, 2]) await awaitRuns(owner, ["partitions", "compact", "retire", "drill"]);
    const { ProgramsFailed, ProgramAgeHours } = (await collect(programs)).samples;
    expect(ProgramsFailed).toBe(1);
    expect(ProgramAgeHours!["retire"]).toBeLessThan(1);
    expect(ProgramAgeHours!["compact"]).toBeGreaterThan(overdueHours.compact);
    expect((await collect(drill)).samples.DrillAgeDays).toBeLessThan(1);
    await owner.query("delete from audit.program_runs where program = 'retire'");
  });

  it("how far the bucket is behind, and what the archiver found; a run that failed makes it no younger", async () => {
    const well = {
      samples: {
        ArchiveAgeMinutes: expect.closeTo(0, 0) as number,
        ArchiveProblems: 0,
        DumpAgeMinutes: expect.closeTo(0, 0) as number,
      },
      findings: [{ part: "archive" }],
    };
    expect(await collect(archive(20))).toEqual(well);
    const archiver = await database.connect(secondLogin(roles.archiver));
    await reportArchive(archiver, { until: "2020-01-01T00:00:00Z", manifest: 7, problems: 2, summary: "found" });
    await reportArchive(archiver, { summary: "S3 is away" });
    const { samples, findings } = await collect(archive(20));
    expect(samples.ArchiveProblems).toBe(2);
    expect(samples.ArchiveAgeMinutes).toBeGreaterThan(5 * 365 * 24 * 60);
    const why = /^the locked bucket lacks what was sealed in the last \d+ minutes; the archiver has found 2 problems/;
    expect(findings).toEqual([{ part: "archive", reason: expect.stringMatching(why) as string }]);
    expect((await collect(archive(100 * 365 * 24 * 60))).findings?.[0]?.reason).toMatch(/^the archiver has found 2/);
    const aLittleAhead = new Date(Date.now() + 60_000).toISOString();
    await reportArchive(archiver, { until: aLittleAhead, manifest: 6, problems: 0, summary: "in the other order" });
    expect(await collect(archive(20))).toEqual(well);
    // One that had been written is not forgotten: the next run would take a cut archive for a whole one.
    expect(await toldManifest(archiver)).toBe(7);
  });

  it.each([
    ["report_archive", "'-infinity', 1, 0, ''"],
    ["report_archive", "'infinity', 1, 0, ''"],
    ["report_archive", "now() + interval '1 hour', 1, 0, ''"],
    ["report_archive", "now(), -1, 0, ''"],
    ["report_archive", "now(), 1, -1, ''"],
    ["report_archive", "now(), 1, 0, null"],
    ["report_verification", "'whole', -1, 0, 0, ''"],
    ["report_verification", "'whole', 1, -1, 0, ''"],
    ["report_verification", "'whole', 1, 0, null, ''"],
    ["report_verification", "'whole', null, null, null, null"],
    ["report_verification", "'all', 1, 0, 0, ''"],
    ["report_verification", "null, 1, 0, 0, ''"],
  ])("no %s(%s): no run ends so, and the rows stay as they were", async (report, values) => {
    const owner = await database.connect(roles.owner);
    const rows = async () =>
      (
        await owner.query<{ row: unknown }>(
          "select to_jsonb(a) as row from audit.archive a union all select to_jsonb(v) from audit.verifications v",
        )
      ).rows;
    const before = await rows();
    const reporter = await database.connect(report === "report_archive" ? roles.archiver : roles.verifier);
    await reporter.query("begin read write");
    await expect(reporter.query(`select audit.${report}(${values})`)).rejects.toMatchObject({ code: "22023" });
    await reporter.query("rollback");
    expect(await rows()).toEqual(before);
  });

  it.each([
    ["report_archive(now(), 1, 0, '')", roles.archiver],
    ["report_verification('whole', 1, 0, 0, '')", roles.verifier],
    ["report_run('partitions', true, '')", roles.maintenance],
  ])("%s from nobody but %s", async (report, may) => {
    const client = await database.connect();
    const told: { role: string; denies: string | undefined }[] = [];
    for (const role of createdRoles) {
      await client.query(`begin; set session authorization ${role}`);
      const denies = await client.query(`select audit.${report}`).then(
        () => undefined,
        (error: pg.DatabaseError) => error.code,
      );
      await client.query("rollback");
      told.push({ role, denies });
    }
    expect(told).toEqual(createdRoles.map((role) => ({ role, denies: role === may ? undefined : "42501" })));
  });

  it("how the last drill ended: nothing of one that says that it goes on, whatever became of its session, and a failure of one that was killed", async () => {
    const [first, second] = [
      await database.connect(roles.verifier),
      await database.connect(secondLogin(roles.verifier)),
    ];
    const owner = await database.connect(roles.owner);
    const problems = async () => (await collect(drill)).samples.DrillProblems;
    const ended = { problems: 2, summary: "the drill failed" };
    const run = await beginDrill(first);
    expect(await problems()).toBeUndefined();
    await expect(beginDrill(second)).rejects.toThrow(/^another drill has been running since/);
    await reportDrill(first, run, ended);
    expect(await problems()).toBe(2);

    const next = await beginDrill(first);
    expect(await problems(), "yesterday's").toBeUndefined();
    expect((await owner.query("select summary from audit.drill")).rows).toEqual([{ summary: null }]);
    await expect(reportDrill(first, run, ended)).rejects.toThrow(
      /^no drill '.*' is known, or another one has begun since$/,
    );
    await first.end();
    const silent = (span: string) =>
      owner.query(
        "update audit.drill set began_at = now() - interval '5 hours', seen_at = now() - $1::interval, finished_at = null",
        [span],
      );
    await silent(`${heldMs} milliseconds`);
    expect(await problems(), "a failover has ended its session").toBeUndefined();
    await expect(beginDrill(second)).rejects.toThrow(/^another drill has been running since/);
    expect(await drillGoesOn(second, next)).toBe(true);
    expect((await owner.query("select from audit.drill where seen_at > now() - interval '1 minute'")).rowCount).toBe(1);
    expect(await drillGoesOn(second, run), "one that has ended").toBe(false);
    await silent("11 minutes");
    expect(await problems(), "killed").toBe(1);
    const other = await beginDrill(second);
    expect(await drillGoesOn(second, next), "its lease has ended").toBe(false);
    await expect(reportDrill(second, next, ended)).rejects.toThrow(/another one has begun since$/);
    await reportDrill(second, other, { rtoSeconds: 60, rpoSeconds: 120, problems: 0, summary: "passed" });
    expect((await collect(drill)).samples).toEqual({
      DrillAgeDays: expect.closeTo(0) as number,
      DrillProblems: 0,
      DrillRtoMinutes: 1,
      DrillRpoMinutes: 2,
    });
    expect(await beginDrill(second)).not.toBe(next);
  });

  it("how far the newest dump is behind", async () => {
    const archiver = await database.connect(roles.archiver);
    await reportDump(archiver, { until: "2020-01-01T00:00:00Z", number: 3 });
    expect((await collect(archive(20))).samples["DumpAgeMinutes"]).toBeGreaterThan(5 * 365 * 24 * 60);
    expect(await toldDump(archiver)).toBe(3);
    await reportDump(archiver, { until: new Date().toISOString(), number: 2 });
    expect((await collect(archive(20))).samples["DumpAgeMinutes"]).toBeCloseTo(0, 0);
    expect(await toldDump(archiver)).toBe(3);
    for (const values of ["'infinity', 4", "now() + interval '1 hour', 4", "now(), -1", "null, 4", "now(), null"])
      await expect(
        archiver
          .query(`begin read write; select audit.report_dump(${values})`)
          .finally(() => archiver.query("rollback")),
      ).rejects.toThrow("no dump");
    await expect(monitor.query("select audit.report_dump(now(), 1)")).rejects.toThrow(denied);
  });

  it("what verifications found and could not verify, and which is overdue; before the first it awaits one since the migration", async () => {
    const before = await collect(verifications);
    expect(before.samples).toEqual({
      VerificationAgeHours: Object.fromEntries(scopes.map((scope) => [scope, expect.closeTo(0, 1) as number])),
    });
    expect(before.findings).toEqual([{ part: "verification" }]);

    const verifier = await database.connect(secondLogin(roles.verifier));
    const report = "select audit.report_verification('recent', 10, 2, 1, 'x')";
    await expect(verifier.query(report)).rejects.toThrow(/read-only transaction/);
    await verifier.query(`begin read write; ${report}; commit`);
    const owner = await database.connect(roles.owner);
    await owner.query("update audit.verifications set since = now() - interval '200 hours' where scope = 'whole'");
    const { samples, findings } = await collect(verifications);
    expect(samples).toMatchObject({ VerificationFindings: 2, VerificationUnverified: 1 });
    expect(samples.VerificationAgeHours?.["whole"]).toBeCloseTo(200);
    expect(findings).toEqual([
      {
        part: "verification",
        reason:
          "the last verification of the recent trail has 2 findings; 200 hours ago was the last verification of the whole trail",
      },
    ]);
  });

  it("how far the heartbeat is ahead of what a replica shows", async () => {
    const newest = new Date(Date.now() + 30_000);
    const { samples, findings } = await collect(replicationLag(), { replica: primary, heartbeat: () => newest });
    expect(samples.ReplicationLagSeconds).toBeGreaterThan(20);
    expect(findings).toEqual([
      { part: "lag", reason: expect.stringMatching(/^the replica is \d+ s behind the primary$/) as string },
    ]);
  });

  it("that no replica is connected where one should be, and how much WAL waits for it, when none answers", async () => {
    const replica = new Server("postgresql://nobody@localhost:1/none", "test");
    const access = { primary, replica, heartbeat: () => new Date() } as unknown as Access;
    const outcomes = await Promise.all(
      sourcesFor({ urls: [], archiveMinutes: 20 })
        .filter(({ name }) => name.startsWith("replication"))
        .map((source) => attempt(source, access, signal)),
    );
    await replica.end();
    expect(outcomes).toEqual([
      {
        collected: {
          samples: { ReplicaConnected: 0, ReplicationLagBytes: 0, SlotRetainedBytes: 0 },
          findings: [{ part: "replica", reason: "no replica receives WAL from the primary" }],
        },
      },
      { why: "ECONNREFUSED" },
    ]);
  });

  it("that a replica nobody can ask is further behind with every second, from what was last seen of it", async () => {
    const source = replicationLag();
    let newest = new Date(Date.now() + 1000);
    const access = { primary, replica: primary, heartbeat: () => newest } as unknown as Access;
    const lag = () => source.unanswered?.(access).ReplicationLagSeconds;
    expect(lag()).toBe(0);
    newest = new Date(newest.getTime() + 7000);
    expect(lag()).toBe(7);
    const { samples } = await source.collect(access, signal);
    newest = new Date(newest.getTime() + 5000);
    expect(lag()).toBeCloseTo(samples.ReplicationLagSeconds! + 5);
    expect(source.unanswered?.({ ...access, replica: undefined })).toEqual({});
  });
});

describe("the monitor's role", () => {
  it("cannot say that all is well: it reports no program's run, no verification, and its heartbeat shows the server's time", async () => {
    for (const role of [roles.monitor, roles.app, roles.telemetry, roles.maintenance])
      await expect(
        (await database.connect(role)).query("select audit.report_verification('whole', 1, 0, 0, 'x')"),
        role,
      ).rejects.toMatchObject({ code: "42501" });
    await expect(monitor.query("select audit.report_run('partitions', true, 'x')")).rejects.toMatchObject({
      code: "42501",
    });
    const { rows } = await monitor.query<{ ahead: boolean }>(
      "update audit.heartbeat set at = 'infinity' returning at > clock_timestamp() as ahead",
    );
    expect(rows).toEqual([{ ahead: false }]);
  });
});

it("while DNS fails, what is connected goes on and the rest says so by a code, without a name; once names resolve all is well", async () => {
  const name = "primary.test";
  const byName = new Server(database.url(roles.monitor).replace("localhost", name), "by-name", 1);
  let fails = false;
  const real = dns.lookup as (...all: unknown[]) => void;
  const lookup = vi
    .spyOn(dns, "lookup")
    .mockImplementation(((host: string, options: unknown, done: (error: Error) => void) =>
      fails && host === name
        ? done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND" }))
        : real(host === name ? "localhost" : host, options, done)) as typeof dns.lookup);
  const access = {
    primary: byName,
    poolers: ["pgbouncer.invalid:6432"],
    poolUrl: "postgresql://pgbouncer.invalid/authensor",
    controlPlaneUrl: "http://control-plane.invalid",
  } as unknown as Access;
  const asked = transactions();
  const ask = (source: Source) => attempt(source, access, signal);
  try {
    expect((await ask(asked)).why).toBeUndefined();
    fails = true;
    expect((await ask(asked)).why, "by the connection that is open").toBeUndefined();
    await (
      await database.connect()
    ).query("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'by-name'");
    expect(await ask(asked)).toEqual({ why: "ENOTFOUND" });
    expect((await ask(pools)).why).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
    expect((await ask(controlPlane)).collected).toMatchObject({ samples: { ControlPlaneReady: 0 } });
    fails = false;
    expect((await ask(asked)).why).toBeUndefined();
  } finally {
    lookup.mockRestore();
    await byName.end();
  }
});

describe("the verification of the whole trail", () => {
  const progress = async (more: Partial<Access> = {}) =>
    (await collect(verificationProgress, more)).samples.VerificationProgressPercent;

  it("is seen while it runs, and how far it is, and not afterwards", async () => {
    await insertReceipts(
      await database.connect(roles.app),
      Array.from({ length: 60 }, () => newReceipt({ actor_id: "long" })),
    );
    await (await database.connect(roles.owner)).query("analyze receipts");
    expect(await progress()).toBeUndefined();
    const asked: Promise<number | undefined>[] = [];
    await verify({
      url: database.url(secondLogin(roles.verifier)),
      signal,
      anchors: [],
      connections: 2,
      chunk: 2,
      allowEmpty: false,
      onProgress: () => void asked.push(progress()),
    });
    const seen = (await Promise.all(asked)).filter((percent) => percent !== undefined);
    expect(new Set(seen).size).toBeGreaterThan(1);
    expect(Math.max(...seen)).toBeLessThan(100);
    await expect.poll(() => progress()).toBeUndefined();
  });

  it("is seen on the replica, and on the primary where the replica is gone", async () => {
    const gone = new Server("postgresql://nobody@localhost:1/none", "test");
    const client = await database.connect(roles.verifier);
    await showProgress(client, 40);
    expect(await progress({ replica: gone })).toBe(40);
    const idle = { query: () => Promise.resolve([{ percent: null }]) } as unknown as Server;
    expect(await progress({ primary: idle, replica: primary })).toBe(40);
    await client.end();
    await expect.poll(() => progress()).toBeUndefined();
    await gone.end();
  });

  it("is nobody's to tell of but the verifier's", async () => {
    await showProgress(await database.connect(roles.app), 40);
    expect(await progress()).toBeUndefined();
  });
});

describe("the search index", () => {
  it("goes on behind the writers, and is told of where it has not for 10 minutes", async () => {
    const [owner, app] = [await database.connect(roles.owner), await database.connect(roles.app)];
    expect(await collect(searchIndex)).toEqual({ samples: {} });
    await app.query("begin; update receipts set updated_at = updated_at where false");
    await owner.query(
      "update audit.search_index set indexed_until = '-infinity', line = now() - interval '11 minutes', awaited = array(select virtualtransaction from pg_locks where relation = 'receipts'::regclass)",
    );
    await expect(collect(searchIndex)).rejects.toMatchObject({ code: "behind" });
    await app.query("commit");
    expect(await collect(searchIndex)).toEqual({ samples: {} });
    const { rows } = await owner.query(
      "select from audit.search_index where indexed_until < now() - interval '1 minute'",
    );
    expect(rows).toHaveLength(1);
  });
});

describe("slow statements", () => {
  it("are told by role and text once they were slow, and by nothing that is quick", async () => {
    const source = slowStatements();
    // What the monitor itself asks may be slow on a busy machine.
    const toldOfApp = async () => {
      const told = (await collect(source)).line?.fields["statements"] as { role: string }[] | undefined;
      return told?.filter(({ role }) => role === roles.app) ?? [];
    };
    expect(await collect(source)).toEqual({ samples: {} });
    await (await database.connect(secondLogin(roles.app))).query("select pg_sleep(0.15) as slow, 'hunter2' as secret");
    expect(await toldOfApp()).toEqual([
      {
        role: roles.app,
        queryId: expect.stringMatching(/^-?\d+$/) as string,
        calls: 1,
        meanMilliseconds: expect.any(Number) as number,
        totalMilliseconds: expect.any(Number) as number,
        text: "select pg_sleep($1) as slow, $2 as secret",
      },
    ]);
    await (await database.connect(roles.app)).query("select 1 as quick");
    expect(await toldOfApp()).toEqual([]);
  });

  it("are told without any value: no password, and no literal where PostgreSQL itself has kept it", async () => {
    const source = slowStatements({ mean: 0, total: 0, most: 1000 });
    await collect(source);
    const superuser = await database.connect();
    // The entry that was to be normalised is gone once the statement ends.
    await superuser.query("select pg_stat_statements_reset(), 'hunter2' as literal");
    await superuser.query(`alter role ${secondLogin(roles.telemetry)} password 'hunter2'`);
    const kept = "select query from pg_stat_statements where query ~ $1";
    const { rows } = await superuser.query<{ query: string }>(kept, ["hunter2"]);
    expect(rows.map(({ query }) => query.split(" ")[0]).sort()).toEqual(["alter", "select"]);
    const told = JSON.stringify((await collect(source)).line);
    expect(told).toContain("not told: it holds a string or a comment");
    expect(told).not.toMatch(/hunter2|alter role/);
  });

  it("are five by all their calls and five by the mean, at most", async () => {
    const source = slowStatements({ mean: 0, total: 0, most: 5 });
    await collect(source);
    const app = await database.connect(roles.app);
    for (let kind = 0; kind < 12; kind++) await app.query(`select 1${", 1".repeat(kind)}`);
    const told = (await collect(source)).line?.fields["statements"];
    expect((told as unknown[]).length).toBeGreaterThanOrEqual(5);
    expect((told as unknown[]).length).toBeLessThanOrEqual(10);
  });
});

describe("a question that is given up", () => {
  it("closes its connection, and the next one is answered", async () => {
    const stop = new AbortController();
    const asked = primary.query("select pg_sleep(60)", stop.signal);
    setTimeout(() => stop.abort(), 100);
    await expect(asked).rejects.toThrow();
    expect(await primary.query("select 1 as one", signal)).toEqual([{ one: 1 }]);
  });
});

describe("the runbooks' SQL", () => {
  const directory = join(__dirname, "../../docs/runbooks");
  // What begins a transaction is the owner's: a test of its own runs it (monthArchives).
  const queries = readdirSync(directory).flatMap((file) =>
    [...readFileSync(join(directory, file), "utf8").matchAll(/^```sql\n(?!begin;)(.*?)^```/gms)].map(([, sql = ""]) => [
      file,
      sql,
    ]),
  );

  it.each(queries)("of %s runs as the monitor, read-only: %s", async (_file, sql) => {
    await monitor.query("begin read only");
    await monitor.query(sql).finally(() => monitor.query("rollback"));
  });
});
