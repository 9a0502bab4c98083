/** Months that have left the database: the locked bucket has their rows, and says whether a checkpoint tells the truth. */
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { Bucket } from "../../ops/archive/bucket";
import { checkArchive } from "../../ops/archive/check";
import { dumpKey, manifestKey } from "../../ops/archive/keys";
import type { Manifest } from "../../ops/archive/manifest";
import { archive } from "../../ops/archive/run";
import { dump } from "../../ops/dump/run";
import { silentLog } from "../../ops/log";
import { makeMonths } from "../../ops/restore/months";
import { roles } from "../../ops/roles";
import { verifyArchive } from "../../ops/verify/archived";
import { allCheckpoints } from "../../ops/verify/snapshot";
import { monthName, tile } from "../months";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { lockedBucket, makeBucket, testRegion, testS3, type TestS3 } from "../s3";
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
  bucket = new Bucket(s3.client({ forcePathStyle: true }), name, signal);
});

/** What chains gained goes into the bucket. */
const archived = () =>
  archive({ client: auditor, bucket, environment: "test", told: 0, log: silentLog, mostRows: 1000 });
/** Two agents, one with an approval that was asked for; and one receipt of next month, so that the trail is not empty. */
async function someReceipts(): Promise<void> {
  await insertReceipts(owner, [
    ...Array.from({ length: 3 }, () => newReceipt()),
    newReceipt({ actor_id: "b", decision_outcome: "require_approval" }),
    newReceipt({ created_at: `${monthName(1)}-15T00:00:00Z` }),
  ]);
}
const leave = () => owner.query("select audit.archive_month(audit.month_of(now()))");
const check = async () => verifyArchive(bucket, 0, 0, await allCheckpoints(auditor));
const verify = (args: string[], role: string = roles.auditor) =>
  runOps("verify", args, {
    DATABASE_URL: database.url(role),
    AWS_ENDPOINT_URL_S3: s3.url,
    BACKUP_BUCKET: bucket.name,
    BACKUP_REGION: testRegion,
    ...s3.environment,
  });

/** What the alarms are told that was not verified, by scope. */
async function told(): Promise<Record<string, number>> {
  const { rows } = await owner.query<{ scope: string; unverified: number }>(
    "select scope, unverified::int from audit.verifications where finished_at is not null order by scope",
  );
  return Object.fromEntries(rows.map(({ scope, unverified }) => [scope, unverified]));
}

async function manifests(): Promise<Manifest["archive"][]> {
  const all = [];
  for await (const { manifest } of checkArchive(bucket)) if (manifest) all.push(manifest.archive);
  return all;
}

/** As the bucket's rules do once the lock has ended. */
async function expire(...keys: string[]): Promise<void> {
  for (const Key of keys)
    for (const { id: VersionId } of (await bucket.list(Key))[0]!.versions)
      await bucket.client.send(
        new DeleteObjectCommand({ Bucket: bucket.name, Key, VersionId, BypassGovernanceRetention: true }),
      );
}

/** What is in no chain, as it was dumped some hours ago. */
async function dumped(hours: number): Promise<void> {
  const client = await database.connect(roles.archiver);
  await dump({ client, bucket, environment: "test", told: 0, log: silentLog, manifest: 1 });
  const Key = dumpKey(1);
  const written = JSON.parse((await bucket.read(Key)).toString()) as object;
  const as_of = new Date(Date.now() - hours * 3_600_000).toISOString();
  await expire(Key);
  const Body = JSON.stringify({ ...written, as_of });
  await bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key, Body }));
}

/** Removes agent-1's first receipt, and says with a right seal that it left with a month. */
const makeUp = (source: string, at: string) =>
  superuser.query(`set session_replication_role = replica;
    insert into audit.checkpoints
      select seq, 'receipts', 'agent-1', 1, 1, chain_seal, receipt_hash, '${source}', at,
             audit.checkpoint_seal(seal, seq, 'receipts', 'agent-1', 1, 1, chain_seal, receipt_hash, '${source}', at)
        from receipts, (select ${at} as at, count(*) + 1 as seq, coalesce((array_agg(c.seal order by c.seq desc))[1], '') as seal
                          from audit.checkpoints c) before
       where actor_id = 'agent-1' and chain_seq = 1;
    delete from receipts where actor_id = 'agent-1' and chain_seq = 1`);

describe("a month that has left the database", () => {
  it("is whole where there was none in it, too: months without a receipt leave no checkpoint", async () => {
    const names = [-4, -3, -2, -1, 0, 1].map(monthName);
    const tables = ["public.receipts", "audit.receipt_history"].map((name) => name.split("."));
    await makeMonths(owner, { months: tables.map(([schema = "", table = ""]) => ({ schema, table, names })) });
    await insertReceipts(owner, [
      ...[-4, -2].map((ahead) => newReceipt({ created_at: `${monthName(ahead)}-15T00:00:00Z` })),
      newReceipt(),
    ]);
    await archived();
    await dumped(2);
    for (const name of names.slice(0, 4)) await owner.query("select audit.archive_month($1)", [`${name}-01`]);
    expect(await verify([])).toMatchObject({ code: 3, lines: [{ findings: [] }] });
    expect(await verify(["--archived"])).toMatchObject({ code: 0, lines: [{ findings: [], unverified: [] }] });
  });

  it.each([
    ["before there were months", -1, async () => {}],
    ["into one that had left long before", 0, leave],
  ])("is not what a checkpoint says that was made up for an imported receipt, dated %s", async (_, ahead, before) => {
    const created_at = `${monthName(ahead)}-01T00:00:00Z`;
    await before();
    await insertReceipts(owner, [newReceipt({ created_at }), newReceipt()]);
    await archived();
    await dumped(2);
    await makeUp(tile("receipts", ahead), "now()");
    // What the database shows alone explains itself, and so do the rows in the bucket.
    expect(await verify([])).toMatchObject({ code: 3, lines: [{ ok: true }] });
    const { code, lines } = await verify(["--archived"]);
    expect([code, lines[0]?.["findings"]]).toEqual([
      1,
      [
        expect.objectContaining({
          kind: "altered-checkpoint",
          message: expect.stringMatching(
            `rows left with ${tile("receipts", ahead)}; there was no such month when dumps/000/000/001.json was made`,
          ) as unknown,
        }),
      ],
    ]);
  });

  it("is not known to have been where no dump in the bucket is from before it left: not all could be verified", async () => {
    await someReceipts();
    await archived();
    await leave();
    const { code, lines } = await verify(["--archived", "--record", "archived"], roles.verifier);
    const unknown = (name: string) =>
      `whether there was a month ${tile(name, 0)} (no dump from before it left is in the bucket ${bucket.name})`;
    const both = ["receipt_history", "receipts"].map(unknown);
    expect([code, lines[0]]).toEqual([3, expect.objectContaining({ findings: [], left: [], unverified: both })]);
    expect(await told()).toEqual({ archived: 2 });
    await dumped(0);
    expect(await verify(["--archived"]), "one from after it left does not help").toMatchObject({ code: 3 });
  });

  it.each([
    ["where one of them cannot be read", [2, 3], ["dumps/000/000/002.json", "dumps/000/000/003.json"]],
    ["where numbers are left out", [99], ["dumps/000/000/002.json to dumps/000/000/098.json are gone", "099.json"]],
  ])("is compared with the dumps of before all the same, and junk among them is told: %s", async (_, junk, told) => {
    await insertReceipts(owner, [newReceipt({ created_at: `${monthName(-1)}-01T00:00:00Z` }), newReceipt()]);
    await archived();
    await dumped(2);
    for (const number of junk) await bucket.putNew(dumpKey(number), Buffer.from("{}"), "application/json");
    await makeUp(tile("receipts", -1), "now()");
    const { code, lines } = await verify(["--archived"]);
    const finding = (kind: string, said: string) =>
      expect.objectContaining({ kind, message: expect.stringContaining(said) as string }) as unknown;
    expect([code, lines[0]?.["findings"]]).toEqual([
      1,
      expect.arrayContaining([
        finding("altered-checkpoint", "there was no such month when dumps/000/000/001.json was made before"),
        ...told.map((said) => finding("altered-archive", said)),
      ]),
    ]);
  });

  it("is not known to have been by a dump that is held, once those from after it have expired: nothing is wrong, and that is told", async () => {
    await insertReceipts(owner, [newReceipt({ created_at: `${monthName(-1)}-01T00:00:00Z` }), newReceipt()]);
    await archived();
    await dumped(2);
    await makeUp(tile("receipts", -1), "now()");
    const held = JSON.parse((await bucket.read(dumpKey(1))).toString()) as object;
    const later = { ...held, number: 99, as_of: new Date().toISOString() };
    onTestFinished(() => void (s3.ahead = 0));
    s3.ahead = -60 * 86_400_000;
    await bucket.putNew(dumpKey(99), Buffer.from(JSON.stringify(later)), "application/json");
    const { findings, left, unverified } = await check();
    expect(findings).toEqual([]);
    const unknown = `whether there was a month ${tile("receipts", -1)} (no dump from before it left is in the bucket ${bucket.name})`;
    expect([left, unverified]).toEqual([[unknown], []]);
  });

  it("is not what a checkpoint says that is dated before a manifest which does not know it", async () => {
    await insertReceipts(owner, [newReceipt({ created_at: `${monthName(-1)}-01T00:00:00Z` }), newReceipt()]);
    await archived();
    await makeUp(tile("receipts", -1), "now() - interval '2 hours'");
    const messages = async () => (await check()).findings.map(({ message }) => message);
    const late = expect.stringMatching(
      /^checkpoint 1 .* says that it was made at .* does not know it \(manifests.*001/,
    ) as unknown;
    expect(await messages()).toEqual([late]);
    await insertReceipts(owner, [newReceipt()]);
    await archived();
    expect(await messages(), "once the newest manifest has it").toEqual([late]);
  });

  it("is whole by the rows that the bucket has of it; without the bucket that is not known", async () => {
    await someReceipts();
    await archived();
    await dumped(2);
    await leave();
    const months = [tile("receipt_history", 0), tile("receipts", 0)];
    expect(await verify([])).toMatchObject({ code: 3, lines: [{ unverified: months, left: months }] });
    expect(await verify(["--archived"])).toMatchObject({
      code: 0,
      lines: [{ ok: true, unverified: [], findings: [] }],
    });
  });

  it("is not verified as far as its rows left before they came into the bucket, and that is told", async () => {
    await someReceipts();
    await dumped(2);
    await leave();
    await archived();
    const { code, lines } = await verify(["--archived", "--record", "archived"], roles.verifier);
    expect(code).toBe(3);
    expect(lines[0]).toMatchObject({ unverified: [tile("receipt_history", 0), tile("receipts", 0)], left: [] });
    expect(await told()).toEqual({ archived: 2 });
  });

  it("is for no run to verify once the bucket has it no more by its age, and wakes nobody", async () => {
    await someReceipts();
    await dumped(2);
    await archived();
    await insertReceipts(owner, [newReceipt({ created_at: `${monthName(1)}-15T00:00:00Z` })]);
    await archived();
    await leave();
    const months = [tile("receipt_history", 0), tile("receipts", 0)];
    expect(await verify(["--record", "whole"], roles.verifier)).toMatchObject({ code: 3 });
    expect(await told()).toEqual({ whole: 0 });
    for (const { number, segment } of await manifests()) if (number === 1) await expire(manifestKey(1), segment.key);
    const { code, lines } = await verify(["--archived", "--record", "archived"], roles.verifier);
    expect(code).toBe(3);
    const gone = `manifests before ${manifestKey(2)}, which have left the bucket ${bucket.name}`;
    expect(lines[0]).toMatchObject({ findings: [], left: [gone, ...months] });
    expect(await told()).toEqual({ archived: 0, whole: 0 });
  });

  it("is not what a checkpoint says that was made up for a receipt that was removed, however right its seal is", async () => {
    await someReceipts();
    await archived();
    const source = tile("receipts", -1);
    await superuser.query(`set session_replication_role = replica;
      insert into audit.checkpoints
        select 1, 'receipts', 'agent-1', 2, 2, chain_seal, receipt_hash, '${source}', now(),
               audit.checkpoint_seal('', 1, 'receipts', 'agent-1', 2, 2, chain_seal, receipt_hash, '${source}', now())
          from receipts where actor_id = 'agent-1' and chain_seq = 2;
      delete from receipts where actor_id = 'agent-1' and chain_seq = 2`);
    // What the database shows alone explains itself.
    expect(await verify([])).toMatchObject({ code: 3, lines: [{ ok: true }] });
    const { code, lines } = await verify(["--archived"]);
    expect(code).toBe(1);
    expect(lines[0]?.["findings"]).toMatchObject([
      {
        kind: "altered-checkpoint",
        message: `checkpoint 1 says that receipts 2 to 2 of agent "agent-1" left with ${source}; in the bucket receipt 2 is of ${monthName(0)}`,
      },
    ]);
  });

  it("is not what a checkpoint with another seal says", async () => {
    await someReceipts();
    await archived();
    await leave();
    await superuser.query("update audit.checkpoints set last_seal = sha256(last_seal) where agent = 'b'");
    expect((await check()).findings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/receipts 1 to 1 of agent "b".*in the bucket receipt 1 has another seal/),
      expect.stringMatching(/changes 1 to 1 of agent "b".*in the bucket change 1 has another seal/),
    ]);
  });
});
