/** ops/restore: a database from the bucket alone is the one that was archived, table by table. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Acceptance } from "../../ops/archive/acceptFork";
import { Bucket } from "../../ops/archive/bucket";
import { dumpKey, manifestKey } from "../../ops/archive/keys";
import { newestManifest, newestOf } from "../../ops/archive/newest";
import { archive } from "../../ops/archive/run";
import { compareChains } from "../../ops/drill/compareChains";
import { compareTables } from "../../ops/drill/compareTables";
import { dumps, type Dump } from "../../ops/dump/manifest";
import { dump } from "../../ops/dump/run";
import { leftOut } from "../../ops/dump/tables";
import { silentLog, type Log } from "../../ops/log";
import { compact } from "../../ops/months/compact";
import { months, type Month } from "../../ops/months/manifest";
import { readMigrations } from "../../ops/migrate/files";
import { migrateUp } from "../../ops/migrate/up";
import { CopyIn } from "../../ops/restore/copyIn";
import { isRestored } from "../../ops/restore/empty";
import { restoreFromBucket, type RestoreResult } from "../../ops/restore/run";
import { readSource, type Asked } from "../../ops/restore/source";
import { roles } from "../../ops/roles";
import { month } from "../months";
import { migrationsDir, startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { copyBucket, flipped, lockedBucket, makeBucket, testS3, type Change, type TestS3 } from "../s3";
import { runOps, startOps } from "./programs";

let server: TestPostgres;
let s3: TestS3;
let original: TestDatabase;
let owner: pg.Client;
let app: pg.Client;
let bucket: Bucket;
let dir: string;
let made = 0;

const { signal } = new AbortController();

/** This checkout's migrations, and one that a later version might bring. */
const odd = `
  create type mood as enum ('glad', 'sad');
  create table "odd Table; -- \\ ""q""" (
    "the id" bigint generated always as identity, j json, b bytea, a text[], m mood, d double precision, i interval, t text,
    doubled bigint generated always as ("the id" * 2) stored);
  create sequence alone start 5;
  create function stamp() returns trigger language plpgsql as $$ begin new.t := 'stamped'; return new; end $$;
  grant select on "odd Table; -- \\ ""q""" to authensor_archiver;
  grant select on sequence alone, "odd Table; -- \\ ""q""_the id_seq" to authensor_archiver;
  create trigger stamp before insert or update on "odd Table; -- \\ ""q""" for each row execute function stamp();
`;

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
  dir = mkdtempSync(join(tmpdir(), "migrations-"));
  cpSync(migrationsDir, dir, { recursive: true });
  const next = String((await import("node:fs")).readdirSync(dir).filter((name) => /^\d{3}_/.test(name)).length + 1);
  writeFileSync(join(dir, `${next.padStart(3, "0")}_odd.sql`), odd);
  original = await server.createDatabase();
  owner = await original.connect(roles.owner);
  await migrateUp(owner, { dir, log: silentLog });
  app = await original.connect(roles.app);
  bucket = newBucket();
  await fill();
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await Promise.all([server.stop(), s3.close()]);
});

function newBucket(): Bucket {
  const name = `restored-${++made}`;
  makeBucket(s3.root, name, lockedBucket);
  return new Bucket(s3.client({ forcePathStyle: true }), name, signal);
}

const archiver = () => original.connect(roles.archiver);
const common = () => ({ bucket, environment: "test", told: 0, log: silentLog });
const archiveAll = async () => archive({ ...common(), client: await archiver(), mostRows: 1000 });
const dumpInto = async () => dump({ ...common(), client: await archiver(), manifest: 2 });

/** Something in every kind of table, before and after the dump, with what is hard to carry over. */
async function fill(): Promise<void> {
  await owner.query("select audit.make_month('receipts', audit.month_of(now() + interval '1 month'))");
  await insertReceipts(owner, [newReceipt({ created_at: month(-3).toISOString(), actor_id: "back" })]);
  await archiveAll();
  await owner.query(`
    insert into policies (policy_id, version, policy) values ('p', '1', '{"a": 1.10, "t": "tab\\t"}');
    insert into api_keys (id, name, role, key_hash) values (gen_random_uuid(), 'k', 'admin', 'hash');
    insert into budgets (principal_id, budget_amount, spent_amount, period, reset_at) values ('x', 10, 0.1, 'day', now());
    insert into telemetry_events (source, name) values ('s', 'a'), ('s', 'b');
    update controls set disable_http = true;
    select nextval('alone'), nextval('alone');
    insert into "odd Table; -- \\ ""q""" (j, b, a, m, d, i) values
      ('{"a":  1.10}', '\\x00ff0a', array['tab\t', null, 'nl\n', '\\'], 'sad', 0.1, '1 mon -2 days')`);
  await insertReceipts(app, [
    newReceipt({
      actor_id: 'z"ö\t\\',
      tool_name: "a\u0001\u007f\u2028\\b\n",
      envelope: { a: '"],{', b: [1.5, 1e300] },
    }),
    newReceipt({ actor_id: null, tool_name: null, parent_receipt_id: newReceipt().id }),
    newReceipt({ actor_id: "" }),
    newReceipt({ decision_outcome: "deny", decision: '"te\\\\xt"', envelope: "null" }),
    newReceipt({ decision_outcome: "require_approval" }),
    newReceipt(),
    newReceipt(),
  ]);
  await archiveAll();
  await dumpInto();
  await app.query("update receipts set rekor_entry_id = 'x\\y', updated_at = now() where actor_id = 'agent-1'");
  // Changed once more: which of two values is the last one follows from their order alone.
  await app.query("update receipts set updated_at = now() where actor_id = 'agent-1'");
  await app.query(
    "update receipts set status = 'cancelled', updated_at = now() where status = 'pending' and actor_id = ''",
  );
  await insertReceipts(app, [newReceipt(), newReceipt({ actor_id: "new" })]);
  await insertReceipts(owner, [newReceipt({ created_at: month(-2).toISOString(), actor_id: "after the dump" })]);
  await archiveAll();
}

interface Into {
  from?: Bucket;
  into?: TestDatabase;
  migrations?: string;
  asked?: Asked;
  again?: boolean;
  log?: Log;
}

const restore = async ({
  from = bucket,
  into,
  migrations = dir,
  asked = {},
  again = false,
  log = silentLog,
}: Into = {}): Promise<[RestoreResult, TestDatabase]> => {
  const database = into ?? (await server.createDatabase());
  const restored = await restoreFromBucket({
    url: database.ownerUrl,
    bucket: from,
    migrationsDir: migrations,
    monthsAhead: 3,
    asked,
    again,
    log,
    signal,
  });
  // What the odd migration made is not on the list of what the verifier knows.
  const findings = restored.findings.filter((finding) => !/odd Table|alone|stamp|mood/.test(finding));
  return [{ ...restored, findings }, database];
};

/** Everything in a table, in an order that is the same in both. */
async function contents(client: pg.Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ row: string }>(`select t::text as row from ${table} t order by 1`);
  return rows.map(({ row }) => row);
}

/** Not in the dump, or another one's by their nature. */
const differs = [
  "audit.migrations",
  "audit.maintenance_run",
  "audit.heartbeat",
  "audit.archive",
  "audit.dumps",
  "audit.connection_limits",
];

describe("what is restored from the bucket alone", () => {
  let restored: RestoreResult;
  let copy: TestDatabase;
  const log = { ...silentLog, warn: vi.fn() };
  beforeAll(async () => {
    await owner.query("alter role authensor_app connection limit 7");
    [restored, copy] = await restore({ log });
  });

  it("leaves the roles of a server that has them their limits and passwords, and has nothing to repair", async () => {
    const { rows } = await owner.query("select rolconnlimit from pg_roles where rolname = $1", [roles.app]);
    expect(rows).toEqual([{ rolconnlimit: 7 }]);
    await (await copy.connect(roles.app)).query("select");
    expect(log.warn).not.toHaveBeenCalledWith("repaired", expect.anything());
  });

  describe("is to the drill's comparison", () => {
    const compared = async (here: pg.Client, there: pg.Client) => {
      const [one, other] = [
        { client: here, name: "the original" },
        { client: there, name: "the copy" },
      ];
      for (const client of [here, there]) await client.query("set search_path = pg_catalog, pg_temp");
      const manifest = (await newestOf(bucket, dumps))!.manifest;
      return {
        chains: await compareChains(one, other, true),
        tables: await compareTables(one, other, manifest),
      };
    };

    it("the same in all that the dump and the segments hold", async () => {
      const [here, there] = [await original.connect(roles.archiver), await copy.connect(roles.archiver)];
      const { chains, tables } = await compared(here, there);
      expect(chains).toMatchObject({ chains: { receipts: 6, history: 2 }, differences: [] });
      expect(chains.beyond.every(({ rows }) => rows === 0)).toBe(true);
      expect(tables).toMatchObject({ changedSince: [], differences: [] });
      expect(tables.same).toBeGreaterThan(15);
    });

    it.each([
      [
        "without a receipt",
        "delete from receipts where actor_id = 'agent-1' and chain_seq = 1",
        /^receipts of agent "agent-1" of \d{4}-\d\d, up to its place 5: the original has 5, and the copy 4$/,
      ],
      [
        "with another seal of a change",
        "update audit.receipt_history set seal = sha256('x') where agent = 'agent-1' and seq = 1",
        /^changes of agent "agent-1" of \d{4}-\d\d, up to its place 9: both have 9, and their seals are not the same/,
      ],
      [
        "with another end of a chain",
        "update audit.chain_heads set seal = sha256('x') where agent = 'new'",
        /^receipt 1, the last of agent "new", has the seal \w{64} in the original and \w{64} in the copy$/,
      ],
      [
        "with another import",
        "update audit.imports set seal = sha256('x') where seq = 1",
        /^imports up to place 2: both have 2, and their seals are not the same/,
      ],
      [
        "with another policy",
        "update policies set policy = '{}'",
        /^public.policies: both have 1 rows, and they are not the same in the original and in the copy/,
      ],
      ["without a key", "delete from api_keys", /^public.api_keys: the original has 1 rows, and the copy 0/],
    ])("another one %s", async (_, tampering, message) => {
      const [here, there] = [await original.connect(roles.archiver), await copy.connect()];
      await there.query(
        `begin; set local session_replication_role = replica; set local search_path = public; ${tampering}`,
      );
      const { chains, tables } = await compared(here, there);
      await there.query("rollback");
      expect([...chains.differences, ...tables.differences]).toEqual([expect.stringMatching(message)]);
    });

    it("not to be compared in a table that was written to since the dump", async () => {
      const [here, there] = [await original.connect(), await copy.connect()];
      for (const client of [here, there]) await client.query("begin");
      await here.query("update public.policies set policy = policy");
      await there.query("delete from public.policies");
      const { tables } = await compared(here, there);
      for (const client of [here, there]) await client.query("rollback");
      expect(tables).toMatchObject({ changedSince: ["public.policies"], differences: [] });
    });
  });

  it("equals the original, table by table", async () => {
    const { rows } = await owner.query<{ name: string; sql: string }>(
      `select format('%s.%s', n.nspname, relname) as name, format('%I.%I', n.nspname, relname) as sql
         from pg_class c join pg_namespace n on n.oid = relnamespace
        where relkind in ('r', 'p') and not relispartition and nspname in ('public', 'audit')`,
    );
    const other = await copy.connect(roles.owner);
    const unlike = [];
    for (const { name, sql } of rows.filter(({ name: of }) => !differs.includes(of))) {
      const [here, there] = [await contents(owner, sql), await contents(other, sql)];
      if (JSON.stringify(here) !== JSON.stringify(there)) unlike.push({ name, here, there });
    }
    expect(unlike).toEqual([]);
    expect(rows.length).toBeGreaterThan(20);
    expect(Object.keys(leftOut).filter((name) => !rows.some((row) => row.name === name))).toEqual([]);
  });

  it("has the original's indexes, by their names", async () => {
    const indexes = `select schemaname, tablename, indexname, indexdef from pg_indexes where schemaname in ('public', 'audit')
      and tablename in (select c.relname from pg_class c where c.oid in (select relid from pg_partition_tree('receipts')) or c.relname like 'receipt_history%')
      order by 1, 2, 3`;
    const [here, there] = await Promise.all(
      [owner, await copy.connect(roles.owner)].map(async (client) => (await client.query<object>(indexes)).rows),
    );
    // The copy has the same months, and one or two ahead.
    expect(here!.length).toBeGreaterThan(20);
    for (const index of here!) expect(there).toContainEqual(index);
  });

  it("is whole to the verifier, against the newest manifest", () => {
    expect(restored).toMatchObject({ receipts: 11, findings: [], unverified: [], manifests: { count: 3, oldest: 1 } });
  });

  it("has rows in the same months, and months ahead", async () => {
    const list =
      "select parent::text, kind, month::text from audit.list_partitions() where parent = 'receipts'::regclass";
    const [here, there] = await Promise.all(
      [owner, await copy.connect(roles.owner)].map(async (client) => (await client.query<object>(list)).rows),
    );
    expect(there!.slice(0, here!.length - 1)).toEqual(here!.slice(0, -1));
    expect(there!.length).toBeGreaterThanOrEqual(6);
  });

  it("is written to by the application, in the place that comes next in its chain", async () => {
    const client = await copy.connect(roles.app);
    const before = await client.query<{ seq: string; hash: string }>(
      "select chain_seq as seq, receipt_hash as hash from receipts where actor_id = 'agent-1' order by chain_seq desc limit 1",
    );
    const receipt = newReceipt();
    await insertReceipts(client, [receipt]);
    const { rows } = await client.query(
      "select chain_seq as seq, prev_receipt_hash as hash from receipts where id = $1",
      [receipt.id],
    );
    expect(rows).toEqual([{ seq: String(Number(before.rows[0]!.seq) + 1), hash: before.rows[0]!.hash }]);
    await client.query("update receipts set rekor_entry_id = 'later' where id = $1", [receipt.id]);
    const other = await copy.connect(roles.owner);
    const { rows: changes } = await other.query("select 1 from audit.receipt_history where receipt_id = $1", [
      receipt.id,
    ]);
    expect(changes).toHaveLength(1);
    await other.query("insert into telemetry_events (source, name) values ('s', 'c')");
    expect((await other.query<{ id: string }>("select max(id) as id from telemetry_events")).rows[0]!.id).toBe("3");
    expect((await other.query<{ v: string }>("select nextval('alone') as v")).rows[0]!.v).toBe("7");
  });

  it("goes on being archived into the same bucket", async () => {
    const client = await copy.connect(roles.archiver);
    const { rows } = await client.query<{ manifest: string }>("select manifest from audit.archive");
    expect(rows[0]!.manifest).toBe("3");
    const into = await copyOf(bucket);
    expect(
      await archive({ client, bucket: into, environment: "test", told: 3, log: silentLog, mostRows: 1000 }),
    ).toMatchObject({ segments: 1, number: 4, flaws: [] });
  });
});

it("an import that the dump has and no segment is not restored: its receipts are not in the bucket", async () => {
  const [from, late] = [newBucket(), await server.createDatabase({ migrated: true })];
  const [client, writer] = [await late.connect(roles.archiver), await late.connect(roles.app)];
  await insertReceipts(writer, [newReceipt()]);
  await archive({ ...common(), bucket: from, client, mostRows: 1000 });
  await insertReceipts(writer, [newReceipt({ created_at: month(-2).toISOString() })]);
  await dump({ ...common(), bucket: from, client, manifest: 1 });
  const [restored, copy] = await restore({ from, migrations: migrationsDir });
  expect(restored).toMatchObject({ receipts: 1, findings: [] });
  expect((await (await copy.connect(roles.owner)).query("select from audit.imports")).rowCount).toBe(0);
});

it("an import that was archived twice, on a branch after an accepted fork, is restored once and told; one that was dumped twice is refused", async () => {
  const [from, late] = [newBucket(), await server.createDatabase({ migrated: true })];
  const [client, writer, superuser] = await Promise.all(
    [roles.archiver, roles.app, undefined].map((role) => late.connect(role)),
  );
  const archived = (accept?: Acceptance, into = from) =>
    archive({ ...common(), bucket: into, client: client!, mostRows: 1000, accept });
  const imported = () => insertReceipts(writer!, [newReceipt({ created_at: month(-2).toISOString() })]);
  const dumped = (into = from) => dump({ ...common(), bucket: into, client: client!, manifest: 1 });
  await imported();
  await imported();
  await archived();
  await superuser!.query("set session_replication_role = replica; delete from audit.imports where seq = 2");
  await imported();
  await archived({ chain: "imports", agent: "", seq: 1, by: "Ana Díaz", reason: "failover of 24 November" });
  await dumped();
  await imported();
  await superuser!.query(`alter table audit.imports drop constraint imports_pkey;
    insert into audit.imports select * from audit.imports where seq = 3`);
  expect((await archived()).flaws).toMatchObject([{ kind: "twice", chain: "imports", seq: 3 }]);
  const [restored, copy] = await restore({ from, migrations: migrationsDir });
  expect(restored.findings).toEqual([
    "import 3 was archived twice: what was archived first is restored",
    // The branch that was left had its import.
    expect.stringMatching(/^receipt 2 of agent "agent-1" is dated .* no import is recorded that brought it$/),
  ]);
  const all = "select encode(seal, 'hex') as seal from audit.imports order by seq";
  expect((await (await copy.connect(roles.owner)).query(all)).rows).toEqual(
    (await superuser!.query(all)).rows.slice(0, 3),
  );
  const another = newBucket();
  await archived(undefined, another);
  await dumped(another);
  await expect(restore({ from: another, migrations: migrationsDir })).rejects.toThrow(
    /^the bucket has a row twice that a table has once: .*imports_pkey": Key \(seq\)=\(3\)/,
  );
});

const copyOf = (from: Bucket, but?: Change) => copyBucket(from, newBucket(), but);

describe("a restore is refused, and says why,", () => {
  it.each([
    [
      "a segment is gone",
      /^segments\/.*000000001-/,
      undefined,
      /^segments\/.*000000001-.* is gone, and has not expired/,
    ],
    [
      "a segment was altered",
      /^segments\/.*000000002-/,
      flipped,
      /^segments\/.*000000002-.* cannot be read as what its manifest names/,
    ],
    ["a manifest is gone", /^manifests\/.*002/, undefined, /^manifests\/000\/000\/002.json is gone$/],
    [
      "a part of the dump is gone",
      /^parts\//,
      undefined,
      /^parts\/.* is gone from the bucket .*: it holds public|audit/,
    ],
    ["a part of the dump was altered", /^parts\//, flipped, /^parts\/.* cannot be read, it was altered/],
    ["the dump is gone", /^dumps\//, undefined, /^there is no dump in the bucket .*: receipts are there/],
    ["all manifests are gone", /^manifests\//, undefined, /^there is no manifest in the bucket/],
  ])("where %s", async (_, which, change, message) => {
    const altered = await copyOf(bucket, (key, bytes) => (which.test(key) ? change?.(bytes) : bytes));
    await expect(restore({ from: altered })).rejects.toThrow(message);
  });

  it.each([
    [
      "audit.drain_targets",
      { schema: "audit", table: "drain_targets" },
      /^the dump has audit.drain_targets, which no dump holds \(empty but/,
    ],
    [
      "public.receipts",
      { schema: "public", table: "receipts" },
      /^the dump has public.receipts, which no dump holds \(its rows are in/,
    ],
    [
      "public.unknown",
      { schema: "public", table: "unknown" },
      /^the dump has public.unknown, a table that these migrations do not make$/,
    ],
  ])("where a dump brings rows of %s, which is no part of one", async (_, of, message) => {
    const forged = await copyOf(bucket, (key, bytes) => {
      if (!key.startsWith("dumps/")) return bytes;
      const whole = JSON.parse(bytes.toString()) as Dump;
      return Buffer.from(JSON.stringify({ ...whole, parts: [...whole.parts, { ...whole.parts[0]!, ...of }] }));
    });
    await expect(restore({ from: forged })).rejects.toThrow(message);
  });

  it("where there is something in the database, which is left as it is", async () => {
    const into = await server.createDatabase();
    const client = await into.connect(roles.owner);
    await client.query("create table mine (a int)");
    await expect(restore({ into })).rejects.toThrow(
      /^the database "authensor_\w+" is not empty \(public.mine\); nothing was changed$/,
    );
    expect((await client.query("select to_regclass('audit.migrations') as there")).rows).toEqual([{ there: null }]);
  });

  it.each([
    [
      "newer",
      migrationsDir,
      /^the schema of manifests\/000\/000\/003.json is newer: its newest migration is \d+, and this program's is \d+/,
    ],
    ["older", "more", /is older: its newest migration is \d+, and this program's is \d+; nothing was changed$/],
    ["another one", "edited", /is another one: its migration \d+ is not this program's/],
  ])("where the bucket's schema is %s", async (_, which, message) => {
    const migrations = which === migrationsDir ? which : mkdtempSync(join(tmpdir(), "migrations-"));
    if (which !== migrationsDir) {
      cpSync(dir, migrations, { recursive: true });
      const names = (await import("node:fs")).readdirSync(migrations).filter((name) => /^\d{3}_/.test(name));
      const name = which === "more" ? `${String(names.length + 1).padStart(3, "0")}_more.sql` : names.sort().at(-1)!;
      writeFileSync(join(migrations, name), "select 1;");
    }
    await expect(restore({ migrations })).rejects.toThrow(message);
  });

  it("where another one is at work in the same database; the first one ends well", async () => {
    const into = await server.createDatabase();
    const results = await Promise.allSettled([restore({ into }), restore({ into })]);
    const [refused] = results.flatMap((one) => (one.status === "rejected" ? [one.reason as Error] : []));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(refused!.message).toMatch(/^another restore is at work in the database/);
  });
});

it("a restore that is killed leaves a database that says so, and is refused by the next one but where that is to begin again", async () => {
  const into = await server.createDatabase();
  const running = await startOps("restore", [], {
    DATABASE_URL: into.ownerUrl,
    BACKUP_BUCKET: bucket.name,
    BACKUP_REGION: "eu-west-1",
    MIGRATIONS_DIR: dir,
    AWS_ENDPOINT_URL_S3: s3.url,
    ...s3.environment,
  });
  running.child.stdout!.on("data", (chunk: Buffer) => {
    if (chunk.toString().includes('"part":"public.policies"')) running.child.kill("SIGKILL");
  });
  expect((await running.result).signal).toBe("SIGKILL");
  await expect
    .poll(() => restore({ into }).catch((error: Error) => error.message))
    .toMatch(
      /^the database "authensor_\w+" holds a restore that came to no end \(authensor: restore not finished; begun .* from the bucket restored-1\); nothing was changed$/,
    );
  const client = await into.connect(roles.owner);
  expect((await client.query("select from policies")).rowCount).toBe(0);

  await expect(restore({ into, again: true, from: newBucket() })).rejects.toThrow(/there is no manifest in the bucket/);
  await expect(restore({ into, again: true, from: await copyOf(bucket) })).rejects.toThrow(
    /holds a restore that came to no end .* from the bucket restored-1\); nothing was changed$/,
  );
  expect(await isRestored(client)).toBe(false);
  // The catalog lists an identity's sequence before or after its table, as it has room: of many, some are before.
  await client.query(`do $$ begin for i in 1..200 loop
    execute format('create table left_behind_%s (n int generated always as identity, m serial)', i);
  end loop; end $$`);
  expect((await restore({ into, again: true }))[0]).toMatchObject({ receipts: 11, findings: [] });
  expect(await isRestored(client)).toBe(true);
  await expect(restore({ into, again: true })).rejects.toThrow(/ is not empty /);
});

it("what was hidden or overwritten in the bucket is restored as it was first written", async () => {
  const touched = await copyOf(bucket);
  const { archive: of } = (await newestManifest(touched))!.manifest;
  const [policies] = (await newestOf(touched, dumps))!.manifest.parts.filter(({ table }) => table === "policies");
  const put = (Key: string, Body: Buffer) =>
    touched.client.send(new PutObjectCommand({ Bucket: touched.name, Key, Body, ChecksumAlgorithm: "SHA256" }));
  // Readable, and not the whole: who took it as it is would have stored these rows before the end shows it.
  const firstLine = (bytes: Buffer) => gzipSync(gunzipSync(bytes).toString().replace(/\n.*/s, "\n"));
  await put(of.segment.key, firstLine(await touched.read(of.segment.key)));
  await put(policies!.object!.key, Buffer.from("x"));
  await touched.client.send(new DeleteObjectCommand({ Bucket: touched.name, Key: manifestKey(1) }));
  const [restored] = await restore({ from: touched });
  expect(restored).toMatchObject({ receipts: 11, findings: [] });
});

describe("where somebody else wrote the next manifest and the next dump, a restore", () => {
  let forged: Bucket;
  beforeAll(async () => {
    forged = await copyOf(bucket);
    for (const key of ["manifests/999/999/999.json", dumpKey(2)])
      await forged.putNew(key, Buffer.from("x"), "text/plain");
  });

  it("is refused, and says how to go on", async () => {
    const hints = [expect.stringMatching(/archive-flawed.*--manifest or --dump/)];
    await expect(restore({ from: forged })).rejects.toMatchObject({
      message: expect.stringMatching(/^dumps.*002.json .*is no /) as string,
      details: hints,
    });
    await expect(restore({ from: forged, asked: { dump: 1 } })).rejects.toMatchObject({
      message: expect.stringMatching(/^manifests.*999.json .*is no /) as string,
      details: hints,
    });
    await expect(restore({ from: forged, asked: { manifest: 4 } })).rejects.toThrow(/^manifests.*004.json is gone/);
    await expect(restore({ from: forged, asked: { manifest: 1 } })).rejects.toThrow(/^there is no dump of that time/);
    await expect(restore({ from: forged, asked: { manifest: 1, dump: 1 } })).rejects.toThrow(
      /goes with .*002.json, and --manifest is 1/,
    );
  });

  it("is made up to an older one, and says what is not restored", async () => {
    const [restored] = await restore({ from: forged, asked: { manifest: 3 } });
    expect(restored).toMatchObject({ receipts: 11, dump: { number: 1 }, findings: [] });
    expect(restored.unverified).toEqual([
      expect.stringMatching(
        /^what was archived of receipts and changes after .*003.json \(.*\) is not restored; the newest .* knows is 999999999$/,
      ),
      expect.stringMatching(
        /^what was dumped of policies, keys and all else after .*001.json \(.*\) is not restored; the newest .* knows is 2$/,
      ),
    ]);
  });
});

describe("a month's archive, in a restore", () => {
  let compacted: Bucket;
  let archived: Month;
  beforeAll(async () => {
    compacted = await copyOf(bucket);
    await compact({ ...common(), bucket: compacted, delayDays: 1, now: month(2) });
    archived = (await newestOf(compacted, months))!.manifest;
  });

  it("that has an import twice, and then a row that the server refuses, leaves nothing: its segments are in the database, once", async () => {
    // No longer than it was: what is longer is not even read to its end.
    const alter = (lines: string[]) =>
      lines
        .filter((line) => !line.startsWith('{"chain":"receipts","agent":"new"'))
        .flatMap((line) => (line.startsWith('{"chain":"imports","seq":2,') ? [line, line] : [line]))
        .map((line) => line.replace('"x\\\\y"', '"x\\qy"'));
    const from = await copyOf(compacted, (key, bytes) =>
      key === archived.object.key ? gzipSync(alter(gunzipSync(bytes).toString().split("\n")).join("\n")) : bytes,
    );
    const warn = vi.fn<(message: string) => void>();
    const [restored, copy] = await restore({ from, log: { ...silentLog, warn } });
    expect(warn.mock.calls.join()).toContain(
      `${archived.object.key} is not used: the server does not take a row of it`,
    );
    expect(restored).toMatchObject({ receipts: 11, changes: 10, findings: [], manifests: { count: 3, archives: 0 } });
    const other = await copy.connect(roles.owner);
    for (const table of ["receipts", "audit.receipt_history", "audit.imports"])
      expect(await contents(other, table), table).toEqual(await contents(owner, table));
  });

  it("that goes on beyond the newest manifest, since that was removed, is told, and what it has is not called restored", async () => {
    const from = await copyOf(compacted, (key, bytes) => (key === manifestKey(3) ? undefined : bytes));
    await expect(restore({ from })).rejects.toThrow(
      /^archives\/.* goes up to manifests\/000\/000\/003.json, and the newest in the bucket .* is 2: manifests were removed. What is left is restored by --manifest 2$/,
    );
    expect((await readSource(from, readMigrations(dir), { manifest: 2 })).leftOut).toEqual([
      expect.stringMatching(
        /^what was archived of receipts and changes after .*002.json .* is not restored; the newest .* knows is 3$/,
      ),
    ]);
  });
});

describe("rows that are taken back in the middle of a transaction", () => {
  const into = "copy taken (n) from stdin";
  const other = "copy taken_too (n) from stdin";
  const row = (n: number | string) => Buffer.from(`${n}\n`);
  let client: pg.Client;
  beforeEach(async () => {
    client = await original.connect();
    await client.query("begin; create temp table taken (n int unique); create temp table taken_too (n int)");
  });

  it.each<[string, (copy: CopyIn) => Promise<void>]>([
    ["what reads them fails while they are under way", () => Promise.reject(new Error("given up"))],
    ["the server refuses one as it comes to the end", (copy) => copy.write(into, row("given up"))],
    [
      "the server refuses one long before the end",
      async (copy) => {
        await copy.write(into, row("given up"));
        for (let n = 0; n < 300; n++) await copy.write(into, Buffer.from("7\n".repeat(10_000)));
      },
    ],
    ["one is there already", (copy) => copy.write(into, row(1))],
  ])("leave nothing, and what comes after is stored and counted, where %s", async (_, fail) => {
    const copy = new CopyIn(client);
    await copy.write(into, row(1));
    const work = async () => {
      await copy.write(into, row(2));
      await copy.write(other, row(3));
      await copy.write(into, row(4));
      await fail(copy);
    };
    await expect(copy.orUndo(work)).rejects.toThrow(/given up|duplicate key/);
    await copy.orUndo(() => copy.write(into, row(5)));
    await copy.write(other, row(6));
    await copy.end();
    expect([...copy.stored]).toEqual([
      [into, 2],
      [other, 1],
    ]);
    const { rows } = await client.query("select n from taken union all select n from taken_too order by n");
    expect(rows.map(({ n }: { n: number }) => n)).toEqual([1, 5, 6]);
  });
});

it("the program restores, and says what it has restored", async () => {
  const into = await server.createDatabase();
  const { code, lines, stderr } = await runOps("restore", [], {
    DATABASE_URL: into.ownerUrl,
    BACKUP_BUCKET: bucket.name,
    BACKUP_REGION: "eu-west-1",
    MIGRATIONS_DIR: dir,
    AWS_ENDPOINT_URL_S3: s3.url,
    ...s3.environment,
  });
  // As above: the odd migration.
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      "everything in the bucket was restored, and the trail in it is not whole",
    ) as string,
  });
  expect(lines.at(-1)).toMatchObject({ message: "restored", receipts: 11, changes: 10, dump: 1, oldest: 1, newest: 3 });
});
