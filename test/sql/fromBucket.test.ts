/** ops/restore: a database from the bucket alone is the one that was archived, table by table. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bucket } from "../../ops/archive/bucket";
import { manifestKey } from "../../ops/archive/keys";
import { newestManifest, newestOf } from "../../ops/archive/newest";
import { archive } from "../../ops/archive/run";
import { dumps } from "../../ops/dump/manifest";
import { dump } from "../../ops/dump/run";
import { leftOut } from "../../ops/dump/tables";
import { silentLog } from "../../ops/log";
import { migrateUp } from "../../ops/migrate/up";
import { restoreFromBucket, type Restored } from "../../ops/restore/run";
import { roles } from "../../ops/roles";
import { month } from "../months";
import { migrationsDir, startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { lockedBucket, makeBucket, testS3, type TestS3 } from "../s3";
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
}

const restore = async ({ from = bucket, into, migrations = dir }: Into = {}): Promise<[Restored, TestDatabase]> => {
  const database = into ?? (await server.createDatabase());
  const restored = await restoreFromBucket({
    url: database.ownerUrl,
    bucket: from,
    migrationsDir: migrations,
    monthsAhead: 3,
    log: silentLog,
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
const differs = ["audit.migrations", "audit.maintenance_run", "audit.heartbeat", "audit.archive", "audit.dumps"];

describe("what is restored from the bucket alone", () => {
  let restored: Restored;
  let copy: TestDatabase;
  beforeAll(async () => {
    [restored, copy] = await restore();
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

/** Another bucket with the same objects. */
async function copyOf(from: Bucket, but: (key: string, bytes: Buffer) => Buffer | undefined = (_, bytes) => bytes) {
  const to = newBucket();
  const folders = ["manifests/", "segments/", "dumps/", "parts/"];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift())
    for (const { key, folder: isFolder } of await from.list(folder)) {
      if (isFolder) folders.push(key);
      else {
        const bytes = but(key, await from.read(key));
        if (bytes) await to.putNew(key, bytes, "application/gzip");
      }
    }
  return to;
}

const flipped = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes);
  copy[bytes.length >> 1]! ^= 1;
  return copy;
};

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

it("a restore that is killed leaves a database that says so, and is refused by the next one", async () => {
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
});

it("what was hidden or overwritten in the bucket is restored as it was first written", async () => {
  const touched = await copyOf(bucket);
  const { archive: of } = (await newestManifest(touched))!.manifest;
  const [policies] = (await newestOf(touched, dumps))!.manifest.parts.filter(({ table }) => table === "policies");
  const put = (Key: string) =>
    touched.client.send(new PutObjectCommand({ Bucket: touched.name, Key, Body: "x", ChecksumAlgorithm: "SHA256" }));
  await put(of.segment.key);
  await put(policies!.object!.key);
  await touched.client.send(new DeleteObjectCommand({ Bucket: touched.name, Key: manifestKey(1) }));
  const [restored] = await restore({ from: touched });
  expect(restored).toMatchObject({ receipts: 11, findings: [] });
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
  expect(lines.at(-1)).toMatchObject({ message: "restored", receipts: 11, changes: 6, dump: 1, oldest: 1, newest: 3 });
});
