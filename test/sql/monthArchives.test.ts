/** Archives of months in the locked bucket: how they come to be, what is proven by them, and when a month leaves the database. */
import { readFileSync } from "node:fs";
import { DeleteObjectCommand, PutObjectRetentionCommand } from "@aws-sdk/client-s3";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Bucket } from "../../ops/archive/bucket";
import { checkArchive } from "../../ops/archive/check";
import { archive } from "../../ops/archive/run";
import { dump } from "../../ops/dump/run";
import { silentLog } from "../../ops/log";
import { takeAnchor } from "../../ops/takeAnchor";
import { checkByMonths } from "../../ops/months/archive";
import { compact, type Compaction } from "../../ops/months/compact";
import type { Month } from "../../ops/months/manifest";
import { reportMonths } from "../../ops/months/report";
import { retire, type Retirement } from "../../ops/months/retire";
import { makeMonths } from "../../ops/restore/months";
import { roles } from "../../ops/roles";
import { verifyArchive } from "../../ops/verify/archived";
import { allCheckpoints } from "../../ops/verify/snapshot";
import { readToldMonths, toldMonthFindings } from "../../ops/verify/toldMonths";
import { withClockOff } from "../clock";
import { month, monthName, tile } from "../months";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { alterObject, keysIn, lockedBucket, makeBucket, removeObject, testRegion, testS3, type TestS3 } from "../s3";
import { runOps } from "./programs";

const { signal } = new AbortController();
let server: TestPostgres;
let s3: TestS3;
let database: TestDatabase;
let owner: pg.Client;
let superuser: pg.Client;
let auditor: pg.Client;
let bucket: Bucket;
let made = 0;

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
});
afterAll(() => Promise.all([server.stop(), s3.close()]));

beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  [owner, superuser, auditor] = await Promise.all([
    database.connect(roles.owner),
    database.connect(),
    database.connect(roles.auditor),
  ]);
  const name = `months-${++made}`;
  makeBucket(s3.root, name, lockedBucket);
  bucket = new Bucket(s3.client({ forcePathStyle: true }), name, signal, { mode: "GOVERNANCE", days: 30 });
});

// A server has a hundred connections, and this file more tests than a third of that.
afterEach(() => Promise.all([owner, superuser, auditor].map((client) => client.end())));

/** What chains gained goes into the bucket. */
const archived = (client = auditor) =>
  archive({ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 1000 });
/** Two agents, one with an approval that was asked for; and one receipt of next month, so that the trail is not empty. */
async function someReceipts(): Promise<void> {
  await insertReceipts(owner, [
    ...Array.from({ length: 3 }, () => newReceipt()),
    newReceipt({ actor_id: "b", decision_outcome: "require_approval" }),
    newReceipt({ created_at: `${monthName(1)}-15T00:00:00Z` }),
  ]);
}
const check = async () => verifyArchive(bucket, 0, 0, await allCheckpoints(auditor));
const programEnv = () => ({
  DATABASE_URL: database.url(roles.auditor),
  AWS_ENDPOINT_URL_S3: s3.url,
  BACKUP_BUCKET: bucket.name,
  BACKUP_REGION: testRegion,
  ...s3.environment,
});
const verify = (args: string[]) => runOps("verify", args, programEnv());

const compaction = (more: Partial<Compaction> = {}) =>
  compact({ bucket, environment: "test", delayDays: 7, told: 0, now: later, log: silentLog, ...more });
/** When this month has been over for more than the delay. */
const later = new Date(month(1).getTime() + 8 * 86_400_000);
/** Everything that is in the bucket, by archives where there are some. */
async function readAll({ months } = { months: true }): Promise<{ lines: string[]; problems: string[] }> {
  const [lines, problems]: [string[], string[]] = [[], []];
  for await (const one of (months ? checkByMonths : checkArchive)(bucket, {
    lines: (some) => void lines.push(...some.map(String)),
  }))
    problems.push(...one.problems);
  return { lines, problems };
}
const keysBelow = (folder: string) => keysIn(bucket, folder);

describe("compaction", () => {
  /** Four segments. */
  async function fourSegments(): Promise<void> {
    for (let i = 0; i < 4; i++) {
      await someReceipts();
      await archived();
    }
  }

  it("makes one archive of a month's segments, with the same rows and proofs, once the month has been over for the delay", async () => {
    await fourSegments();
    expect(await compaction({ now: new Date(later.getTime() - 2 * 86_400_000) })).toEqual({ written: 0 });
    const { written, newest } = await compaction();
    expect(written).toBe(1);
    expect(newest).toMatchObject({
      month: monthName(0),
      manifests: { first: 1, last: 4, before: null },
      made: { [monthName(0)]: { receipts: 16, changes: 4 }, [monthName(1)]: { receipts: 4, changes: 0 } },
      from: { chains: [] },
      to: {
        chains: [
          { agent: "agent-1", seq: 16, history_seq: 0 },
          { agent: "b", seq: 4, history_seq: 4 },
        ],
      },
    });
    const segments = await readAll({ months: false });
    expect(await readAll()).toEqual(segments);
    expect(segments.lines).toHaveLength(28);
    expect(segments.problems).toEqual([]);
    expect(await compaction(), "nothing more is to be done").toMatchObject({ written: 0 });
  });

  it("adds what came too late to the archive of the next, which goes on where the one before ends", async () => {
    await fourSegments();
    await compaction();
    await insertReceipts(owner, [newReceipt(), newReceipt({ actor_id: "late", created_at: "2019-01-01T00:00:00Z" })]);
    await archived();
    expect(await readAll(), "before that they are in segments").toEqual(await readAll({ months: false }));
    const { newest } = await compaction();
    expect(newest).toMatchObject({
      number: 2,
      manifests: { first: 5, last: 5 },
      made: { "2019-01": { receipts: 1, changes: 0 }, [monthName(0)]: { receipts: 1, changes: 0 } },
    });
    expect(await readAll()).toEqual(await readAll({ months: false }));
  });

  it("goes from one month to the next in which something was written: a month between them has no archive, and lacks none", async () => {
    await someReceipts();
    await archived(withClockOff(auditor, month(-2).getTime() - Date.now()));
    await someReceipts();
    await archived();
    expect(await compaction()).toMatchObject({ written: 2, newest: { number: 2, month: monthName(0) } });
    expect(await readMonth("months/000/000/001.json")).toMatchObject({ month: monthName(-2) });
    expect(await readAll()).toEqual(await readAll({ months: false }));
    expect(await verify(["--archived"])).toMatchObject({ code: 0, lines: [{ unverified: [], findings: [] }] });
  });

  it("of which one run was ended before its manifest leaves nothing that counts, and of two at once one counts", async () => {
    await fourSegments();
    const ended = new Bucket(bucket.client, bucket.name, signal);
    ended.putNew = (key, ...rest) =>
      key.startsWith("months/") ? Promise.reject(new Error("ended")) : bucket.putNew(key, ...rest);
    await expect(compaction({ bucket: ended })).rejects.toThrow("ended");
    expect(await keysBelow("archives/")).toHaveLength(1);
    expect(await readAll()).toEqual(await readAll({ months: false }));
    const both = await Promise.all([compaction(), compaction()]);
    expect(both.map(({ written }) => written).sort()).toEqual([0, 1]);
    expect(await keysBelow("months/")).toEqual(["months/000/000/001.json"]);
    expect((await readAll()).problems).toEqual([]);
  });

  it("keeps all of a month whose segments and manifests have gone since", async () => {
    await fourSegments();
    await compaction();
    const before = await readAll();
    for (const key of [...(await keysBelow("segments/")), ...(await keysBelow("manifests/"))]) await remove(key);
    expect(await readAll()).toEqual(before);
  });

  it("refuses a month of which a segment is altered, and writes nothing", async () => {
    await fourSegments();
    const [, second = ""] = await keysBelow("segments/");
    await alter(second);
    await expect(compaction()).rejects.toMatchObject({
      message: expect.stringMatching(/is not compacted: its segments in the bucket .* are not whole/) as string,
      details: [expect.stringContaining(second) as string, expect.stringContaining("archive-flawed.md") as string],
    });
    expect([...(await keysBelow("archives/")), ...(await keysBelow("months/"))]).toEqual([]);
  });

  it("reads a segment that somebody hid as it was first written", async () => {
    await fourSegments();
    const [, second = ""] = await keysBelow("segments/");
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: second }));
    expect(await compaction()).toMatchObject({ written: 1 });
    expect((await readAll()).lines).toHaveLength(28);
  });

  it("is not gone on with where the newest archives were removed, by what the database was told", async () => {
    await fourSegments();
    await expect(compaction({ told: 1 })).rejects.toThrow(
      /the newest archive of a month in the bucket .* is 0, and 1 had been written/,
    );
  });

  it.each([
    ["is altered", (key: string) => alter(key), /cannot be read as what its manifest names/],
    ["is gone", (key: string) => remove(key), /is gone, and has not expired/],
    [
      "is hidden",
      (Key: string) => bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key })),
      /was hidden after it was written/,
    ],
  ])("an archive that %s is found, and what comes after it is verified all the same", async (_what, harm, said) => {
    await fourSegments();
    await compaction();
    await someReceipts();
    await archived();
    await harm((await keysBelow("archives/"))[0]!);
    const { findings, report } = await verifyArchive(bucket, 0, 0);
    expect(findings).toMatchObject([{ kind: "altered-archive", message: expect.stringMatching(said) as string }]);
    expect(report.newest).toBe(5);
  });

  it("an archive's manifest that was altered is found", async () => {
    await fourSegments();
    await compaction();
    const manifest = "months/000/000/001.json";
    const text = (await bucket.read(manifest)).toString();
    await remove(manifest);
    await bucket.putNew(manifest, Buffer.from(text.replace('"seq":16', '"seq":15')), "application/json");
    expect((await check()).findings.map(({ message }) => message)).toEqual([
      expect.stringContaining("says that chains stand elsewhere than its rows end"),
    ]);
  });

  it("is a program that tells the database how far every chain is in archives", async () => {
    await someReceipts();
    await archived();
    const env = { ...programEnv(), DATABASE_URL: database.url(roles.archiver), ENVIRONMENT: "test" };
    // This month is not over.
    expect(await runOps("compact", [], env)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("nothing to compact") as string,
    });
    await compaction();
    expect(await runOps("compact", [], env)).toMatchObject({ code: 0 });
    const { rows } = await auditor.query("select chain, agent, last_seq from audit.archived_chains order by 1, 2");
    expect(rows).toEqual([
      { chain: "history", agent: "b", last_seq: "1" },
      { chain: "receipts", agent: "agent-1", last_seq: "4" },
      { chain: "receipts", agent: "b", last_seq: "1" },
    ]);
    await remove("months/000/000/001.json");
    expect(await runOps("compact", [], env)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("1 had been written") as string,
    });
    const { rows: runs } = await auditor.query(
      "select succeeded_at < finished_at as failed from audit.program_runs where program = 'compact'",
    );
    expect(runs).toEqual([{ failed: true }]);
    const runbook = readFileSync("docs/runbooks/archive-flawed.md", "utf8");
    await owner.query(/`(update audit\.archive set manifest = 0;[^`]*)`/.exec(runbook)![1]!);
    expect(await runOps("compact", [], env)).toMatchObject({ code: 0 });
    const { rows: ends } = await auditor.query("select from audit.archived_chains");
    expect(ends).toHaveLength(0);
  });
});

describe("a month that is due to leave the database", () => {
  /** Its role may have three connections, whatever the database. */
  let maintenance: pg.Client;
  beforeEach(async () => {
    maintenance = await database.connect(roles.maintenance);
  });
  afterEach(() => maintenance.end());
  /** When last month has been in the database for six months more. */
  const due = new Date(month(6).getTime() + 86_400_000);
  const retirement = async (more: Partial<Retirement> = {}) =>
    retire({
      client: maintenance,
      bucket,
      onlineMonths: 6,
      delayDays: 7,
      now: due,
      log: silentLog,
      lockTimeoutMs: 200,
      patienceSeconds: 1,
      ...more,
    });
  const told = async () => {
    const { newest } = await compaction();
    const client = await database.connect(roles.archiver);
    await reportMonths(client, newest!);
  };
  const unlock = async (leaveMs = 60_000) => {
    const [Key] = await keysBelow("archives/");
    const Retention = { Mode: "GOVERNANCE", RetainUntilDate: new Date(Date.now() + leaveMs) } as const;
    const shorter = { Bucket: bucket.name, Key, Retention, BypassGovernanceRetention: true };
    await bucket.client.send(new PutObjectRetentionCommand(shorter));
  };
  const receiptsLeft = async () =>
    Number((await owner.query<{ n: string }>("select count(*) as n from receipts")).rows[0]!.n);
  /** Three receipts of last month, and one of this. */
  const prepared = async (beforeItIsArchived = () => Promise.resolve<unknown>(undefined), oldest = -1) => {
    const names = Array.from({ length: 2 - oldest }, (_, i) => monthName(oldest + i));
    const tables = ["public.receipts", "audit.receipt_history"].map((name) => name.split("."));
    await makeMonths(owner, { months: tables.map(([schema = "", table = ""]) => ({ schema, table, names })) });
    const created_at = `${monthName(-1)}-15T00:00:00Z`;
    await insertReceipts(owner, [
      newReceipt({ created_at }),
      newReceipt({ created_at }),
      newReceipt({ created_at, actor_id: "b", decision_outcome: "require_approval" }),
    ]);
    await insertReceipts(owner, [newReceipt()]);
    await beforeItIsArchived();
    await archived();
  };

  it("leaves it with receipts and changes once its archive is whole and locked, and is verified in the bucket from then on", async () => {
    await prepared();
    await told();
    const archiver = await database.connect(roles.archiver);
    await dump({ client: archiver, bucket, environment: "test", told: 0, log: silentLog, manifest: 1 });
    expect(await retirement()).toEqual({ months: [monthName(-1)], waits: undefined });
    expect(await receiptsLeft()).toBe(1);
    const { rows } = await superuser.query("select from pg_class where relname in ($1, $2)", [
      tile("receipts", -1),
      tile("receipt_history", -1),
    ]);
    expect(rows).toHaveLength(0);
    expect(await verify(["--archived"])).toMatchObject({ code: 0, lines: [{ unverified: [], findings: [] }] });
    // Without the segments too: the archive alone proves it.
    for (const key of await keysBelow("segments/")) await remove(key);
    expect(await verify(["--archived"])).toMatchObject({ code: 0, lines: [{ unverified: [], findings: [] }] });
  });

  it("leaves without any archive where it has no row, and nobody asks for one: no run, no verification, no search", async () => {
    await prepared(undefined, -3);
    const archiver = await database.connect(roles.archiver);
    await dump({ client: archiver, bucket, environment: "test", told: 0, log: silentLog, manifest: 1 });
    const empty = [-3, -2].map(monthName);
    expect(await retirement({ delayDays: 400 })).toEqual({
      months: empty,
      waits: expect.stringContaining(`${monthName(-1)} stays in the database`) as string,
    });
    await told();
    expect(await retirement()).toEqual({ months: [monthName(-1)], waits: undefined });
    expect(await verify(["--archived"])).toMatchObject({ code: 0, lines: [{ unverified: [], findings: [] }] });
    const found = await runOps(
      "search",
      ["--archived", "--json", "--latest", "--since", `${empty[0]}-01`],
      programEnv(),
    );
    expect(found).toMatchObject({ code: 0, lines: [{ left: [] }] });
    expect((found.lines as { found: unknown[] }[])[0]!.found).toHaveLength(4);
  });

  it("stays until it is due, and while it is not over, whatever the caller says", async () => {
    await prepared();
    await told();
    expect(await retirement({ now: new Date(due.getTime() - 2 * 86_400_000) })).toMatchObject({ months: [] });
    await maintenance.query("select audit.retire_month($1)", [`${monthName(-1)}-01`]);
    await expect(maintenance.query("select audit.retire_month($1)", [`${monthName(0)}-01`])).rejects.toThrow(
      `${monthName(0)} is not over: it cannot leave the database`,
    );
    expect(await receiptsLeft()).toBe(1);
  });

  it("waits for the next archive where something of it came late, and is told of where that should long have been", async () => {
    await prepared();
    await told();
    await insertReceipts(owner, [newReceipt({ created_at: `${monthName(-1)}-16T00:00:00Z` })]);
    await archived();
    const said = `${monthName(-1)} stays in the database: receipt 4 of agent "agent-1" is in no archive of the bucket, which has the chain up to 3`;
    expect(await retirement({ now: due, delayDays: 400 })).toEqual({ months: [], waits: said });
    await expect(retirement()).rejects.toThrow(said);
    expect(await receiptsLeft()).toBe(5);
    await told();
    expect(await retirement()).toMatchObject({ months: [monthName(-1)] });
  });

  it("waits where there is no archive yet, as long as the bucket's first month explains it", async () => {
    await prepared();
    const said = expect.stringMatching(
      /change 1 of agent "b" is in no archive|receipt \d of agent .* is in no archive/,
    ) as string;
    expect(await retirement({ now: later, onlineMonths: 1 })).toEqual({ months: [], waits: said });
    await expect(retirement()).rejects.toThrow("is in no archive of the bucket, which has the chain up to 0");
    expect(await receiptsLeft()).toBe(4);
  });

  it("calls a change a change that is in no archive yet", async () => {
    await prepared();
    await told();
    await owner.query("delete from audit.archived_chains where chain = 'history'");
    await expect(retirement()).rejects.toThrow('change 1 of agent "b" is in no archive of the bucket');
  });

  it("names who uses its tables where it gives up", async () => {
    await prepared();
    await told();
    const reader = await database.connect(roles.auditor);
    await reader.query("begin; select count(*) from receipts");
    await expect(retirement({ patienceSeconds: 0 })).rejects.toMatchObject({
      message: expect.stringContaining("a table was in use at each of") as string,
      details: expect.arrayContaining([expect.stringMatching(/^in use by .*authensor_auditor/) as string]) as string[],
    });
    await reader.query("rollback");
    expect(await retirement()).toMatchObject({ months: [monthName(-1)] });
  });

  it.each([
    ["is gone", async () => remove((await keysBelow("archives/"))[0]!), /is gone, and has not expired/],
    [
      "is altered",
      async () => alter((await keysBelow("archives/"))[0]!),
      /cannot be read|unexpected|incorrect|altered/,
    ],
    ["is not locked any more", unlock, /is not locked/],
    [
      "is locked for less than it was to be",
      () => unlock(29 * 86_400_000),
      /written to be locked in GOVERNANCE mode for 30/,
    ],
    [
      "is not locked any more when it has been read",
      // Each bucket is of one test.
      () => {
        const open = bucket.open.bind(bucket);
        vi.spyOn(bucket, "open").mockImplementation(async (key, ...version) => {
          if (key.startsWith("archives/")) await unlock();
          return open(key, ...version);
        });
        return Promise.resolve();
      },
      /is not locked/,
    ],
  ])("stays where its archive %s", async (_what, harm, said) => {
    await prepared();
    await told();
    await harm();
    await expect(retirement()).rejects.toMatchObject({
      message: `${monthName(-1)} stays in the database: the bucket does not prove that it has all of it`,
      details: expect.arrayContaining([expect.stringMatching(said) as string]) as string[],
    });
    expect(await receiptsLeft()).toBe(4);
  });

  it("stays where the database was never told of an archive: the bucket alone does not do", async () => {
    await prepared();
    await compaction();
    await expect(retirement()).rejects.toThrow(/is in no archive of the bucket, which has the chain up to 0/);
  });

  it("stays where the archiver's login told of an archive that there is not: the database alone does not do", async () => {
    await prepared();
    const heads = await takeAnchor(auditor);
    const client = await database.connect(roles.archiver);
    await reportMonths(client, { number: 1, as_of: heads.as_of, to: heads } as unknown as Month);
    await expect(retirement()).rejects.toThrow(
      `${monthName(-1)} stays in the database: receipts 1 to 2 of agent "agent-1" are not so in the archives`,
    );
    expect(await receiptsLeft()).toBe(4);
  });

  it("stays where the database has other rows than the archive", async () => {
    await prepared();
    await told();
    await superuser.query(
      "set session_replication_role = replica; delete from receipts where actor_id = 'agent-1' and chain_seq = 2",
    );
    await expect(retirement()).rejects.toThrow(/receipts 1 to 1 of agent "agent-1" are not so in the archives/);
    expect(await receiptsLeft()).toBe(3);
  });

  it("stays where a receipt's state was altered past the triggers, until its changes make it again", async () => {
    await prepared();
    await told();
    const alter = "update receipts set execution_attempts = 1 where actor_id = 'b'";
    await superuser.query(`set session_replication_role = replica; ${alter}`);
    await expect(retirement()).rejects.toThrow(
      new RegExp(
        `^${monthName(-1)} stays in the database: receipt [0-9a-f-]{36} of agent "b" is not in the state that its recorded changes make$`,
      ),
    );
    expect(await receiptsLeft()).toBe(4);
    const runbook = readFileSync("docs/runbooks/program-failed.md", "utf8");
    const { rows } = await owner.query<{ id: string }>("select id from receipts where actor_id = 'b'");
    await owner.query(/```sql\n(begin;.*?)```/s.exec(runbook)![1]!.replaceAll("<id>", rows[0]!.id));
    expect(await retirement()).toMatchObject({ months: [monthName(-1)] });
  });

  it("leaves it in whatever order an import came, of which other months have every second row: each agent's are read once", async () => {
    const rows = Array.from({ length: 400 }, (_, i) =>
      newReceipt({ created_at: `${monthName(-(i % 2))}-01T00:00:00Z`, actor_id: i % 4 < 2 ? null : "shuffled" }),
    );
    await prepared(() => insertReceipts(owner, rows));
    await told();
    await maintenance.query("begin");
    await maintenance.query("select audit.retire_month($1)", [`${monthName(-1)}-01`]);
    const { rows: read } = await maintenance.query<{ pages: number }>(
      "select pg_stat_get_xact_blocks_fetched(oid)::float8 / (pg_relation_size(oid) / 8192) as pages from pg_class where relname = $1",
      [tile("receipts", 0)],
    );
    await maintenance.query("rollback");
    expect(read[0]!.pages, "times the month's own").toBeLessThan(6);
    expect(await retirement()).toMatchObject({ months: [monthName(-1)] });
  });

  it("stays where a sealed column was altered after it was archived, be it of a receipt or of a change", async () => {
    await prepared();
    await told();
    await superuser.query(
      "set session_replication_role = replica; create temp table kept as table receipts; create temp table kept_changes as table audit.receipt_history",
    );
    const alterations = [
      ["the first of its chain", "update receipts set decision = '{}' where actor_id = 'b'", "receipt 1"],
      ["one between", "update receipts set sealed_at = sealed_at + interval '1 us' where chain_seq = 1", "receipt 1"],
      ["an end", "update receipts set tool_name = 'forged' where actor_id = 'agent-1' and chain_seq = 2", "receipt 2"],
      ["Authensor's hash", "update receipts set receipt_hash = 'forged' where chain_seq = 2", "receipt 2"],
      ["a change", "update audit.receipt_history set changed_by = 'somebody else'", "change 1"],
    ];
    for (const [what, alter = "", said] of alterations) {
      await superuser.query(alter);
      await expect(retirement(), what).rejects.toThrow(
        new RegExp(`^${monthName(-1)} stays in the database: ${said} of agent "(agent-1|b)" is not what was sealed$`),
      );
      await superuser.query(`
        update receipts r set (decision, sealed_at, tool_name, receipt_hash) = (k.decision, k.sealed_at, k.tool_name, k.receipt_hash)
          from kept k where k.id = r.id;
        update audit.receipt_history h set changed_by = k.changed_by from kept_changes k where k.receipt_id = h.receipt_id`);
    }
    expect(await retirement(), "written back as it was").toMatchObject({ months: [monthName(-1)] });
  });

  it("stays where the bucket has a row only as it was altered, though the manifest says so and the database has it as it was", async () => {
    const write = (resource: string) =>
      superuser.query(
        `set session_replication_role = replica;
         update receipts set envelope = jsonb_set(envelope, '{action,resource}', '"${resource}"') where actor_id = 'b'`,
      );
    const was = newReceipt().envelope as { action: { resource: string } };
    await prepared(() => write("altered"));
    await write(was.action.resource);
    await told();
    await expect(retirement()).rejects.toMatchObject({
      details: expect.arrayContaining([expect.stringContaining('agent "b"')]) as string[],
    });
    expect(await receiptsLeft()).toBe(4);
  });

  it("is compared with the bucket in what the database says of archives", async () => {
    await prepared();
    await told();
    const differing = async () => toldMonthFindings(bucket, await readToldMonths(auditor));
    expect(await differing()).toEqual([]);
    const after = async (sql: string) => {
      await owner.query(`begin; ${sql}`);
      const months = await readToldMonths(owner);
      await owner.query("rollback");
      return (await toldMonthFindings(bucket, months)).map(({ kind, message }) => `${kind}: ${message}`);
    };
    const says = (which: string, is: string, has: string) => [
      expect.stringMatching(
        new RegExp(
          `^guard-off: audit.archived_chains has ${is}.* as the last archived ${which}, and months/000/000/001.json has ${has}`,
        ),
      ) as unknown,
    ];
    expect(await after("insert into audit.archived_chains values ('receipts', 'ghost', 7, sha256('x'))")).toEqual(
      says('receipt of agent "ghost"', "7", "none"),
    );
    expect(await after("delete from audit.archived_chains where chain = 'history'")).toEqual(
      says('change of agent "b"', "none", "1"),
    );
    expect(await after("update audit.archived_chains set last_seq = 40 where agent = 'agent-1'")).toEqual(
      says('receipt of agent "agent-1"', "40", "3"),
    );
    expect(await after("update audit.archived_chains set last_seal = sha256('x') where agent = 'agent-1'")).toEqual(
      says('receipt of agent "agent-1"', "3", "3"),
    );
    expect(await after("update audit.months set number = 7")).toEqual([
      expect.stringContaining(
        "altered-archive: the database was told of archive 7 of a month, and the newest",
      ) as unknown,
    ]);
    await owner.query("update audit.archived_chains set last_seq = 40 where agent = 'agent-1'");
    expect(await verify(["--archived"])).toMatchObject({ code: 1, lines: [{ findings: [{ kind: "guard-off" }] }] });
  });

  it("is told of by the archiver alone", async () => {
    for (const role of [roles.verifier, roles.auditor, roles.app]) {
      const client = await database.connect(role);
      await expect(
        reportMonths(client, { number: 1, as_of: new Date().toISOString(), to: { chains: [] } } as unknown as Month),
        role,
      ).rejects.toThrow("the monitor cannot be told how the run ended: permission denied");
    }
  });
});

describe("ops/search --archived", () => {
  const find = async (...args: string[]) => {
    const { code, stdout, stderr } = await runOps("search", ["--archived", "--json", ...args], programEnv());
    type Printed = { found?: { id: string; resource: string }[]; left?: string[] };
    const { found = [], left } = stdout === "" ? {} : (JSON.parse(stdout) as Printed);
    return { code, stderr, left, ids: found.map(({ id }) => id), resources: found.map(({ resource }) => resource) };
  };
  const resource = (of: string) => ({ envelope: { action: { type: "http.request", resource: of } } });

  it("finds receipts by words, phrases and id, in the archives of the time that is asked for, and says what it reads", async () => {
    const [refund, order, later] = [
      newReceipt(resource("stripe refund of 12")),
      newReceipt(resource("Stripe order")),
      newReceipt({ ...resource("stripe refund"), created_at: `${monthName(1)}-15T00:00:00Z` }),
    ];
    await insertReceipts(owner, [refund, order, later]);
    await archived();
    await compaction();
    const until = `${monthName(1)}-01`;
    const words = await find("stripe", "refund", "--until", until);
    expect(words).toMatchObject({ code: 0, ids: [refund.id] });
    expect(words.stderr).toMatch(/reading 1 archives, .* MiB: S3 charges for what is read from cold storage/);
    expect((await find("stripe", "--until", until, "--", "-refund")).ids).toEqual([order.id]);
    expect((await find('"refund of" or order', "--until", until)).ids.sort()).toEqual([order.id, refund.id].sort());
    expect((await find(later.id)).ids).toEqual([later.id]);
    expect((await find("--latest", "--limit", "1", "--until", until)).ids).toHaveLength(1);
    const before = await find("stripe", "--since", "2019-01-01", "--until", "2019-02-01");
    expect(before).toMatchObject({ code: 0, ids: [] });
    expect(before.stderr).toContain("reading 0 archives");
  });

  /** An archive, and the next: receipts by agent, each of a day of last month. */
  async function twoArchives(first: Record<string, number>, second: Record<string, number>): Promise<void> {
    for (const days of [first, second]) {
      const all = Object.entries(days).map(([actor_id, day]) =>
        newReceipt({ ...resource(`day ${day}`), actor_id, created_at: `${monthName(-1)}-${day}T00:00:00Z` }),
      );
      await insertReceipts(owner, all);
      await archived();
      await compaction();
    }
  }
  const sinceLastMonth = ["--since", `${monthName(-1)}-01`];

  it("shows the latest by their time, whosever they are and in whichever archive", async () => {
    await twoArchives({ a: 20, b: 14, c: 19 }, { a: 21, b: 12, c: 15 });
    const latest = await find("--latest", "--limit", "3", ...sinceLastMonth);
    expect(latest.resources).toEqual(["day 21", "day 20", "day 19"]);
    expect((await find("day", "--limit", "1", ...sinceLastMonth)).resources).toEqual(["day 21"]);
  });

  it("says which archives of that time have left the bucket: what is not found may have been in them", async () => {
    // So long ago that its lock has ended.
    s3.ahead = -60 * 86_400_000;
    await twoArchives({ a: 20 }, { a: 21 }).finally(() => (s3.ahead = 0));
    const [manifest, next] = await keysBelow("months/");
    // As the lifecycle does it: a marker first, then the object goes.
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: manifest }));
    await remove((await keysBelow("archives/"))[0]!);
    const month = monthName(0);
    expect(await find("nothing", ...sinceLastMonth)).toMatchObject({ code: 0, left: [`the archive of ${month}`] });
    const { stdout } = await runOps("search", ["--archived", "nothing", ...sinceLastMonth], programEnv());
    expect(stdout).toContain(`\nNot searched, since no longer in the bucket: the archive of ${month}.\n`);
    await remove(manifest!);
    expect(await find("nothing", ...sinceLastMonth)).toMatchObject({
      code: 0,
      left: [`archives of months before ${(await readMonth(next!)).month}`],
    });
    expect(await find("nothing", "--since", `${monthName(1)}-02`)).toMatchObject({ left: [] });
  });

  it("shows what it found in an archive that is not whole, and fails", async () => {
    const receipts = Array.from({ length: 50 }, (_, i) => newReceipt(resource(`stripe ${i} ${"x".repeat(2000 + i)}`)));
    await insertReceipts(owner, receipts);
    await archived();
    await compaction();
    await alter((await keysBelow("archives/"))[0]!, -200);
    expect(await find("stripe")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("not all that was searched is whole") as string,
    });
  });
});

const readMonth = async (key: string) => JSON.parse((await bucket.read(key)).toString()) as Month;
const remove = (key: string) => removeObject(bucket, key);
const alter = (key: string, at = 60) => alterObject(bucket, key, at);
