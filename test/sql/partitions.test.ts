import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../../ops/log";
import { lockMaintenance } from "../../ops/maintenance/lock";
import { ensurePartitions, type EnsureResult } from "../../ops/maintenance/partitions";
import { roles } from "../../ops/roles";
import { month, monthName, tile } from "../months";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { runOps } from "./programs";

let server: TestPostgres;
let database: TestDatabase;
let owner: pg.Client;
let admin: pg.Client;
let app: pg.Client;
let logged: number;

/** Ten times what is aimed at (docs/performance.md measures that), as the machine may be busy with other tests. */
const longestStall = 1000;
/** The waits of readers and writers for a lock, as the server saw them: the time of a busy machine is not in them. */
const stalls = () =>
  server
    .serverLog()
    .slice(logged)
    .split("\n")
    .filter((line) => /still waiting for (AccessShare|RowExclusive|RowShare)Lock on relation/.test(line));

beforeAll(async () => {
  // A wait for a lock is logged when it has lasted as long as deadlock_timeout.
  server = await startPostgres({
    parameters: { log_lock_waits: "on", max_connections: "250", deadlock_timeout: `${longestStall}ms` },
  });
});
afterAll(() => server.stop());

beforeEach(async () => {
  logged = server.serverLog().length;
  database = await server.createDatabase({ migrated: true });
  owner = await database.connect(roles.owner);
  admin = await database.connect();
  app = await database.connect(roles.app);
});

interface Partition {
  parent: string;
  partition: string;
  kind: string;
  month: string | null;
  since: string | null;
  until: string | null;
}

async function all<T extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<T[]> {
  return (await admin.query<T>(sql, values)).rows;
}
const partitions = (parent: string) =>
  all<Partition>(
    `select parent::text, partition::text, kind, to_char(month, 'YYYY-MM') as month,
            to_char(since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as since, to_char(until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as until
       from audit.partitions where parent = to_regclass($1)`,
    [parent],
  );
const months = async (parent: string) =>
  (await partitions(parent)).filter(({ kind }) => kind === "month").map(({ month }) => month);
const where = async (table: string) =>
  all<{ partition: string; rows: number }>(
    `select tableoid::regclass::text as partition, count(*)::int as rows from ${table} group by 1 order by 1`,
  );
/** The first of the month so many months from now, in UTC, and a name for it. */
const ensure = (
  monthsAhead: number,
  more: Partial<Parameters<typeof ensurePartitions>[1]> = {},
): Promise<EnsureResult> => ensurePartitions(owner, { monthsAhead, log: silentLog, ...more });
const run = (args: string[] = [], env: Record<string, string> = {}) =>
  runOps("partitions", args, { DATABASE_URL: database.ownerUrl, ...env });

/** A monthly table without anyone's triggers, small enough to fill quickly. */
async function createTable(name: string, firstMonth: string): Promise<void> {
  await owner.query(
    `create table ${name} (id uuid not null default gen_random_uuid(), at timestamptz not null, n int not null, primary key (id, at)) partition by range (at)`,
  );
  await owner.query(`create index on ${name} (n)`);
  await owner.query("select audit.partition_by_month($1, $2)", [name, firstMonth]);
}

/** Calls `write` over and over until stopped, which settles to how often it did. */
function writer(write: (i: number) => Promise<unknown>): { stop: () => Promise<number> } {
  let going = true;
  const work = (async () => {
    let writes = 0;
    while (going) await write(writes++);
    return writes;
  })();
  return {
    stop: () => {
      going = false;
      return work;
    },
  };
}

describe("a month's bounds", () => {
  const zones = ["UTC", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kathmandu"];

  it.each(zones)("are UTC's across a year's end, in a session in %s", async (zone) => {
    await createTable("events", "2026-11-01");
    await owner.query(`set timezone = '${zone}'; set datestyle = 'SQL, DMY'`);
    for (const next of ["2026-12-01", "2027-01-01", "2027-02-01"])
      await owner.query("select audit.make_month('events', $1)", [next]);
    await owner.query(
      "insert into events (at, n) values ('2026-12-31 23:59:59.999999+00', 1), ('2027-01-01 00:00:00+00', 2), ('2027-02-01 00:00:00+00', 3)",
    );

    expect(await partitions("events")).toEqual(
      [
        ["events_past", "past", null, null, "2026-11-01 00:00:00"],
        ["events_2026_11", "month", "2026-11", "2026-11-01 00:00:00", "2026-12-01 00:00:00"],
        ["events_2026_12", "month", "2026-12", "2026-12-01 00:00:00", "2027-01-01 00:00:00"],
        ["events_2027_01", "month", "2027-01", "2027-01-01 00:00:00", "2027-02-01 00:00:00"],
        ["events_2027_02", "month", "2027-02", "2027-02-01 00:00:00", "2027-03-01 00:00:00"],
        ["events_future", "future", "2027-03", "2027-03-01 00:00:00", null],
      ].map(([partition, kind, month, since, until]) => ({ parent: "events", partition, kind, month, since, until })),
    );
    expect(await all("select tableoid::regclass::text as partition, n from events order by n")).toEqual([
      { partition: "events_2026_12", n: 1 },
      { partition: "events_2027_01", n: 2 },
      { partition: "events_2027_02", n: 3 },
    ]);
  });

  it("hold whatever instant is asked about", async () => {
    await owner.query("set timezone = 'Pacific/Kiritimati'");
    await fc.assert(
      fc.asyncProperty(
        fc.date({ min: new Date("1970-01-01"), max: new Date("2999-12-31"), noInvalidDate: true }),
        async (at) => {
          const { rows } = await owner.query<{ month: string; holds: boolean }>(
            `select audit.month_of($1)::text as month,
                  audit.month_start(audit.month_of($1)) <= $1 and $1 < audit.month_start((audit.month_of($1) + interval '1 month')::date) as holds`,
            [at.toISOString()],
          );
          expect(rows[0]).toEqual({ month: `${at.toISOString().slice(0, 7)}-01`, holds: true });
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("the job", () => {
  it("makes every month ahead of every monthly table, says so, and does nothing the second time", async () => {
    const expected = [0, 1, 2, 3].map(monthName);
    const tables = await all<{ parent: string }>("select distinct parent::text from audit.partitions order by 1");
    expect(tables.map(({ parent }) => parent)).toEqual(
      expect.arrayContaining([
        "receipts",
        "claim_events",
        "aegis_scans",
        "sentinel_agent_snapshots",
        "shadow_evaluations",
        "budget_ledger",
      ]),
    );
    const first = await run();
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.lines.at(-1)).toMatchObject({
      message: `made ${tables.length * 3} partitions`,
      created: tables.length * 3,
      moved: 0,
    });
    for (const { parent } of tables) expect(await months(parent), parent).toEqual(expected);

    const second = await run();
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(second.lines).toMatchObject([{ message: "every month had its partition", created: 0 }]);
  });

  it("does all of its work as the maintenance role: months ahead, rows that came too early, what an interruption left", async () => {
    const env = { DATABASE_URL: database.url(roles.maintenance) };
    await insertReceipts(app, [newReceipt({ created_at: month(1).toISOString() })]);
    await owner.query(
      "select audit.drain_start('receipts', 1); select audit.drain_copy(target) from audit.drain_targets",
    );
    await owner.query("select audit.drain_finish('receipts')");
    await insertReceipts(app, [newReceipt({ created_at: month(3).toISOString() })]);
    const result = await run([], env);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.lines.at(-1)).toMatchObject({ moved: 1 });
    expect(await months("receipts")).toEqual([0, 1, 2, 3].map(monthName));
    expect(await where("receipts")).toEqual([
      { partition: tile("receipts", 1), rows: 1 },
      { partition: tile("receipts", 3), rows: 1 },
    ]);
    expect(await leftovers("receipts")).toEqual([]);
    // What it makes is the owner's, and no more its own than before.
    expect(await all("select from pg_class where relowner = $1::regrole", [roles.maintenance])).toEqual([]);
  });

  it("waits for another run as the maintenance role too, and names it by what it may see", async () => {
    const holder = await database.connect(roles.owner);
    await lockMaintenance(holder, { log: silentLog, waitSeconds: 0 });
    const result = await run([], { DATABASE_URL: database.url(roles.maintenance), LOCK_WAIT_SECONDS: "0" });
    await holder.end();
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toMatch(
      /^partitions: waited 0 s for a program of authensor_owner \(server process \d+, from .*, connected since 20.*Z\), which still holds the maintenance lock/,
    );
  });

  it("makes each partition once when twenty run at the same moment", async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => run(["--months-ahead", "6"])));
    expect(results.map(({ code, stderr }) => ({ code, stderr }))).toEqual(results.map(() => ({ code: 0, stderr: "" })));
    const made = results.flatMap(({ lines }) =>
      lines.filter(({ message }) => message === "partition made").map(({ partition }) => partition),
    );
    expect(new Set(made).size).toBe(made.length);
    expect(await months("receipts")).toEqual([0, 1, 2, 3, 4, 5, 6].map(monthName));
  });

  it("gives each partition its table's indexes, triggers, checks and storage options, and nobody a way around the table", async () => {
    await ensure(3);
    const shape = await all<{
      name: string;
      indexes: number;
      triggers: number;
      checks: number;
      options: string | null;
      acl: string | null;
    }>(
      `select c.relname as name, c.relacl::text as acl, array_to_string(c.reloptions, ' ') as options,
              (select count(*)::int from pg_index i where i.indrelid = c.oid and i.indisvalid) as indexes,
              (select count(*)::int from pg_trigger t where t.tgrelid = c.oid and t.tgtype & 1 = 1 and not t.tgisinternal) as triggers,
              (select count(*)::int from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conname <> 'past_bound') as checks
         from pg_class c where c.oid = 'receipts'::regclass or c.oid in (select partition from audit.partitions where parent = 'receipts'::regclass)`,
    );
    const parent = shape.find(({ name }) => name === "receipts");
    const tiles = shape.filter(({ name }) => name !== "receipts");
    expect(tiles).toHaveLength(6);
    expect(parent?.indexes).toBeGreaterThanOrEqual(6);
    for (const { name, ...actual } of tiles) {
      expect(actual, name).toEqual({
        acl: null,
        // And the month's key.
        indexes: (parent?.indexes ?? 0) + 1,
        triggers: parent?.triggers,
        checks: parent?.checks,
        options: "autovacuum_vacuum_insert_scale_factor=0.05 autovacuum_analyze_scale_factor=0.02 fillfactor=90",
      });
    }
  });

  it("does not fail an insert, nor keep a writer waiting for long, while it works", async () => {
    const others = await Promise.all([1, 2, 3].map(() => database.connect(roles.app)));
    const writers = others.map((client, agent) =>
      writer((i) =>
        insertReceipts(client, [
          newReceipt({ actor_id: `agent-${agent}`, created_at: new Date(month(i % 8).getTime() + 1000).toISOString() }),
        ]),
      ),
    );
    const written = async () => (await all<{ n: number }>("select count(*)::int as n from receipts"))[0]?.n ?? 0;
    while ((await written()) < 30) await sleep(20);
    // Receipts dated ahead meet each new month first in the open end, then in its partition.
    for (const ahead of [1, 4, 8]) await ensure(ahead);
    const outcomes = await Promise.all(writers.map(({ stop }) => stop()));
    const writes = outcomes.reduce((sum, each) => sum + each, 0);
    expect(writes).toBeGreaterThan(30);
    expect((await where("receipts")).reduce((sum, { rows }) => sum + rows, 0)).toBe(writes);
    expect((await where("receipts")).map(({ partition }) => partition)).not.toContain("receipts_future");
    expect(stalls()).toEqual([]);
  });

  it("gives up clearly while a transaction holds the table, without making others wait longer than an attempt, and inserts still find their partition", async () => {
    const reader = await database.connect(roles.auditor);
    await reader.query("begin; select count(*) from receipts");
    const writing = writer(() => insertReceipts(app, [newReceipt({ created_at: month(2).toISOString() })]));
    const result = await run([], { LOCK_PATIENCE_SECONDS: "2" });
    const writes = await writing.stop();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^partitions: (make|start draining|finish draining) receipts.*: canceling statement due to lock timeout; a table was in use at each of \d+ attempts within 2 s\n {2}in use by a program of authensor_auditor \(server process \d+, from .*, in a transaction since 20.*Z\)\n[^]*pg_terminate_backend/,
    );
    expect(stalls()).toEqual([]);
    await reader.query("commit");
    expect(await where("receipts")).toEqual([{ partition: "receipts_future", rows: writes }]);
    expect(await run()).toMatchObject({ code: 0 });
    expect(await where("receipts")).toEqual([{ partition: tile("receipts", 2), rows: writes }]);
  });

  it("waits for a vacuum to give way, as one does after a second, and lets everyone else work meanwhile", async () => {
    const vacuum = await database.connect();
    await vacuum.query("begin; lock table receipts_future in share update exclusive mode");
    const writing = writer(() => insertReceipts(app, [newReceipt()]));
    const making = ensure(1);
    await sleep(1500);
    await vacuum.query("commit");
    expect((await making).created).toContain(tile("receipts", 1));
    await writing.stop();
    expect(stalls()).toEqual([]);
  });

  it("does nothing on a standby", async () => {
    const standby = await startPostgres();
    try {
      const copy = await standby.createDatabase({ migrated: true });
      await standby.crash();
      writeFileSync(join(standby.dataDir, "standby.signal"), "");
      await standby.start();
      const result = await runOps("partitions", [], { DATABASE_URL: copy.ownerUrl });
      expect(result).toMatchObject({
        code: 0,
        stderr: "",
        lines: [{ message: "this server is a standby: nothing to do here" }],
      });
      const migration = await runOps("migrate", ["up"], { DATABASE_URL: copy.ownerUrl });
      expect(migration).toMatchObject({
        code: 1,
        stderr: "migrate: this server is a standby: the database's URL must name the primary\n",
      });
    } finally {
      await standby.stop();
    }
  });

  it.each([
    ["a wrong number of months", ["--months-ahead", "many"], /MONTHS_AHEAD must be a whole number/],
    ["too many months", ["--months-ahead", "121"], /MONTHS_AHEAD must be at most 120/],
    ["an unknown option", ["--ahead"], /unknown option/],
  ])("refuses %s with exit code 2", async (_name, args, message) => {
    const result = await run(args);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
  });

  it("says what to do where there is no schema yet", async () => {
    const empty = await server.createDatabase();
    const result = await runOps("partitions", [], { DATABASE_URL: empty.ownerUrl });
    expect(result).toMatchObject({
      code: 1,
      stderr: "partitions: this database has no monthly tables: run migrate first\n",
    });
  });
});

describe("a receipt always finds its partition:", () => {
  it("long past, or far ahead, where one stray is no reason to move anything", async () => {
    const past = ["1970-01-01T00:00:00Z", "2001-09-09T01:46:40Z"];
    const ahead = ["2099-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"];
    await insertReceipts(
      app,
      [...past, ...ahead].map((created_at) => newReceipt({ created_at })),
    );
    expect(await ensure(3)).toMatchObject({ moved: 0 });
    expect(await where("receipts")).toEqual([
      { partition: "receipts_future", rows: 2 },
      { partition: "receipts_past", rows: 2 },
    ]);
    expect(await months("receipts")).toEqual([0, 1, 2, 3].map(monthName));
  });

  it("far ahead, in numbers: they are moved out of the way when a month is due, and then left alone", async () => {
    await createTable("events", month(0).toISOString().slice(0, 10));
    await owner.query("insert into events (at, n) select '2099-01-01', i from generate_series(1, 10001) i");
    expect(await ensure(1)).toMatchObject({ moved: 0 });
    const tiles = () => all("select partition::oid, kind from audit.partitions where parent = 'events'::regclass");
    const before = await tiles();
    expect(before).toHaveLength(4);
    expect(await all("select * from audit.missing_months(1)")).toEqual([]);
    expect(await ensure(1)).toMatchObject({ created: [], moved: 0 });
    expect(await tiles()).toEqual(before);
    expect(await where("events")).toEqual([{ partition: "events_future", rows: 10001 }]);
  });

  it("its date must be one, though", async () => {
    await expect(insertReceipts(app, [newReceipt({ created_at: "infinity" })])).rejects.toThrow();
    await expect(insertReceipts(app, [newReceipt({ created_at: "-infinity" })])).rejects.toThrow();
  });

  it("in months for which the job has not run; when it runs again each row moves into its month, unchanged, while writers go on", async () => {
    const at = (ahead: number, i: number) => new Date(month(ahead).getTime() + i * 1000).toISOString();
    for (const ahead of [1, 2, 3]) {
      const receipts = Array.from({ length: 300 }, (_, i) =>
        newReceipt({ actor_id: `agent-${i % 7}`, created_at: at(ahead, i) }),
      );
      await insertReceipts(app, receipts);
    }
    await insertReceipts(app, [newReceipt({ created_at: "2099-01-01T00:00:00Z" })]);
    expect(await where("receipts")).toEqual([{ partition: "receipts_future", rows: 901 }]);
    const [before] = await all<{ content: string }>(
      "select md5(string_agg(r::text, '' order by id)) as content from receipts r",
    );

    const others = await Promise.all([1, 2].map(() => database.connect(roles.app)));
    const inserting = writer((i) =>
      insertReceipts(app, [newReceipt({ actor_id: "late", created_at: at(2, 5000 + i) })]),
    );
    const claiming = others.map((client) =>
      writer(async () => {
        const { rows } = await client.query<{ id: string }>(
          "select id from receipts where actor_id = 'late' and claim_id is null limit 1",
        );
        const sql =
          "update receipts set claim_id = $2, claimed_at = now(), claim_expires_at = now() + interval '30 s' where id = $1 and claim_id is null";
        if (rows[0]) await client.query(sql, [rows[0].id, randomUUID()]);
      }),
    );
    await sleep(300);
    const result = await ensure(3);
    await sleep(100);
    const writes = await inserting.stop();
    await Promise.all(claiming.map(({ stop }) => stop()));

    expect(result.moved).toBeGreaterThanOrEqual(900);
    expect(await months("receipts")).toEqual([0, 1, 2, 3].map(monthName));
    expect(await where("receipts")).toEqual([
      { partition: tile("receipts", 1), rows: 300 },
      { partition: tile("receipts", 2), rows: 300 + writes },
      { partition: tile("receipts", 3), rows: 300 },
      { partition: "receipts_future", rows: 1 },
    ]);
    expect(
      await all(
        "select md5(string_agg(r::text, '' order by id)) as content from receipts r where actor_id is distinct from 'late'",
      ),
    ).toEqual([before]);
    // Every claim of the writers is there: each update between copy and swap reached the copy.
    const [recorded] = await all<{ n: number }>("select count(*)::int as n from receipts where claim_id is not null");
    expect(recorded?.n).toBeGreaterThan(0);
    expect(recorded?.n).toBeLessThanOrEqual(writes);
    expect(stalls()).toEqual([]);
    expect(await leftovers("receipts")).toEqual([]);
  });
});

const leftovers = (table: string) =>
  all(
    `select relname from pg_class where relkind = 'r' and relname in ($1 || '_drained', $1 || '_future_next', $1 || '_changes')
     union all select tgname from pg_trigger where tgname = 'audit_drain'
     union all select conname from pg_constraint where conname = 'drain_bounds'
     union all select target::text from audit.drain_targets`,
    [table],
  );

describe("a drain", () => {
  const fill =
    "insert into events (id, at, n) select gen_random_uuid(), now() - interval '120 days' + make_interval(hours => i), i from generate_series(1, 2880) i";
  const content = "select md5(string_agg(e::text, '' order by n, id)) as content, count(*)::int as rows from events e";

  beforeEach(async () => {
    await createTable("events", month(-6).toISOString().slice(0, 10));
    await owner.query(fill);
  });

  const steps: [string, string][] = [
    ["start", "select audit.drain_start('events', 3)"],
    ["copy", "select audit.drain_copy(target) from audit.drain_targets"],
    ["apply", "select audit.drain_apply('events', 5)"],
    ["finish", "select audit.drain_finish('events')"],
  ];
  it.each(steps.map(([name], i) => [name, i] as const))(
    "interrupted after its step '%s' is completed by the next run, with nothing lost",
    async (_name, last) => {
      for (const [i, [, sql]] of steps.entries()) {
        if (i > last) break;
        await owner.query(sql);
        // Afterwards a row that is missing or another would be taken for a lost or an altered one: see below.
        if (i < 3)
          await owner.query("update events set n = n + 1000000 where n between 100 * $1 and 100 * $1 + 30", [i]);
        if (i < 3) await owner.query("delete from events where n between 100 * $1 + 40 and 100 * $1 + 50", [i]);
        await owner.query("insert into events (at, n) select now(), 10000 + $1 from generate_series(1, 20)", [i]);
      }
      const before = await all(content);
      await ensure(3);
      expect(await all(content)).toEqual(before);
      expect((await where("events")).map(({ partition }) => partition)).not.toContain("events_future");
      expect(await months("events")).toEqual([-6, -5, -4, -3, -2, -1, 0, 1, 2, 3].map(monthName));
      expect(await leftovers("events")).toEqual([]);
    },
  );

  it.each([
    ["a partition", "events_future"],
    ["a table that no drain made", "events_kept"],
  ])("drops nothing that it did not make: %s on its list is refused by name", async (_what, table) => {
    await owner.query("create table events_kept as select * from events");
    await owner.query("insert into audit.drain_targets values ('events', $1, now(), null, true)", [table]);
    const before = await all(content);
    await expect(owner.query("select audit.drain_start('events', 3)")).rejects.toThrow(`${table} is on the list`);
    expect(await all(content)).toEqual(before);
    expect(await all("select count(*)::int as rows from events_kept")).toEqual([{ rows: 2880 }]);
    await owner.query("delete from audit.drain_targets; drop table events_kept");
  });

  it("keeps the drained table, and says so, should a row not be found in its month", async () => {
    for (const [, sql] of steps) await owner.query(sql);
    await owner.query("delete from events where n = 7");
    await expect(ensure(3)).rejects.toMatchObject({
      message: expect.stringMatching(/1 rows of public.events_drained are missing from public.events/) as unknown,
      details: [expect.stringMatching(/Nothing was dropped/)],
    });
    expect(await all("select to_regclass('events_drained')::text as kept")).toEqual([{ kept: "events_drained" }]);
  });

  it("keeps the drained table, and says so, should a row have another content in its month", async () => {
    for (const [, sql] of steps) await owner.query(sql);
    await owner.query("update events set n = 7000 where n = 7");
    await expect(ensure(3)).rejects.toMatchObject({
      message: expect.stringMatching(/0 rows .* missing from public.events, 1 have another content there/) as unknown,
      details: [expect.stringMatching(/Nothing was dropped/)],
    });
    expect(await all("select to_regclass('events_drained')::text as kept")).toEqual([{ kept: "events_drained" }]);
  });

  const receiptSteps = steps.map(([, sql]) => sql.replaceAll("'events'", "'receipts'"));
  it.each([
    ["a seal", "chain_seal = sha256(chain_seal)"],
    ["a time of sealing", "sealed_at = sealed_at - interval '1 us'"],
    ["an envelope", "envelope = envelope || '{\"n\": 1.50}'"],
    ["a predecessor's hash", "prev_receipt_hash = null"],
  ])("keeps the drained receipts, should %s be another in the month", async (_, assignment) => {
    for (const ahead of [1, 2])
      await insertReceipts(app, [newReceipt({ created_at: month(ahead).toISOString() }), newReceipt()]);
    for (const sql of receiptSteps) await owner.query(sql);
    // What happens to a receipt after the swap is no difference.
    await app.query("update receipts set rekor_entry_id = 'later'");
    const attacker = await database.connect();
    await attacker.query("set session_replication_role = replica");
    await attacker.query(`update receipts set ${assignment} where created_at = $1`, [month(2).toISOString()]);
    await expect(owner.query("select audit.drain_release('receipts')")).rejects.toMatchObject({
      code: "XX001",
      message: expect.stringMatching(/0 rows .* missing from public.receipts, 1 have another content there/) as unknown,
    });
    expect(await all("select count(*)::int as kept from receipts_drained")).toEqual([{ kept: 2 }]);
  });

  it("drops the drained receipts although they were changed since", async () => {
    await insertReceipts(app, [newReceipt({ created_at: month(1).toISOString() }), newReceipt()]);
    for (const sql of receiptSteps) await owner.query(sql);
    await app.query("update receipts set rekor_entry_id = 'later'");
    expect(await all("select audit.drain_release('receipts') as dropped")).toEqual([{ dropped: true }]);
  });

  it("runs for a table whose generated columns and identities are not to be written", async () => {
    await owner.query(
      "create table wide (at timestamptz, id bigint generated by default as identity, twice bigint generated always as (id * 2) stored, primary key (at, id)) partition by range (at)",
    );
    await owner.query("select audit.partition_by_month('wide', $1)", [month(-2).toISOString().slice(0, 10)]);
    await owner.query("insert into wide (at) select now() - make_interval(days => i) from generate_series(0, 40) i");
    const sum = "select sum(id)::int as ids, sum(twice)::int as twice from wide";
    const before = await all(sum);
    expect((await ensure(1)).moved).toBeGreaterThan(0);
    expect(await all(sum)).toEqual(before);
  });
});

describe("the oldest month", () => {
  it("leaves its table whole, and what is dated back to it still finds a partition", async () => {
    await createTable("events", "2026-01-01");
    await owner.query("insert into events (at, n) values ('2025-12-31', 0), ('2026-01-15', 1), ('2026-02-15', 2)");
    await owner.query(
      "select audit.drain_start('events', 0); select audit.drain_copy(target) from audit.drain_targets; select audit.drain_finish('events')",
    );
    const { rows } = await owner.query<{ detached: string }>(
      "select audit.detach_month('events', '2026-01-01')::text as detached",
    );
    expect(rows).toEqual([{ detached: "events_2026_01" }]);
    expect(await all("select n from events_2026_01")).toEqual([{ n: 1 }]);
    await owner.query("insert into events (at, n) values ('2026-01-20', 3)");
    expect(await where("events")).toEqual([
      { partition: "events_2026_02", rows: 1 },
      { partition: "events_past", rows: 2 },
    ]);
  });

  it("leaves without _past being read under the lock, and with writers going on until then, each time", async () => {
    await createTable("events", "2026-01-01");
    for (const next of ["2026-02-01", "2026-03-01"]) await owner.query("select audit.make_month('events', $1)", [next]);
    await owner.query("insert into events (at, n) select '2025-06-01', i from generate_series(1, 1000) i");
    const other = await database.connect(roles.owner);
    await other.query("set lock_timeout = '200ms'");
    const notices: string[] = [];
    owner.on("notice", ({ message }) => notices.push(message ?? ""));
    await owner.query("set client_min_messages = debug1");
    for (const [i, next] of ["2026-01-01", "2026-02-01"].entries()) {
      await owner.query("begin");
      const { rows } = await owner.query<{ prepared: string }>(
        "select d::text as prepared from audit.prepare_detach('events', $1) d",
        [next],
      );
      await other.query("insert into events (at, n) values ('2025-12-31', -1), ($1, -2)", [next]);
      await other.query("update events set n = n where n < 0");
      notices.length = 0;
      await owner.query("select audit.finish_detach($1)", [rows[0]?.prepared]);
      await owner.query("commit");
      expect(notices).toContain('partition constraint for table "events_past" is implied by existing constraints');
      expect(await all("select count(*)::int as rows from events_past")).toEqual([{ rows: 1001 + 2 * i }]);
      // Dated back to the month that left: it is in _past now, whose bound must have grown, and is checked the next time.
      await other.query("insert into events (at, n) values ($1, -3)", [next]);
    }
    await expect(
      owner.query("insert into events_past (at, n) values ('2026-03-01', 0)"),
      "beyond its bound",
    ).rejects.toMatchObject({ code: "23514" });
  });

  it("is the only one that can leave", async () => {
    await createTable("events", "2026-01-01");
    await owner.query("select audit.make_month('events', '2026-02-01')");
    await expect(owner.query("select audit.detach_month('events', '2026-02-01')")).rejects.toThrow(
      /leave in order, and the oldest is 2026-01/,
    );
    await expect(owner.query("select audit.make_month('events', '2026-05-01')")).rejects.toThrow(
      /made in order, and the next one is 2026-03/,
    );
  });
});

describe("reading", () => {
  it("takes the latest receipts from the newest partitions only, in order, without sorting", async () => {
    await ensure(3);
    await insertReceipts(
      app,
      Array.from({ length: 60 }, (_, i) => newReceipt({ created_at: new Date(month(0).getTime() + i).toISOString() })),
    );
    // So few rows would be read whole and sorted.
    await app.query("set enable_seqscan = off; set enable_bitmapscan = off");
    const { rows } = await app.query<{ "QUERY PLAN": string }>(
      "explain (analyze, costs off, timing off, summary off) select * from receipts order by created_at desc limit 50",
    );
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
    expect(plan).not.toMatch(/Sort|Merge Append/);
    expect(plan).toMatch(/receipts_past.*never executed/);
  });
});
