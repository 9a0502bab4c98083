/** ops/dump: what is in no chain, in the locked bucket. */
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, PutObjectRetentionCommand } from "@aws-sdk/client-s3";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Bucket } from "../../ops/archive/bucket";
import { dumpKey } from "../../ops/archive/keys";
import { readCompressed } from "../../ops/archive/stored";
import { newestOf } from "../../ops/archive/newest";
import { notedParts } from "../../ops/dump/begun";
import { dumps, type Dump, type Part } from "../../ops/dump/manifest";
import { nameOf } from "../../ops/dump/parts";
import { dump } from "../../ops/dump/run";
import { leftOut } from "../../ops/dump/tables";
import { silentLog } from "../../ops/log";
import { roles } from "../../ops/roles";
import { verifyArchive } from "../../ops/verify/archived";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { lockedBucket, makeBucket, testS3, type TestS3 } from "../s3";

let server: TestPostgres;
let s3: TestS3;
let database: TestDatabase;
let archiver: pg.Client;
let owner: pg.Client;
let bucket: Bucket;
let made = 0;

const { signal } = new AbortController();
const [hour, day] = [3_600_000, 86_400_000];

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
});
afterAll(() => Promise.all([server.stop(), s3.close()]));

beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  [archiver, owner] = await Promise.all([database.connect(roles.archiver), database.connect(roles.owner)]);
  const name = `dumps-${++made}`;
  makeBucket(s3.root, name, lockedBucket);
  bucket = new Bucket(s3.client({ forcePathStyle: true }), name, signal);
});

/** @param later milliseconds from now on */
const run = (later = 0, more: { client?: pg.Client; told?: number; bucket?: Bucket } = {}) =>
  dump({
    client: archiver,
    bucket,
    environment: "test",
    log: silentLog,
    told: 0,
    manifest: 7,
    now: () => Date.now() + later,
    ...more,
  });

const newest = async (): Promise<Dump> => (await newestOf(bucket, dumps))!.manifest;

const part = async (name: string): Promise<Part | undefined> =>
  (await newest()).parts.find((one) => nameOf(one) === name);

async function rowsOf({ object }: Part): Promise<string[]> {
  const blocks: Buffer[] = [];
  if (object) for await (const { bytes } of readCompressed(bucket, object)) blocks.push(bytes);
  return Buffer.concat(blocks).toString().split("\n").slice(0, -1);
}

const addPolicy = (id: string) =>
  owner.query("insert into policies (policy_id, version, policy) values ($1, '1', '{\"a\": 1}')", [id]);

describe("a dump", () => {
  it("holds every table that there is but for those that are left out with a reason", async () => {
    await run();
    const { rows } = await owner.query<{ name: string }>(
      `select schemaname || '.' || tablename as name from pg_tables t
        where schemaname in ('public', 'audit')
          and not exists (select from pg_class c where c.oid = format('%I.%I', schemaname, tablename)::regclass and c.relispartition)`,
    );
    const { parts, left_out } = await newest();
    const dumped = new Set(parts.map(({ schema, table }) => `${schema}.${table}`));
    expect([...dumped, ...Object.keys(left_out)].sort()).toEqual(rows.map(({ name }) => name).sort());
    expect(Object.keys(left_out).sort()).toEqual(Object.keys(leftOut).sort());
  });

  it("says which segments it goes with, where sequences stand, and which months there are", async () => {
    await owner.query("insert into telemetry_events (source, name) values ('s', 'a'), ('s', 'b')");
    await run();
    const { manifest, number, sequences, months, schema } = await newest();
    expect({ manifest, number }).toEqual({ manifest: 7, number: 1 });
    expect(schema.number).toBeGreaterThanOrEqual(24);
    expect(sequences).toContainEqual({ schema: "public", name: "telemetry_events_id_seq", last: "2" });
    const month = new Date().toISOString().slice(0, 7);
    expect(months).toContainEqual({ schema: "public", table: "receipts", names: ["past", month, "future"] });
    expect((await part(`public.telemetry_events ${month}`))?.rows).toBe(2);
  });

  it("has a table that a later version brings, whatever its name and its types", async () => {
    await owner.query(`
      create type mood as enum ('glad', 'sad');
      create table "odd Table; -- \\ ""q""" (
        "the id" bigint generated always as identity, j json, b bytea, a text[], m mood, d double precision, i interval,
        doubled bigint generated always as ("the id" * 2) stored);
      grant select on "odd Table; -- \\ ""q""" to authensor_archiver;
      grant select on all sequences in schema public to authensor_archiver;
      insert into "odd Table; -- \\ ""q""" (j, b, a, m, d, i) values
        ('{"a":  1.10}', '\\x00ff0a', array['tab\t', null, 'nl\n', '\\'], 'sad', 0.1, '1 mon -2 days')`);
    await run();
    const odd = await part('public.odd Table; -- \\ "q"');
    expect(odd).toMatchObject({ rows: 1 });
    expect(odd!.columns.map(({ name }) => name)).toEqual(["the id", "j", "b", "a", "m", "d", "i"]);
    const [row] = await rowsOf(odd!);
    expect(row!.split("\t").slice(0, 3)).toEqual(["1", '{"a":  1.10}', "\\\\x00ff0a"]);
  });

  it("that came to no end is gone on with: a large part that is in the bucket is not written again", async () => {
    await owner.query(`
      create table large (t text);
      grant select on large to authensor_archiver;
      insert into large select string_agg(md5(random()::text), '') from generate_series(1, 100000)`);
    class Stopped extends Bucket {
      override async putNew(key: string, ...of: [Buffer, string]) {
        if (key.startsWith("dumps/")) throw new Error("stopped");
        return super.putNew(key, ...of);
      }
    }
    const stopped = () => run(0, { bucket: new Stopped(bucket.client, bucket.name, signal) });
    await expect(stopped()).rejects.toThrow("stopped");
    const [noted] = (await notedParts(bucket, 1)).values();
    await run();
    expect((await part("public.large"))?.object).toEqual(noted?.object);
    expect(noted?.object?.compressed.bytes).toBeGreaterThan(1024 * 1024);

    // What has changed since is written again.
    await owner.query("insert into large values ('more')");
    await expect(run(day, { bucket: new Stopped(bucket.client, bucket.name, signal) })).rejects.toThrow("stopped");
    await owner.query("insert into large values ('and more')");
    await run(day);
    expect((await part("public.large"))?.rows).toBe(3);
    expect(await rowsOf((await part("public.large"))!)).toHaveLength(3);
  });

  it("is refused, and nothing is written, where a table may not be read", async () => {
    await owner.query("create table closed (a int)");
    await expect(run()).rejects.toThrow("this login may not read public.closed");
    expect(await newestOf(bucket, dumps)).toBeUndefined();
  });

  it("shows one moment, whatever is written while it is made", async () => {
    await addPolicy("before");
    const client = await database.connect(roles.archiver);
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    let added = false;
    client.query = ((...args: unknown[]) => {
      const answer = query(...args);
      if (!added && typeof args[0] === "string" && args[0].includes("bit_xor")) {
        added = true;
        return (answer as Promise<unknown>).then(async (result) => {
          await addPolicy("during");
          return result;
        });
      }
      return answer;
    }) as typeof client.query;
    await run(0, { client });
    expect(added).toBe(true);
    expect(await rowsOf((await part("public.policies"))!)).toHaveLength(1);
  });
});

describe("a run", () => {
  it("writes no dump within an hour, and none after it where nothing has changed", async () => {
    expect(await run()).toMatchObject({ number: 1 });
    await addPolicy("a");
    expect(await run(hour - 60_000)).toMatchObject({ number: 1, written: 0 });
    expect(await run(hour + 1000)).toMatchObject({ number: 2, written: 1 });
    const { until } = await run(2 * hour + 2000);
    expect(await newest()).toMatchObject({ number: 2 });
    expect(Date.parse(until)).toBeGreaterThan(Date.parse((await newest()).as_of));
  });

  it.each([
    ["inserted", "insert into policies (policy_id, version, policy) values ('b', '1', '{}')"],
    ["updated", "update policies set is_active = true"],
    ["deleted", "delete from policies"],
    ["truncated", "truncate policies"],
    ["given a column with a default", "alter table policies add column more text default 'x'"],
  ])("sees that rows were %s", async (_, sql) => {
    await addPolicy("a");
    await run();
    await owner.query(sql);
    expect(await run(hour + 1000)).toMatchObject({ number: 2, written: 1 });
  });

  it("refers to what an earlier dump has written, and writes only what has changed", async () => {
    await owner.query("insert into telemetry_events (source, name) values ('s', 'a')");
    await run();
    await addPolicy("a");
    await run(hour + 1000);
    const month = new Date().toISOString().slice(0, 7);
    expect((await part(`public.telemetry_events ${month}`))?.object?.key).toMatch(/000000001-/);
    expect((await part("public.policies"))?.object?.key).toMatch(/000000002-/);
  });

  it("writes a dump a day whether or not something has changed, and all of it anew before locks could end", async () => {
    await addPolicy("a");
    await run();
    expect(await run(day)).toMatchObject({ number: 2, written: 0 });
    expect((await run(31 * day)).written).toBeGreaterThan(10);
    expect((await part("public.policies"))?.object?.key).toMatch(/000000003-/);
  });

  it("does not wait for the hour where the schema has changed", async () => {
    await run();
    await owner.query("insert into audit.migrations (number, slug, sha256) values (999, 'later', repeat('0', 64))");
    expect(await run(1000)).toMatchObject({ number: 2 });
  });

  it("of six at once, one writes the dump, and the others none", async () => {
    await run();
    await addPolicy("a");
    const clients = await Promise.all(Array.from({ length: 6 }, () => database.connect(roles.archiver)));
    await Promise.all(clients.map((client) => run(hour + 1000, { client })));
    expect(await newest()).toMatchObject({ number: 2 });
  });

  it("whose upload is cut off leaves no dump", async () => {
    await run();
    await addPolicy("a");
    const broken = new Bucket(bucket.client, bucket.name, signal);
    broken.putNew = (key, ...rest) =>
      key.startsWith("dumps/") ? Promise.reject(new Error("cut off")) : bucket.putNew(key, ...rest);
    await expect(
      dump({
        client: archiver,
        bucket: broken,
        environment: "test",
        log: silentLog,
        told: 0,
        manifest: 7,
        now: () => Date.now() + hour + 1000,
      }),
    ).rejects.toThrow("cut off");
    expect(await newest()).toMatchObject({ number: 1 });
    expect(await run(hour + 1000)).toMatchObject({ number: 2, written: 1 });
  });
});

describe("what was done to the bucket", () => {
  it("a dump that was hidden is read as it was written, and said", async () => {
    await run();
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: dumpKey(1) }));
    expect(await newestOf(bucket, dumps)).toMatchObject({
      manifest: { number: 1 },
      touched: "dumps/000/000/001.json was hidden after it was written",
    });
    expect(await run(hour + 1000)).toMatchObject({ number: 1 });
  });

  it("nothing is dumped onto a manifest that this program did not write", async () => {
    await run();
    const forged = { ...(await newest()), number: 2, previous: "0".repeat(64) };
    await bucket.putNew(dumpKey(2), Buffer.from(JSON.stringify(forged)), "application/json");
    await expect(run(hour + 1000)).rejects.toThrow("does not follow from the manifest before it");
  });

  it("dumps that the database was told of are missed", async () => {
    await expect(run(0, { told: 3 })).rejects.toThrow("the newest dump in the bucket dumps-");
  });

  it("a part that is altered is noticed by whoever reads it", async () => {
    await addPolicy("a");
    await run();
    const policies = (await part("public.policies"))!;
    const { key } = policies.object!;
    const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: key }));
    const bytes = Buffer.from(await Body!.transformToByteArray());
    const put = {
      Bucket: bucket.name,
      Key: key,
      Body: Buffer.concat([bytes, bytes]),
      ChecksumAlgorithm: "SHA256",
    } as const;
    await bucket.client.send(new PutObjectCommand(put));
    await expect(rowsOf(policies)).rejects.toThrow("is not what its manifest names: it was altered");
  });
});

describe("an object of the newest dump that was locked as its manifest says", () => {
  const lock = { mode: "GOVERNANCE", days: 30 } as const;
  let part: string;
  beforeEach(async () => {
    bucket = new Bucket(bucket.client, bucket.name, signal, lock);
    await addPolicy("a");
    await run();
    part = (await newest()).parts.find(({ table }) => table === "policies")!.object!.key;
  });
  const before = { BypassGovernanceRetention: true };
  const shorten = (Key: string) => {
    const Retention = { Mode: lock.mode, RetainUntilDate: new Date(Date.now() + 29 * day) } as const;
    return bucket.client.send(new PutObjectRetentionCommand({ Bucket: bucket.name, Key, Retention, ...before }));
  };
  const remove = async (Key: string) => {
    const [entry] = await bucket.list(Key);
    const [{ id: VersionId } = { id: undefined }] = entry!.versions;
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key, VersionId, ...before }));
  };
  const found = async () =>
    (await verifyArchive(bucket, 0, 0)).findings
      .filter(({ kind }) => kind === "altered-archive")
      .map(({ message }) => message);

  it("is no finding while it is, also of what an earlier dump wrote, whose bucket was to lock less by then", async () => {
    expect(await found()).toEqual([]);
    bucket = new Bucket(bucket.client, bucket.name, signal, { ...lock, days: 20 });
    await addPolicy("b");
    await run(day);
    expect((await newest()).lock).toEqual({ ...lock, days: 20 });
    expect(await found()).toEqual([]);
  });

  it.each([
    ["a part's lock was shortened", () => shorten(part), () => `${part} is locked in GOVERNANCE mode until`],
    [
      "the manifest's lock was shortened",
      () => shorten(dumpKey(1)),
      () => `${dumpKey(1)} is locked in GOVERNANCE mode until`,
    ],
    ["a part was taken away before its time", () => remove(part), () => `${part} is gone, which ${dumpKey(1)} names`],
    [
      "a part that an earlier dump wrote was shortened",
      async () => {
        await addPolicy("b");
        part = (await newest()).parts.find(({ table, object }) => table !== "policies" && object)!.object!.key;
        await run(day);
        expect((await newest()).parts.some(({ object }) => object?.key === part)).toBe(true);
        await shorten(part);
      },
      () => `${part} is locked`,
    ],
  ])("is a finding of a verification once %s", async (_, change, says) => {
    await change();
    expect(await found()).toEqual([expect.stringContaining(says())]);
  });

  it("is a finding where its manifest cannot be read", async () => {
    await remove(dumpKey(1));
    await bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key: dumpKey(1), Body: "{}" }));
    expect(await found()).toEqual([expect.stringContaining(dumpKey(1))]);
  });

  it("is none where a part is gone whose lock may have ended by S3's clock", async () => {
    await remove(part);
    bucket.now = () => Date.now() + 29 * day;
    expect(await found()).toEqual([]);
  });
});
