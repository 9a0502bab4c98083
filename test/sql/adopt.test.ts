/** ops/adopt: a restored database is a deployment's own only once every chain was compared with its source's bucket. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adopt, inWords, type Adopt } from "../../ops/adopt/adopt";
import { Bucket } from "../../ops/archive/bucket";
import { toldManifest } from "../../ops/archive/report";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { bringIn } from "../../ops/reconcile/bringIn";
import { branchesInBucket } from "../../ops/reconcile/fromBucket";
import { lostOf } from "../../ops/reconcile/lost";
import { roles } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { lockedBucket, makeBucket, testS3, type TestS3 } from "../s3";

const { signal } = new AbortController();
let server: TestPostgres;
let s3: TestS3;
/** As it was at an earlier moment, and at last. */
let earlier: TestDatabase;
let source: TestDatabase;
let bucket: Bucket;

const bucketNamed = (name: string): Bucket => {
  makeBucket(s3.root, name, lockedBucket);
  return new Bucket(s3.client({ forcePathStyle: true }), name, signal);
};

async function as<T>(database: TestDatabase, role: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await database.connect(role);
  return work(client).finally(() => client.end());
}
const asSuperuser = <T>(database: TestDatabase, work: (client: pg.Client) => Promise<T>) =>
  as(database, "postgres", work);

/**
 * Receipts of two agents, all of them archived, and a heartbeat of some seconds later: what is archived in the last
 * seconds before a restored moment is not compared with it. What is written next is beyond that.
 */
async function write(database: TestDatabase): Promise<void> {
  const receipts = [newReceipt(), newReceipt({ actor_id: "b", decision_outcome: "require_approval" })];
  await as(database, roles.app, (client) => insertReceipts(client, receipts));
  await archived(database, bucket);
  await asSuperuser(database, async (client) => {
    await client.query("set session_replication_role = replica");
    await client.query("update audit.heartbeat set at = now() + interval '5.5 seconds'");
    await client.query("select pg_sleep(1)");
  });
}
const archived = (database: TestDatabase, into: Bucket) =>
  as(database, roles.archiver, async (client) => {
    const told = await toldManifest(client);
    const done = await archive({ client, bucket: into, environment: "test", told, log: silentLog, mostRows: 1000 });
    const report = "select audit.report_archive($1, $2, 0, 'archived')";
    await client.query("begin read write");
    await client.query(report, [done.until, done.number]);
    await client.query("commit");
    return done;
  });

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
  bucket = bucketNamed("source");
  source = await server.createDatabase({ migrated: true });
  await write(source);
  earlier = await server.createDatabase({ copyOf: source });
  await write(source);
});
afterAll(() => Promise.all([server.stop(), s3.close()]));

const adopted = (database: TestDatabase, change: Partial<Adopt> = {}) =>
  adopt({
    ...{ url: database.ownerUrl, bucket, from: "a backup", fromBucket: false, knownFlaws: 0 },
    ...{ acknowledgements: [], log: silentLog, signal, ...change },
  });

const told = (database: TestDatabase) =>
  asSuperuser(database, async (client) => {
    const { rows } = await client.query<{ manifest: string; comment: string | null }>(
      `select manifest, shobj_description(oid, 'pg_database') as comment
         from audit.archive, pg_database where datname = current_database()`,
    );
    return { manifest: Number(rows[0]?.manifest), comment: rows[0]?.comment };
  });

/** With rows changed as only a superuser can. */
async function altered(sql: string): Promise<TestDatabase> {
  const copy = await server.createDatabase({ copyOf: source });
  await asSuperuser(copy, (client) => client.query(`set session_replication_role = replica; ${sql}`));
  return copy;
}

describe("a restored database that has all that the bucket has", () => {
  let copy: TestDatabase;
  beforeAll(async () => {
    copy = await server.createDatabase({ copyOf: source });
  });

  it("is adopted once: from then on it has what its source never had, and is compared no more", async () => {
    const report = await adopted(copy);
    expect(report).toMatchObject({ ok: true, verified: { receipts: 4, agents: 2 }, archive: { manifests: 2 } });
    // Its source has just archived: it may be at work still.
    expect(inWords(report!)).toEqual([
      expect.any(String),
      expect.stringMatching(
        /^the newest manifest in that bucket is of .*Z: see that its source accepts nothing any more/,
      ),
    ]);
    const later = { ...report!, asOf: new Date(Date.parse(report!.asOf) + 15 * 60_000).toISOString() };
    expect(inWords(later)).toHaveLength(1);
    const { manifest, comment } = await told(copy);
    expect(manifest).toBe(0);
    expect(comment).toMatch(/^authensor: restored from a backup; verified .+ against the bucket source$/);
    await as(copy, roles.app, (client) => insertReceipts(client, [newReceipt()]));
    expect(await adopted(copy, { bucket: bucketNamed("gone") })).toBeUndefined();
  });

  it("archives all of it into a bucket of its own, from manifest 1 on", async () => {
    const all = "select (select count(*) from receipts) + (select count(*) from audit.receipt_history) as rows";
    const { rows } = await asSuperuser(copy, (client) => client.query<{ rows: string }>(all));
    expect(await archived(copy, bucketNamed("own"))).toMatchObject({ number: 1, rows: Number(rows[0]?.rows) });
  });

  it("is compared anew where it is restored again, from backups of the stack that adopted it", async () => {
    await expect(adopted(copy, { from: "its own backup", bucket: bucketNamed("other") })).rejects.toThrow(
      /^the restored database is not what the bucket other has: /,
    );
  });
});

it("has what came after the restored moment brought in from its source's bucket, however far its own archive has got", async () => {
  const copy = await server.createDatabase({ copyOf: earlier });
  await adopted(copy);
  const own = bucketNamed("beside");
  for (let manifests = 0; manifests < 3; manifests++) {
    await as(copy, roles.app, (client) => insertReceipts(client, [newReceipt({ actor_id: "b" })]));
    await archived(copy, own);
  }
  const { receipts, problems } = await as(copy, roles.verifier, async (client) =>
    lostOf((await branchesInBucket(client, bucket)).branches),
  );
  expect([receipts.length, problems]).toEqual([2, []]);
  const done = await as(copy, roles.owner, (client) => bringIn(client, receipts, signal));
  expect(done.stored).toHaveLength(2);
  // Of its own bucket the archiver has told, and nothing may be missing there.
  await expect(as(copy, roles.verifier, (client) => branchesInBucket(client, bucketNamed("emptied")))).rejects.toThrow(
    /the newest manifest in the bucket emptied is 0, and 3 had been written/,
  );
});

it("of an earlier moment is adopted too, and it is said how many receipts came later, and how they are brought in", async () => {
  const copy = await server.createDatabase({ copyOf: earlier });
  const report = await adopted(copy);
  expect(report).toMatchObject({ ok: true, verified: { receipts: 2 } });
  expect(inWords(report!).at(-1)).toMatch(/came after the restored moment: 2\. ops\/reconcile brings them in/);
});

describe("what is not adopted", () => {
  it.each([
    ["a receipt that was altered", "update receipts set decision = '{}' where actor_id = 'b'"],
    ["a chain that ends too early", "delete from receipts where actor_id = 'b' and chain_seq = 2"],
    ["a state that no change explains", "update receipts set status = 'cancelled' where actor_id = 'b'"],
  ])("%s: it is named, and the archiver is told nothing", async (_what, sql) => {
    const copy = await altered(sql);
    await expect(adopted(copy)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^the restored database is not what the bucket source has: \d+ findings?; the first: (?!nothing-verified)/,
      ) as string,
      details: expect.arrayContaining([
        expect.stringMatching(/^Nothing writes to it yet\. docs\/restore\.md/),
      ]) as string[],
    });
    expect(await told(copy)).toEqual({ manifest: 2, comment: null });
  });

  it("one whose bucket has nothing: what it would be compared with is somewhere else", async () => {
    const copy = await server.createDatabase({ copyOf: source });
    await expect(adopted(copy, { bucket: bucketNamed("empty") })).rejects.toThrow(/not what the bucket empty has/);
  });
});
