/** ops/archive: what the locked bucket holds, and that it is all there is. */
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Anchor, parseAnchors } from "../../ops/anchorFormat";
import { sayForks, wrongForks, type Acceptance } from "../../ops/archive/acceptFork";
import { Bucket } from "../../ops/archive/bucket";
import { assertLocks } from "../../ops/archive/assertLocks";
import { checkArchive } from "../../ops/archive/check";
import { manifestKey } from "../../ops/archive/keys";
import { encodeManifest, sha256Of, type Manifest } from "../../ops/archive/manifest";
import { readLine } from "../../ops/archive/lines";
import { newestManifest } from "../../ops/archive/newest";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { roles } from "../../ops/roles";
import { verifyArchive } from "../../ops/verify/archived";
import { archiveBounds } from "../../ops/verify/fromArchive";
import { verify } from "../../ops/verify/verification";
import { withClockOff } from "../clock";
import { madeUpReceipt } from "../madeUp";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt, storeReceipts } from "../receipts";
import { restore } from "../restore";
import { lockedBucket, makeBucket, testS3, type TestS3 } from "../s3";

let server: TestPostgres;
let s3: TestS3;
let database: TestDatabase;
let app: pg.Client;
let archiver: pg.Client;
let superuser: pg.Client;
let bucket: Bucket;
let made = 0;

const { signal } = new AbortController();

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
});
afterAll(() => Promise.all([server.stop(), s3.close()]));

beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  [app, archiver, superuser] = await Promise.all([
    database.connect(roles.app),
    database.connect(roles.archiver),
    database.connect(),
  ]);
  bucket = newBucket();
});
// The server has 120 connections, and each test three of its own.
afterEach(() => Promise.all([app, archiver, superuser].map((client) => client.end())));

function newBucket(): Bucket {
  const name = `backups-${++made}`;
  makeBucket(s3.root, name, lockedBucket);
  return new Bucket(s3.client({ forcePathStyle: true }), name, signal);
}

function unlocked(): string {
  const name = `unlocked-${++made}`;
  makeBucket(s3.root, name, { versioning: "Enabled" });
  return name;
}

const run = (
  more: { bucket?: Bucket; client?: pg.Client; mostRows?: number; told?: number; accept?: Acceptance } = {},
) => archive({ client: archiver, bucket, environment: "test", told: 0, log: silentLog, mostRows: 1000, ...more });

/** Reads the whole bucket; fails at anything that is wrong in it and not said there. */
async function readAll(of = bucket): Promise<{ manifests: Manifest[]; lines: string[] }> {
  const manifests: Manifest[] = [];
  const lines: string[] = [];
  for await (const { manifest, problems } of checkArchive(of, {
    lines: (some) => void lines.push(...some.map(String)),
  })) {
    if (problems.length > 0) throw new Error(problems.join("; "));
    if (manifest) manifests.push(manifest);
  }
  return { manifests, lines };
}

const placesOf = ({ archive: { pieces } }: Manifest) =>
  pieces.map(({ chain, agent, first, last }) => `${chain} ${agent} ${first}-${last}`);

/** What the verifier finds, manifests taken for the anchors that they are. */
async function verifyAgainst(of: TestDatabase, manifests: Manifest[], from?: Anchor): Promise<string[]> {
  const anchors = parseAnchors(JSON.stringify(manifests), "manifests");
  const report = await verify({
    url: of.url(roles.archiver),
    signal,
    anchors,
    from,
    connections: 1,
    chunk: 1000,
    allowEmpty: false,
  });
  return report.findings.map(({ message }) => message);
}

/** What the daily verification finds that begins where a manifest was made. */
async function verifySince(manifest: Manifest): Promise<string[]> {
  const [after, newest] = [Date.parse(manifest.as_of) + 1, (await newestManifest(bucket))!.manifest];
  const bounds = await archiveBounds(bucket, new Date(after).toISOString());
  expect(bounds?.from.as_of).toBe(manifest.as_of);
  return verifyAgainst(database, [newest], bounds!.from);
}

/** Runs SQL as a superuser whom no trigger stops. */
const tamper = (sql: string, ...values: unknown[]) =>
  superuser
    .query("set session_replication_role = replica")
    .then(() => superuser.query(sql, values))
    .finally(() => superuser.query("reset session_replication_role"));

/** As a replica that was promoted before it had received an agent's receipts from a place on, and goes on. */
async function loseReceipts(agent: string, from: number): Promise<void> {
  await tamper("delete from receipts where actor_id = $1 and chain_seq >= $2", agent, from);
  if (from === 1) {
    await tamper("delete from audit.chain_heads where agent = $1", agent);
    await tamper("delete from audit.chains where heads = 'chain_heads' and agent = $1", agent);
    return;
  }
  await tamper(
    `update audit.chain_heads h set (seq, seal, receipt_hash, prev_receipt_hash, sealed_at) =
       (select chain_seq, chain_seal, receipt_hash, prev_receipt_hash, sealed_at from receipts where actor_id = $1 and chain_seq = $2 - 1)
      where agent = $1`,
    ...[agent, from],
  );
}

/** As the bucket's owner under governance. */
async function rewriteManifest(number: number, change: (text: string) => string): Promise<void> {
  const written = { Bucket: bucket.name, Key: manifestKey(number) };
  const body = change((await bucket.read(written.Key)).toString());
  const [entry] = await bucket.list(written.Key);
  const version = { VersionId: entry!.versions[0]!.id, BypassGovernanceRetention: true };
  await s3.client().send(new DeleteObjectCommand({ ...written, ...version }));
  await s3.client().send(new PutObjectCommand({ ...written, Body: body }));
}

const awkward = () => [
  newReceipt({ actor_id: 'z"ö\t\\', tool_name: "a\u0001\u007f\u2028\\b", created_at: new Date().toISOString() }),
  newReceipt({ actor_id: null, tool_name: null, parent_receipt_id: newReceipt().id }),
  newReceipt({
    actor_id: "",
    envelope: { a: "tab\t and \u0007", b: [1.5, 1e300, -0.1, 12345678901234567890n.toString()] },
  }),
  newReceipt({ decision_outcome: "deny", decision: '"text"', envelope: "null" }),
  newReceipt({ decision_outcome: "require_approval" }),
];

describe("a segment", () => {
  it("holds what every chain gained since the last one, and nothing else; where nothing was gained there is none", async () => {
    await insertReceipts(app, [
      newReceipt(),
      newReceipt(),
      newReceipt({ actor_id: "b", decision_outcome: "require_approval" }),
    ]);
    expect(await run()).toMatchObject({ segments: 1, rows: 4, number: 1, flaws: [] });
    expect(await run()).toMatchObject({ segments: 0, rows: 0, number: 1, flaws: [] });
    await insertReceipts(app, [newReceipt(), newReceipt({ actor_id: null })]);
    await app.query("update receipts set rekor_entry_id = 'x' where actor_id = 'b'");
    expect(await run()).toMatchObject({ segments: 1, rows: 3, number: 2 });
    expect((await readAll()).manifests.map(placesOf)).toEqual([
      ["receipts agent-1 1-2", "receipts b 1-1", "history b 1-1"],
      ["receipts  1-1", "receipts agent-1 3-3", "history b 2-2"],
    ]);
  });

  it("gives back every sealed byte: a database restored from segments alone is whole, by the verifier and by the manifests", async () => {
    await insertReceipts(app, awkward());
    await superuser.query(
      `insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision, created_at, updated_at)
       select gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', '{"n": 1.50, "big": 123456789012345678901234567890.10}', 'null', now(), now()`,
    );
    await run();
    await app.query("update receipts set rekor_entry_id = 'x', error = '{\"a\": 1.0}'");
    await insertReceipts(app, awkward());
    await run();
    const { manifests, lines } = await readAll();
    const restored = await server.createDatabase({ migrated: true });
    await restore(restored, lines);
    expect(await verifyAgainst(restored, manifests)).toEqual([]);
    const rows = "select * from receipts order by actor_id, chain_seq";
    const there = await (await restored.connect()).query(rows);
    expect(there.rows).toEqual((await superuser.query(rows)).rows);
    expect(there.rowCount).toBe(11);
  });

  it("holds receipts that were made long before, imported between others", async () => {
    await insertReceipts(app, [newReceipt()]);
    await run();
    await insertReceipts(app, [newReceipt({ created_at: "2019-05-06T07:08:09.000Z" }), newReceipt()]);
    await insertReceipts(app, [newReceipt({ actor_id: null, created_at: "2019-05-06T07:08:09.000Z" })]);
    expect(await run()).toMatchObject({ rows: 5, flaws: [] });
    const { manifests, lines } = await readAll();
    expect(placesOf(manifests[1]!)).toEqual(["receipts  1-1", "receipts agent-1 2-3", "imports  1-2"]);
    expect(lines.at(-1)).toMatch(
      /^{"chain":"imports","seq":2,.*"reason":"receipts of a test",.*"agent":"","first_seq":1,/,
    );
    expect(manifests[1]!.imports.seq).toBe(2);
    expect(await verifyAgainst(database, manifests)).toEqual([]);
  });

  it("has an import's reason as it was given, whatever is in it", async () => {
    const owner = await database.connect(roles.owner);
    const reason = 'a "reason"\t\\ with\nlines, \u0001 and \u2028 ö 😀';
    await owner.query(`begin; select audit.open_import(${owner.escapeLiteral(reason)})`);
    await storeReceipts(owner, [newReceipt({ actor_id: "\t", created_at: "2019-05-06T07:08:09.000Z" })]);
    await owner.query("commit");
    expect(await run()).toMatchObject({ flaws: [] });
    expect(JSON.parse((await readAll()).lines.at(-1)!)).toMatchObject({ chain: "imports", reason, agent: "\t" });
  });

  it("has each receipt in the chain of the agent that its seal covers, whatever is in the name", async () => {
    await insertReceipts(app, awkward());
    await run();
    const receipts = (await readAll()).lines.filter((line) => line.startsWith('{"chain":"receipts"'));
    const content = (line: string) => readLine(Buffer.from(line)).line.content;
    expect(receipts.map(content)).not.toContain(undefined);
    const moved = receipts.map((line) => line.replace(/"agent":"(?:[^"\\]|\\.)*"/, '"agent":"another"'));
    expect(moved.map(content)).toEqual(moved.map(() => undefined));
  });

  it("is of bounded size: an old database comes in several, each chain in parts, the small ones first", async () => {
    await insertReceipts(
      app,
      Array.from({ length: 25 }, () => newReceipt({ actor_id: "many" })),
    );
    await insertReceipts(app, [newReceipt({ actor_id: "few" }), newReceipt({ actor_id: null })]);
    expect(await run({ mostRows: 10 })).toMatchObject({ segments: 3, rows: 27, number: 3 });
    const { manifests } = await readAll();
    expect(manifests.map(placesOf)).toEqual([
      ["receipts  1-1", "receipts few 1-1", "receipts many 1-8"],
      ["receipts many 9-18"],
      ["receipts many 19-25"],
    ]);
    expect(manifests.map(({ archive: { complete } }) => complete)).toEqual([false, false, true]);
  });

  it("of a chain that comes in many is found where the last one ended, however long the chain is", async () => {
    const [rows, mostRows] = [1500, 50];
    const at = (n: number) => new Date(Date.now() - 600_000 + 400 * (n ^ 1)).toISOString();
    await insertReceipts(
      app,
      Array.from({ length: rows }, (_, n) => newReceipt({ created_at: at(n) })),
    );
    const read = async () => {
      await archiver.query("select pg_stat_force_next_flush()");
      const { rows: sums } = await superuser.query<{ read: number }>(
        "select sum(idx_tup_fetch + seq_tup_read)::int as read from pg_stat_user_tables where relname ~ '^receipts_'",
      );
      return sums[0]!.read;
    };
    const before = await read();
    expect(await run({ mostRows })).toMatchObject({ segments: rows / mostRows, rows, flaws: [] });
    expect((await read()) - before).toBeLessThan(6 * rows);
    await readAll();
  });

  it("begins after months that have left the database before, and says which checkpoint stands for them", async () => {
    const owner = await database.connect(roles.owner);
    const archiveMonth = async () => {
      const { rows } = await owner.query<{ month: string }>(
        "select min(month)::text as month from audit.partitions where kind = 'month'",
      );
      await owner.query("select audit.archive_month($1)", [rows[0]?.month]);
    };
    await insertReceipts(app, [newReceipt({ created_at: "2019-01-15T00:00:00Z" }), newReceipt(), newReceipt()]);
    await archiveMonth();
    await insertReceipts(app, [newReceipt()]);
    expect(await run()).toMatchObject({ rows: 3, flaws: [] });
    const [first] = (await readAll()).manifests;
    expect(first?.archive.pieces[0]).toMatchObject({ first: 1, last: 4, rows: 2, elsewhere: [{ first: 2, last: 3 }] });

    await insertReceipts(app, [newReceipt()]);
    expect(await run()).toMatchObject({ rows: 1, flaws: [] });
    await readAll();
  });
});

describe("a manifest", () => {
  it("is an anchor: what is cut off or rewritten after it is found, by verify or by the next run", async () => {
    await insertReceipts(app, [newReceipt(), newReceipt(), newReceipt({ actor_id: "b" })]);
    await run();
    const { manifests } = await readAll();
    expect(await verifyAgainst(database, manifests)).toEqual([]);
    await tamper("delete from receipts where actor_id = 'agent-1' and chain_seq = 2");
    await tamper(
      "update audit.chain_heads h set (seq, sealed_at, seal, receipt_hash) = (select chain_seq, sealed_at, chain_seal, receipt_hash from receipts where actor_id = h.agent and chain_seq = 1) where agent = 'agent-1'",
    );
    expect(await verifyAgainst(database, manifests)).toHaveLength(1);
    expect((await run()).flaws).toMatchObject([{ kind: "fork", agent: "agent-1", seq: 2, last: 2 }]);
  });

  it("is the newest by its number, whoever hides it or puts another on top; and that is said", async () => {
    for (let i = 0; i < 3; i++) {
      await insertReceipts(app, [newReceipt()]);
      await run();
    }
    await s3.client().send(new DeleteObjectCommand({ Bucket: bucket.name, Key: manifestKey(3) }));
    expect(await newestManifest(bucket)).toMatchObject({
      manifest: { archive: { number: 3 } },
      touched: expect.stringMatching(/hidden/) as unknown,
    });
    await s3.client().send(new PutObjectCommand({ Bucket: bucket.name, Key: manifestKey(3), Body: "{}" }));
    expect(await run()).toMatchObject({ number: 3, segments: 0, touched: expect.stringMatching(/hidden/) as unknown });
  });
});

describe("what is wrong in the database", () => {
  const altered = "update receipts set tool_name = 'x' where actor_id = 'agent-1' and chain_seq = 2";

  it("an altered receipt is archived as it is, named in the manifest, and counted in all later ones", async () => {
    await insertReceipts(app, [newReceipt(), newReceipt(), newReceipt()]);
    await tamper(altered);
    const says = 'receipt 2 does not follow from the one before it (agent "agent-1")';
    expect(await run()).toMatchObject({ rows: 3, flawsSoFar: 1, flaws: [{ kind: "altered", seq: 2, says }] });
    await insertReceipts(app, [newReceipt()]);
    expect(await run()).toMatchObject({ rows: 1, flawsSoFar: 1, flaws: [] });
    const { manifests } = await readAll();
    expect(manifests.map(({ archive }) => archive.flaws.length)).toEqual([1, 0]);
    const told = [{ kind: "flawed-archive", message: `${manifestKey(1)} says: altered: ${says}` }];
    expect((await verifyArchive(bucket, 2, 0)).findings, "told by whoever verifies the archive").toEqual(told);
    expect((await verifyArchive(bucket, 2, 1)).findings, "once it was looked into").toEqual([]);
  });

  it("so is a change that was altered, and a receipt_hash that does not follow", async () => {
    await insertReceipts(app, [newReceipt({ decision_outcome: "require_approval" }), newReceipt()]);
    await tamper("update audit.receipt_history set changed_by = 'nobody'");
    await tamper("update receipts set receipt_hash = repeat('0', 64) where chain_seq = 2");
    expect((await run()).flaws.map(({ kind, chain, seq }) => [kind, chain, seq])).toEqual([
      ["altered", "receipts", 2],
      ["head", "receipts", 2],
      ["altered", "history", 1],
    ]);
  });

  it("so is an import that was altered, or is missing", async () => {
    for (let i = 0; i < 3; i++) await insertReceipts(app, [newReceipt({ created_at: "2019-05-06T07:08:09.000Z" })]);
    await tamper("update audit.imports set reason = 'another reason' where seq = 1");
    await tamper("delete from audit.imports where seq = 2");
    const { flaws, rows } = await run();
    expect(rows).toBe(5);
    expect(flaws.map(({ kind, says }) => [kind, says])).toEqual([
      ["altered", "import 1 does not follow from the one before it (all agents)"],
      ["missing", "import 2 is missing (all agents)"],
    ]);
    await readAll();
  });

  it("receipts that are missing are named with their places, and those around them are archived", async () => {
    await insertReceipts(
      app,
      Array.from({ length: 6 }, () => newReceipt()),
    );
    await insertReceipts(app, [newReceipt({ actor_id: "b" })]);
    await tamper("delete from receipts where actor_id = 'agent-1' and chain_seq in (2, 3, 6)");
    const { flaws, rows } = await run();
    expect(rows).toBe(4);
    expect(flaws.map(({ says }) => says)).toEqual([
      'receipts 2 to 3 are missing (agent "agent-1")',
      'receipt 6 is missing (agent "agent-1")',
    ]);
    expect((await run()).flaws, "the place is not passed over").toMatchObject([{ kind: "missing", seq: 6 }]);
  });

  it("a receipt that is there twice is archived twice", async () => {
    await insertReceipts(app, [newReceipt(), newReceipt()]);
    await tamper(
      "insert into receipts select (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()))).* from receipts r where chain_seq = 1",
    );
    expect(await run()).toMatchObject({ rows: 3, flaws: [{ kind: "twice", seq: 1 }] });
  });

  it("a receipt that was made up for the past, with right seals, is named: the manifest before would know it", async () => {
    const made = (agent: string, hours: number) => tamper(madeUpReceipt(agent, `now() - interval '${hours} hours'`));
    await made("agent-1", 5);
    await made("agent-1", 4);
    await made("b", 3);
    const bounded = await run({ mostRows: 1 });
    expect(bounded, "what one segment had no room for").toMatchObject({ segments: 3, flaws: [] });
    const before = (await newestManifest(bucket))!.manifest;
    await made("ghost", 2);
    await made("ghost", 1.5);
    await insertReceipts(app, [newReceipt()]);
    const { flaws } = await run();
    expect(flaws).toMatchObject([{ kind: "late", agent: "ghost", seq: 1 }]);
    expect(flaws[0]!.says).toMatch(/^receipt 1 says that it was stored at .*does not know it \(agent "ghost"\)$/);
    const { number } = (await newestManifest(bucket))!.manifest.archive;
    expect((await verifyArchive(bucket, number, 1)).findings, "once it was looked into").toEqual([]);
    await rewriteManifest(number, (text) => text.replace(/"flaws":\[.*\],"flawsSoFar":1/, '"flaws":[],"flawsSoFar":0'));
    expect((await verifyArchive(bucket, number, 0)).findings, "whoever wrote the manifest").toMatchObject([
      { kind: "altered-archive", message: expect.stringContaining("receipt 1 says that it was stored at") as string },
    ]);
    expect(before.archive).toMatchObject({ complete: true, number: 3 });
  });

  it("what another branch has is not taken for made up, however long its fork was not accepted", async () => {
    const made = (hours: number) => tamper(madeUpReceipt("agent-1", `now() - interval '${hours} hours'`));
    await made(5);
    await made(4);
    await run();
    await loseReceipts("agent-1", 2);
    await made(3);
    await made(2);
    await insertReceipts(app, [newReceipt({ actor_id: "b" })]);
    expect((await run()).flaws).toMatchObject([{ kind: "fork" }]);
    const accept = { chain: "receipts" as const, agent: "agent-1", seq: 1, by: "Ana Díaz", reason: "failover" };
    expect(await run({ accept })).toMatchObject({ rows: 2, flaws: [] });
    expect((await verifyArchive(bucket, 3, 0)).findings).toEqual([]);
  });

  it("a failover that lost rows: the fork is named with both seals, its chain is left alone, all others go on", async () => {
    await insertReceipts(app, [newReceipt(), newReceipt(), newReceipt({ actor_id: "b" })]);
    await run();
    const { manifests } = await readAll();
    const kept = manifests[0]!.chains.find(({ agent }) => agent === "agent-1")!.seal;
    await loseReceipts("agent-1", 2);
    const behind = await run();
    expect(behind.flaws).toMatchObject([{ kind: "fork", agent: "agent-1", seq: 2, last: 2 }]);
    expect(behind.flaws[0]?.says).toContain(kept);

    const [other] = await insertReceipts(app, [newReceipt(), newReceipt({ actor_id: "b" })]);
    const same = await run();
    expect(same).toMatchObject({ rows: 1, flaws: [{ kind: "fork", seq: 2 }] });
    expect(same.flaws[0]?.says).toContain(other!.chain_seal.toString("hex"));
    expect(same.flaws[0]?.says).toContain(kept);

    await insertReceipts(app, [newReceipt(), newReceipt({ actor_id: "b" }), newReceipt({ actor_id: "c" })]);
    expect(await run(), "beyond the fork").toMatchObject({ rows: 2, flaws: [{ kind: "fork", seq: 2 }], flawsSoFar: 0 });
    const chains = (await readAll()).manifests.at(-1)!.chains;
    expect(chains.map(({ agent, seq }) => [agent, seq])).toEqual([
      ["agent-1", 2],
      ["b", 3],
      ["c", 1],
    ]);
    expect(chains[0]?.seal).toBe(kept);
  });
});

describe("a fork that was accepted", () => {
  const accept = (seq: number, agent = "agent-1"): Acceptance => ({
    ...{ chain: "receipts", agent, seq, by: "Ana Díaz", reason: "failover of 24 November: receipt 2 was lost" },
  });

  it.each([
    [1, 'receipt 1 of agent "agent-1" is the same here'],
    [0, "it ends at 0"],
  ])(
    "of a chain that ends at place %i and never goes on, is recorded with nothing else to archive",
    async (last, refusal) => {
      await insertReceipts(app, [newReceipt(), newReceipt(), newReceipt({ actor_id: "b" })]);
      await run();
      await loseReceipts("agent-1", last + 1);
      expect(await run()).toMatchObject({ segments: 0, flaws: [{ kind: "fork", seq: last + 1, last: 2 }] });
      await expect(run({ accept: accept(1 - last) })).rejects.toThrow(refusal);
      expect(await run({ accept: accept(last) })).toMatchObject({ segments: 1, rows: 0, flaws: [], flawsSoFar: 0 });
      expect(await run()).toMatchObject({ segments: 0, flaws: [] });
      await insertReceipts(app, [newReceipt({ actor_id: "b" })]);
      await run();
      await insertReceipts(app, [newReceipt()]);
      expect(await run()).toMatchObject({ segments: 1, rows: 1, flaws: [] });
      expect(await verifyAgainst(database, (await readAll()).manifests.slice(-1))).toEqual([]);
      expect(await verifyArchive(bucket, 4, 0)).toMatchObject({
        findings: [],
        report: { forks: [{ ...accept(last), left: { last: 2 } }] },
      });
    },
  );

  it("is recorded; the chain goes on from the last place that both branches have, and both are in the bucket", async () => {
    await insertReceipts(app, [newReceipt(), newReceipt(), newReceipt({ actor_id: "b" })]);
    await run();
    const kept = (await readAll()).manifests[0]!.chains.find(({ agent }) => agent === "agent-1")!.seal;
    await loseReceipts("agent-1", 2);
    await insertReceipts(app, [newReceipt(), newReceipt(), newReceipt({ actor_id: "b" })]);
    await expect(run({ accept: accept(0) })).rejects.toThrow(/receipt 1 of agent "agent-1" is the same here/);
    await expect(run({ accept: accept(2) })).rejects.toThrow(/from an earlier place on, not from 2/);
    await expect(run({ accept: accept(1, "nobody") })).rejects.toThrow(/agent "nobody" up to 0/);
    expect((await readAll()).manifests, "a refusal writes nothing").toHaveLength(1);

    expect(await run({ accept: accept(1) })).toMatchObject({ segments: 2, rows: 3, flaws: [], flawsSoFar: 0 });
    expect(await run()).toMatchObject({ segments: 0, flaws: [] });
    const { manifests, lines } = await readAll();
    expect(manifests.map(placesOf)).toEqual([
      ["receipts agent-1 1-2", "receipts b 1-1"],
      ["receipts agent-1 2-3"],
      ["receipts b 2-2"],
    ]);
    expect(lines.filter((line) => line.includes('"agent":"agent-1","seq":2,'))).toHaveLength(2);
    expect(await verifyAgainst(database, manifests.slice(-1))).toEqual([]);
    expect(await verifyArchive(bucket, 3, 0)).toMatchObject({
      findings: [],
      report: { forks: [{ ...accept(1), left: { last: 2, seal: kept } }] },
    });

    // What a fork hides in the daily verification must not be made up, nor the fork itself be passed over.
    const messages = async () => (await verifyArchive(bucket, 3, 0)).findings.map(({ message }) => message);
    await rewriteManifest(3, (text) => text.replace('"forksBefore":2,', ""));
    expect(await messages()).toEqual([
      `${manifestKey(3)} does not name the newest manifest before it that accepts a fork`,
    ]);
    await rewriteManifest(3, (text) => text.replace('"flawsSoFar":0', '"flawsSoFar":7'));
    expect(await messages()).toContain(`${manifestKey(3)} says that rows have 7 flaws so far; 0 are named up to it`);
    await rewriteManifest(2, (text) => text.replace('"left":{"last":2', '"left":{"last":9'));
    expect(await messages()).toContain(
      `${manifestKey(2)} says that the branch of agent "agent-1" which was left ended at receipt 9; in the segments it ends at 2, or with another seal`,
    );
    await rewriteManifest(2, (text) =>
      text.replace(
        /("forks":.*?"seal":")(.)/,
        (_, before: string, digit: string) => before + (digit === "f" ? "0" : "f"),
      ),
    );
    expect(await messages()).toContain(
      `${manifestKey(2)} accepts a fork of agent "agent-1" from a place that no segment has so`,
    );
  });

  it("from before the first place has no seal there, and is said with its places and who accepted it", async () => {
    const fork = { ...accept(0), left: { last: 2, seal: "e".repeat(64) }, seal: "", at: "today" };
    const wrong = (seal: string) =>
      wrongForks(bucket, { archive: { number: 2, forks: [{ ...fork, seal }] } } as unknown as Manifest);
    expect(await wrong("")).toEqual([]);
    expect(await wrong("f".repeat(64))).toEqual([expect.stringMatching(/002.json accepts a fork of agent "agent-1"/)]);
    expect(sayForks([fork])).toBe(
      `1 accepted fork: agent "agent-1" after receipt 0 (left: 1 to 2), by ${fork.by} at today`,
    );
  });

  it("is the chain's own in a verification that begins before it was accepted; one that nobody accepted is found", async () => {
    const [a, b] = [() => newReceipt(), () => newReceipt({ actor_id: "b" })];
    const found = async (of: Manifest[]) => Promise.all(of.map(verifySince));
    await insertReceipts(app, [a(), a(), a(), b(), b()]);
    await run();
    for (const agent of ["agent-1", "b"]) await loseReceipts(agent, 2);
    await insertReceipts(app, [a(), b(), newReceipt({ actor_id: "c" })]);
    await run();
    await insertReceipts(app, [a(), a(), b()]);
    const [ofA, ofB] = [/receipt 3 of agent "agent-1".*was anchored/, /receipt 2 of agent "b".*was anchored/];
    const { manifests: between } = await readAll();
    const [unaccepted] = await found(between.slice(0, 1));
    for (const one of [ofA, ofB]) expect(unaccepted).toContainEqual(expect.stringMatching(one));

    await run({ accept: accept(1) });
    for (const messages of await found(between)) {
      expect(messages).toContainEqual(expect.stringMatching(ofB));
      expect(messages).not.toContainEqual(expect.stringContaining("agent-1"));
    }
    await run({ accept: accept(1, "b") });
    await insertReceipts(app, [a(), b()]);
    await run();
    expect((await found((await readAll()).manifests)).flat()).toEqual([]);

    // The same again, on the branch that was accepted.
    await loseReceipts("agent-1", 4);
    await insertReceipts(app, [a(), a()]);
    expect((await found(between.slice(0, 1)))[0]).toContainEqual(expect.stringContaining("agent-1"));
    await run({ accept: accept(3) });
    expect((await found(between)).flat()).toEqual([]);
  });
});

it("imports that a failover lost are a fork of their chain, which is passed only by a person", async () => {
  const imported = () => insertReceipts(app, [newReceipt({ created_at: "2019-05-06T07:08:09.000Z" })]);
  await imported();
  await imported();
  await run();
  await tamper("delete from audit.imports where seq = 2");
  expect((await run()).flaws).toMatchObject([{ kind: "fork", chain: "imports", seq: 2, last: 2 }]);
  await imported();
  expect((await run()).flaws).toMatchObject([{ kind: "fork", chain: "imports", seq: 2 }]);
  const accept = { chain: "imports", agent: "", by: "Ana Díaz", reason: "failover of 24 November" } as const;
  await expect(run({ accept: { ...accept, seq: 0 } })).rejects.toThrow(/import 1 of all agents is the same here/);
  expect(await run({ accept: { ...accept, seq: 1 } })).toMatchObject({ segments: 1, rows: 1, flaws: [] });
  expect(await run()).toMatchObject({ segments: 0, flaws: [] });
  expect(placesOf((await readAll()).manifests.at(-1)!)).toEqual(["imports  2-2"]);
});

it("an emptied bucket is not taken for a new one", async () => {
  await insertReceipts(app, [newReceipt()]);
  await expect(run({ told: 1 })).rejects.toThrow(
    /newest manifest in the bucket backups-\d+ is 0, and 1 had been written/,
  );
  expect(await run({ told: 0 })).toMatchObject({ number: 1 });
});

it("a bucket whose newest manifests were removed is not archived into: what shows it would be overwritten", async () => {
  await insertReceipts(app, [newReceipt()]);
  await run();
  await insertReceipts(app, [newReceipt()]);
  await expect(run({ told: 2 })).rejects.toThrow(
    /newest manifest in the bucket backups-\d+ is 1, and 2 had been written/,
  );
  expect(await run({ told: 1 })).toMatchObject({ number: 2 });
});

describe("two runs at once", () => {
  it("do no harm: every row is in the bucket once, and the segments of those who came second count for nothing", async () => {
    await insertReceipts(
      app,
      Array.from({ length: 40 }, (_, i) => newReceipt({ actor_id: `a${i % 4}` })),
    );
    const clients = await Promise.all(Array.from({ length: 6 }, () => database.connect(roles.archiver)));
    const outcomes = await Promise.all(clients.map((client) => run({ client, mostRows: 16 })));
    expect(outcomes.flatMap(({ flaws }) => flaws)).toEqual([]);
    expect(outcomes.reduce((sum, { rows }) => sum + rows, 0)).toBe(40);
    const { lines } = await readAll();
    expect(new Set(lines).size).toBe(40);
    expect(lines).toHaveLength(40);
  });
});

it("nothing is built on a manifest that this program did not write, whatever its number; older ones may have expired", async () => {
  await insertReceipts(app, [newReceipt()]);
  await run();
  await insertReceipts(app, [newReceipt()]);
  await run();
  const second = await bucket.read(manifestKey(2));
  const written = JSON.parse(second.toString()) as Manifest;
  const follows = { previous: sha256Of(second) };
  const unknown = { previous: "f".repeat(64) };
  const clean = bucket;
  for (const [number, forged] of [
    [3, unknown],
    [900, follows],
    [999_999_999, follows],
  ] as const) {
    bucket = newBucket();
    for (const one of [1, 2]) await bucket.putNew(manifestKey(one), await clean.read(manifestKey(one)), "");
    expect(await run()).toMatchObject({ segments: 0, number: 2 });
    const manifest = { ...written, archive: { ...written.archive, number, ...forged } };
    await bucket.putNew(manifestKey(number), encodeManifest(manifest), "");
    await expect(run(), String(number)).rejects.toThrow(/does not follow from the manifest before it/);
  }
  bucket = newBucket();
  await bucket.putNew(manifestKey(2), second, "");
  expect(await run()).toMatchObject({ segments: 0, number: 2 });
});

it("a replica that has not replayed what is in the bucket is not read", async () => {
  await insertReceipts(app, [newReceipt()]);
  await run();
  const standby = {
    query: (text: string) => (text.includes("pg_is_in_recovery") ? { rows: [{ at: "0/1" }] } : undefined),
  };
  await expect(run({ client: standby as never })).rejects.toThrow(/replica has replayed up to 0\/1/);
});

it.each([
  ["half an hour", 30, []],
  ["two hours, which nobody can tell from receipts made up for the past, and which is therefore named", 120, ["late"]],
])("all is archived in its order after the server's clock went back by %s", async (_by, minutes, flaws) => {
  await insertReceipts(app, [newReceipt()]);
  const ahead = await run({ client: withClockOff(archiver, 60_000 * minutes) });
  await insertReceipts(app, [newReceipt(), newReceipt({ actor_id: "new" })]);
  const back = await run();
  expect(Date.parse(back.until)).toBeLessThan(Date.parse(ahead.until));
  expect(back).toMatchObject({ number: 2, rows: 2 });
  expect([...new Set(back.flaws.map(({ kind }) => kind))]).toEqual(flaws);
  expect(await run()).toMatchObject({ segments: 0, number: 2 });
  const { manifests, lines } = await readAll();
  expect(manifests.map(placesOf)).toEqual([["receipts agent-1 1-1"], ["receipts agent-1 2-2", "receipts new 1-1"]]);
  expect(lines).toHaveLength(3);
  expect(await verifyAgainst(database, manifests)).toHaveLength(back.flaws.length);
});

const demanding = (mode: string, days: number) => new Bucket(bucket.client, bucket.name, signal, { mode, days });

it.each([
  ["as the settings say", "GOVERNANCE", 30, undefined],
  [
    "for fewer days than the settings say",
    "GOVERNANCE",
    31,
    /locks for 30 days in GOVERNANCE mode; lockMode GOVERNANCE and lockDays 31 demand more: nothing is written to it/,
  ],
  ["in a weaker mode than the settings say", "COMPLIANCE", 1, /lockMode COMPLIANCE and lockDays 1 demand more/],
])("of a bucket that locks %s the archiver asks before it writes", async (_how, mode, days, refusal) => {
  const asked = assertLocks(demanding(mode, days));
  await (refusal ? expect(asked).rejects.toThrow(refusal) : asked);
  await expect(assertLocks(new Bucket(bucket.client, unlocked(), signal, { mode, days }))).rejects.toThrow(
    /the bucket \S+ locks nothing by default; lockMode/,
  );
});

it.each([
  ["for fewer days", "GOVERNANCE", 32],
  ["in a weaker mode", "COMPLIANCE", 30],
])("a segment that S3 locks %s than the settings say counts for nothing", async (_how, mode, days) => {
  await insertReceipts(app, [newReceipt()]);
  const strict = demanding(mode, days);
  await expect(run({ bucket: strict })).rejects.toThrow(
    /^segments\/\S+ in the bucket \S+ is locked in GOVERNANCE mode until \S+; lockMode \w+ and lockDays 3\d demand more$/,
  );
  expect(await newestManifest(bucket)).toBeUndefined();
  expect(await run({ bucket: demanding("GOVERNANCE", 30) })).toMatchObject({ segments: 1 });
});

it("a bucket that locks nothing is refused", async () => {
  bucket = new Bucket(s3.client({ forcePathStyle: true }), unlocked(), signal);
  await insertReceipts(app, [newReceipt()]);
  await expect(run()).rejects.toThrow(/is not locked/);
  expect(await newestManifest(bucket)).toBeUndefined();
});
