/** ops/missing: the receipts that were archived and never reached the replica, before it is promoted. */
import { cpSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bucketFiles } from "../../cloud/aws/s3/settings";
import { Bucket } from "../../ops/archive/bucket";
import { manifestKey } from "../../ops/archive/keys";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { compare } from "../../ops/missing/compare";
import { roles } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt, storeReceipts, type StoredReceipt } from "../receipts";
import { lockedBucket, makeBucket, testRegion, testS3, type TestS3 } from "../s3";
import { runOps } from "./programs";

let server: TestPostgres;
let s3: TestS3;
let primary: TestDatabase;
/** As far as the replica had come. */
let behind: TestDatabase;
let bucket: Bucket;
/** What it lacks, in the order of agents and places. */
let lacking: StoredReceipt[];

const newBucket = (name: string) => {
  makeBucket(s3.root, name, lockedBucket);
  return new Bucket(s3.client({ forcePathStyle: true }), name, new AbortController().signal);
};

const store = (...agents: string[]) => storeIn(primary, ...agents);

async function storeIn(database: TestDatabase, ...agents: string[]): Promise<StoredReceipt[]> {
  const app = await database.connect(roles.app);
  const stored = await storeReceipts(
    app,
    agents.map((actor_id) => newReceipt({ actor_id, decision_outcome: "allow" })),
  );
  await app.end();
  return stored;
}

async function archived(): Promise<void> {
  const client = await primary.connect(roles.archiver);
  await archive({ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 1000 });
  await client.end();
}

const comparedWith = async (database: TestDatabase, to = bucket) => {
  const client = await database.connect(roles.verifier);
  return compare(client, to, 60, silentLog).finally(() => client.end());
};

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
  primary = await server.createDatabase({ migrated: true });
  bucket = newBucket("backups");
  await store("a", "a", "quiet");
  await archived();
  const [onReplica] = await store("a"); // received, and archived only after the copy
  // The newest one may be of when this server's migrations ran, many minutes ago.
  const monitor = await primary.connect(roles.monitor);
  await monitor.query("update audit.heartbeat set at = default");
  await monitor.end();
  behind = await server.createDatabase({ copyOf: primary });
  const first = await store("a", "b");
  await archived();
  const second = await store("a");
  const app = await primary.connect(roles.app);
  await app.query("update receipts set status = 'cancelled', updated_at = now() where id = $1", [onReplica!.id]);
  await app.end();
  await archived();
  lacking = [first[0]!, second[0]!, first[1]!];
});
afterAll(() => Promise.all([server.stop(), s3.close()]));

describe("what a replica lacks", () => {
  it("is named by id and place, from every segment since, and nothing that it has is", async () => {
    const compared = await comparedWith(behind);
    expect(compared).toMatchObject({
      lacking: { receipts: 3, changes: 1, imports: 0 },
      problems: [],
      upTo: { number: 3 },
    });
    expect(compared.receipts.map(({ id, agent, seq }) => [id, agent, seq])).toEqual([
      [lacking[0]!.id, "a", 4],
      [lacking[1]!.id, "a", 5],
      [lacking[2]!.id, "b", 1],
    ]);
  });

  it("is nothing for a server that has what was archived, and more", async () => {
    await store("a");
    expect(await comparedWith(primary)).toMatchObject({
      lacking: { receipts: 0, changes: 0, imports: 0 },
      ...{ receipts: [], problems: [] },
    });
  });

  it("cannot be told by an empty bucket", async () => {
    const { upTo, problems } = await comparedWith(behind, newBucket("empty"));
    expect(upTo).toBeUndefined();
    expect(problems).toEqual([expect.stringMatching(/^nothing was archived into the bucket empty/)]);
  });
});

const digestOf = async (database: TestDatabase, of = bucket) => (await comparedWith(database, of)).digest;

describe("the program", () => {
  const run = (database: TestDatabase, of = bucket, ...args: string[]) =>
    runOps("missing", args, {
      ...s3.environment,
      AWS_ENDPOINT_URL_S3: s3.url,
      DATABASE_URL: database.url(roles.verifier),
      BACKUP_BUCKET: of.name,
      BACKUP_REGION: testRegion,
    });

  it("refuses a server that lacks receipts, naming each, and what to do", async () => {
    const { code, stderr } = await run(behind);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^missing: the database lacks what the bucket has: receipts: 3, changes of receipts: 1, imports: 0$/m,
    );
    expect(stderr).toContain(`${lacking[1]!.id}: place 5 of agent "a", `);
    expect(stderr).toMatch(/newest manifest is of 20\S+Z, the last heartbeat in this database of 20\S+Z: what was/);
    expect(stderr).toMatch(
      /nothing was promoted by this\. .* pulumi config set acceptMissing missing-[0-9a-f]{12}, and/,
    );
  });

  it("goes on without them where just these are accepted, and tells them all the same", async () => {
    const { code, lines } = await run(behind, bucket, "--accept", await digestOf(behind));
    expect(code).toBe(0);
    expect(JSON.stringify(lines)).toContain(lacking[2]!.id);
  });

  it("refuses a replica whose last heartbeat is far older than the newest manifest, though nothing archived is missing", async () => {
    const late = await server.createDatabase({ copyOf: primary });
    const superuser = await late.connect();
    await superuser.query("alter table audit.heartbeat disable trigger stamp_heartbeat");
    await superuser.query("update audit.heartbeat set at = at - interval '10 minutes'");
    await superuser.end();
    expect((await run(late, bucket, "--max-lag", "86400")).code).toBe(0);
    const { code, stderr } = await run(late);
    expect(code).toBe(1);
    expect(stderr).toMatch(/last heartbeat is 6\d\d s older than the newest manifest, and failoverLagSeconds is 60$/m);
    expect((await run(late, bucket, "--accept", await digestOf(late))).code).toBe(0);
  });

  it("is no answer at all where the bucket cannot be reached, whatever was accepted", async () => {
    const { code, stderr } = await runOps("missing", ["--accept", await digestOf(behind)], {
      ...s3.environment,
      AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9",
      AWS_MAX_ATTEMPTS: "1",
      DATABASE_URL: behind.url(roles.verifier),
      BACKUP_BUCKET: bucket.name,
      BACKUP_REGION: testRegion,
    });
    expect(code).toBe(1);
    expect(stderr).toContain("ECONNREFUSED");
  });

  it("refuses one that nothing can be compared with: no answer is not a good one", async () => {
    const { code, stderr } = await run(primary, newBucket("nothing"));
    expect(code).toBe(1);
    expect(stderr).toContain("nothing was archived into the bucket nothing: what the database lacks cannot be told");
  });

  it("lets a server that has everything go on", async () => {
    const { code, stdout, stderr } = await run(primary);
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toContain("the database has every receipt that the bucket has");
  });

  it("refuses one that has gone on in another branch, as far as the bucket and beyond", async () => {
    const forked = await server.createDatabase({ copyOf: behind });
    await storeIn(forked, "a", "a", "a", "b");
    const { code, stderr } = await run(forked);
    expect(code).toBe(1);
    expect(stderr).toContain('receipt 5 of agent "a" is another one than the bucket\'s: the chain has forked');
    expect(stderr).toContain('receipt 1 of agent "b" is another one than the bucket\'s: the chain has forked');
  });

  it("refuses one that knows of a newer manifest than the bucket has", async () => {
    const cut = await server.createDatabase({ copyOf: primary });
    const superuser = await cut.connect();
    await superuser.query("update audit.archive set manifest = 9");
    await superuser.end();
    const { code, stderr } = await run(cut);
    expect(code).toBe(1);
    expect(stderr).toContain("the newest manifest in the bucket backups is 3, and 9 had been written");
  });

  it("tells by the manifest before what is missing where the newest cannot be read, and goes on where that is accepted", async () => {
    const junk = newBucket("junk");
    cpSync(bucketFiles(s3.root, bucket.name).objects, bucketFiles(s3.root, "junk").objects, { recursive: true });
    await junk.putNew(manifestKey(4), Buffer.from("{}"), "application/json");
    const { code, stderr } = await run(behind, junk);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /receipts: 3, changes of receipts: 1, imports: 0; manifests\/000\/000\/004\.json .*is no manifest/,
    );
    expect(stderr).toContain(lacking[0]!.id);
    expect((await run(behind, junk, "--accept", await digestOf(behind, junk))).code).toBe(0);
  });

  it("counts imports that never came", async () => {
    const app = await primary.connect(roles.app);
    await insertReceipts(app, [newReceipt({ actor_id: "imported", created_at: "2019-05-06T07:08:09.000Z" })]);
    await app.end();
    await archived();
    expect((await comparedWith(behind)).lacking).toMatchObject({ imports: 1 });
  });

  it("refuses by what was accepted before, once more is missing: a yes to three is none to four", async () => {
    const before = await digestOf(behind);
    await store("c");
    await archived();
    const { code, stderr } = await run(behind, bucket, "--accept", before);
    expect(code).toBe(1);
    expect(stderr).toContain('place 1 of agent "c"');
    expect(stderr).toContain(`acceptMissing is ${before}: that was given for another list than this one.`);
    expect(await digestOf(behind)).not.toBe(before);
  });
});
