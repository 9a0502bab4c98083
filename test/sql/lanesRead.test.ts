/** Lanes in everything that reads chains: each is one of its own there, and an agent's are told as its. */
import { gunzipSync, gzipSync } from "node:zlib";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { anchorDigest, type Anchor } from "../../ops/anchorFormat";
import { sayHowToAccept } from "../../ops/archive/acceptFork";
import { Bucket } from "../../ops/archive/bucket";
import { archive } from "../../ops/archive/run";
import { compareChains } from "../../ops/drill/compareChains";
import { dump } from "../../ops/dump/run";
import { silentLog } from "../../ops/log";
import { takeManifests } from "../../ops/manifest";
import { compare } from "../../ops/missing/compare";
import { compact } from "../../ops/months/compact";
import { reportMonths } from "../../ops/months/report";
import { retire } from "../../ops/months/retire";
import { bringIn } from "../../ops/reconcile/bringIn";
import { branchesInBucket } from "../../ops/reconcile/fromBucket";
import { branchesOnServer } from "../../ops/reconcile/fromServer";
import { lostOf } from "../../ops/reconcile/lost";
import { makeMonths } from "../../ops/restore/months";
import { restoreFromBucket } from "../../ops/restore/run";
import { roles } from "../../ops/roles";
import { findArchived } from "../../ops/search/archived";
import { takeAnchor } from "../../ops/takeAnchor";
import { verifyArchive } from "../../ops/verify/archived";
import { readReceipt } from "../../ops/verify/oneReceipt";
import type { Request } from "../../ops/verify/request";
import { allCheckpoints } from "../../ops/verify/snapshot";
import { verify } from "../../ops/verify/verification";
import { month, monthName } from "../months";
import { migrationsDir, startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { chainFaults, inLane, newReceipt, storeReceipts, type NewReceipt, type StoredReceipt } from "../receipts";
import { copyBucket, lockedBucket, makeBucket, testS3, type TestS3 } from "../s3";

// Read and hashed each time, and altered by none of these tests: verifyCatalog.test.ts.
vi.mock("../../ops/verify/builtIns", async (importActual) => ({
  ...(await importActual<object>()),
  builtInFindings: () => Promise.resolve([]),
}));

const { signal } = new AbortController();
let server: TestPostgres;
let s3: TestS3;
let database: TestDatabase;
let bucket: Bucket;
let made = 0;

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
});
afterAll(() => Promise.all([server.stop(), s3.close()]));
beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  bucket = newBucket();
});

function newBucket(): Bucket {
  const name = `lanes-${++made}`;
  makeBucket(s3.root, name, lockedBucket);
  return new Bucket(s3.client({ forcePathStyle: true }), name, signal, { mode: "GOVERNANCE", days: 30 });
}

async function as<T>(role: string, work: (client: pg.Client) => Promise<T>, of = database): Promise<T> {
  const client = await of.connect(role);
  return work(client).finally(() => client.end());
}

/** Receipts of agent "hot", so many, into one of its lanes. */
async function store(
  lane: number,
  count: number,
  of = database,
  values: Partial<NewReceipt> = {},
): Promise<StoredReceipt[]> {
  const client = await inLane(of, lane);
  try {
    const receipts = Array.from({ length: count }, () => newReceipt({ actor_id: "hot", ...values }));
    return await storeReceipts(client, receipts);
  } finally {
    await client.end();
  }
}

/** Of a time long ago. */
async function storeImported(lane: number, created_at: string): Promise<void> {
  const owner = await inLane(database, lane, roles.owner);
  await owner.query("begin; select audit.open_import('receipts of a test')");
  await storeReceipts(
    owner,
    [1, 2].map(() => newReceipt({ actor_id: "hot", created_at, decision_outcome: "require_approval" })),
  );
  await owner.query("commit");
  await owner.end();
}

const change = (...ids: string[]) =>
  as(roles.app, (app) =>
    app.query("update receipts set rekor_entry_id = 'x', updated_at = now() where id = any ($1::uuid[])", [ids]),
  );

/** Agent "hot" in lanes 1, 2 and 3, and in no chain of its own name; other chains beside it. */
async function fill(): Promise<StoredReceipt[]> {
  const stored = [];
  for (const lane of [1, 2, 3]) stored.push(...(await store(lane, 4)));
  await as(roles.app, (app) =>
    storeReceipts(app, [
      newReceipt({ actor_id: null }),
      newReceipt({ actor_id: "cold" }),
      newReceipt({ actor_id: "" }),
    ]),
  );
  await store(1, 1, database, { actor_id: null });
  await change(stored[0]!.id, stored[5]!.id);
  return stored;
}

const check = (more: Partial<Request> = {}, of = database) =>
  verify({
    url: of.url(roles.auditor),
    signal,
    anchors: [],
    connections: 2,
    chunk: 5,
    allowEmpty: false,
    ...more,
  });
const kinds = async (more: Partial<Request> = {}) =>
  (await check(more)).findings.map(({ kind, agent, seq }) => [kind, agent, seq]);
const anchor = async (of = database): Promise<Anchor> => ({
  ...(await as(roles.auditor, takeAnchor, of)),
  source: "anchor.json",
});
const attack = (sql: string, of = database) =>
  as("postgres", (attacker) => attacker.query(`set session_replication_role = replica; ${sql}`), of);
const archived = (of = database, into = bucket) =>
  as(
    roles.archiver,
    (client) => archive({ client, bucket: into, environment: "test", told: 0, log: silentLog, mostRows: 1000 }),
    of,
  );
const lane = (number: number) => `hot\u001f${number}`;
/** With everything that is known of it: what no verification of the database alone can find. */
const cutOff = `delete from receipts where actor_id = 'hot' and lane = 3 and chain_seq > 2;
  update audit.chain_heads h set seq = 2, sealed_at = r.sealed_at, seal = r.chain_seal, receipt_hash = r.receipt_hash, prev_receipt_hash = r.prev_receipt_hash
    from receipts r where r.actor_id = 'hot' and r.lane = 3 and r.chain_seq = 2 and h.agent = e'hot\\x1f3'`;
const removed = `delete from receipts where actor_id = 'hot' and lane = 3;
  delete from audit.chain_heads where agent = e'hot\\x1f3'; delete from audit.chains where agent = e'hot\\x1f3'`;

describe("verification", () => {
  it("finds a trail with lanes whole, of all, of one agent in all its lanes, of a time and from an anchor", async () => {
    await fill();
    const before = await anchor();
    await store(2, 3);
    await store(0, 2);
    expect(await check({ anchors: [before] })).toMatchObject({ findings: [], verified: { receipts: 21, agents: 6 } });
    expect(await check({ agent: "hot", anchors: [before] })).toMatchObject({
      findings: [],
      verified: { receipts: 17, agents: 4 },
    });
    expect(await check({ agent: "" })).toMatchObject({ findings: [], verified: { receipts: 3 } });
    expect(await check({ from: before })).toMatchObject({ findings: [] });
    expect(await check({ since: "2020-01-01" })).toMatchObject({ findings: [] });
  });

  it("names agent and lane, and finds nothing of another agent where one alone is asked for", async () => {
    await fill();
    await attack("update receipts set tool_name = 'x' where actor_id = 'hot' and lane = 2 and chain_seq = 3");
    const { findings } = await check({ agent: "hot" });
    expect(findings).toMatchObject([
      {
        kind: "altered-column",
        agent: lane(2),
        message: 'receipt 3 of agent "hot", lane 2 was altered: its seal does not follow from it',
      },
    ]);
    expect(await kinds({ agent: "cold" })).toEqual([]);
    await attack("update receipts set result = '{}' where actor_id = 'hot' and lane = 1 and chain_seq = 1");
    expect((await check()).findings.map(({ message }) => message)).toContain(
      'receipt 1 of agent "hot", lane 1: result is not what the recorded changes made',
    );
  });

  it("writes no line of its own for what was put there as a lane and is no number, and takes it for no other chain", async () => {
    await fill();
    await attack(
      "insert into audit.chain_heads (agent, seq) values (e'hot\\x1f1\\nwhole\\x1f2', 1), (e'hot\\x1f0', 1)",
    );
    const messages = (await check()).findings.map(({ message }) => message);
    expect(messages.filter((message) => message.includes("is missing"))).toEqual([
      'receipt 1 of agent "hot", lane 0 is missing: its head has place 1',
      'receipt 1 of agent "hot", lane "1\\nwhole\\u001f2" is missing: its head has place 1',
    ]);
  });

  it("is told by an anchor of a lane that was cut off, or removed, with its head; also where it starts from that anchor", async () => {
    await fill();
    const before = await anchor();
    expect(
      before.chains.find(({ agent }) => agent === "hot"),
      "its changes, though no receipt is in its own chain",
    ).toMatchObject({
      seq: 0,
      history_seq: 2,
    });
    await attack(cutOff);
    expect(await kinds()).toEqual([]);
    expect(await kinds({ anchors: [before] })).toEqual([["cut-off-tail", lane(3), 3]]);
    expect(await kinds({ anchors: [before], agent: "hot" })).toEqual([["cut-off-tail", lane(3), 3]]);
    expect(await kinds({ from: before })).toEqual([["cut-off-tail", lane(3), 3]]);
    await attack(removed);
    expect(await kinds()).toEqual([]);
    expect(await kinds({ anchors: [before] })).toEqual([["cut-off-tail", lane(3), 1]]);
    await attack(
      "delete from audit.receipt_history; delete from audit.history_heads; delete from audit.chains where heads = 'history_heads'; update receipts set rekor_entry_id = null, updated_at = created_at",
    );
    expect(await kinds({ anchors: [before] })).toContainEqual(["altered-history", "hot", 1]);
  });

  it("finds a receipt of no agent, by NULL or by '', that is said to be in a lane", async () => {
    await fill();
    for (const of of ["actor_id is null", "actor_id = ''"]) {
      await attack(`update receipts set lane = 2 where ${of}`);
      expect(await kinds(), of).not.toEqual([]);
      await attack(`update receipts set lane = 0 where ${of}`);
      expect(await kinds(), of).toEqual([]);
    }
  });

  it("finds every receipt of an agent that was put from one lane into another, at its end and in its middle", async () => {
    await fill();
    for (const [seq, to] of [
      [4, 5],
      [2, 2],
    ]) {
      await attack("drop table if exists kept; create table kept as table receipts");
      await attack(
        `update receipts set lane = 2, chain_seq = ${to} where actor_id = 'hot' and lane = 1 and chain_seq = ${seq}`,
      );
      const found = await kinds();
      expect(found.map(([, agent]) => agent)).toEqual(expect.arrayContaining([lane(1), lane(2)]));
      await attack("delete from receipts; insert into receipts table kept; drop table kept");
    }
    expect(await kinds()).toEqual([]);
  });

  it("finds an import of a lane that is gone, and what was dated back into a lane without one", async () => {
    await storeImported(2, "2019-05-06T07:08:09.000Z");
    await fill();
    expect(await kinds()).toEqual([]);
    await attack("delete from audit.imports");
    expect(await kinds()).toEqual([
      ["misdated", lane(2), 1],
      ["misdated", lane(2), 2],
    ]);
  });

  it("of one receipt says which lane of its agent it is in, and holds or not by that lane", async () => {
    const stored = await fill();
    const of = (id: string) => as(roles.auditor, (client) => readReceipt(client, id));
    expect((await of(stored[4]!.id))?.checks).toEqual([
      {
        of: "seal",
        holds: true,
        says: "Every sealed column is what it was when this receipt was stored, as number 1 of its agent's lane 2.",
      },
      { of: "link", holds: true, says: "The receipt after it was sealed on top of this one." },
      { of: "state", holds: true, says: "It has not changed since it was stored." },
    ]);
    expect((await of(stored[5]!.id))?.checks.map(({ holds }) => holds)).toEqual([true, true, true]);
    await attack(`update receipts set tool_name = 'x' where id = '${stored[4]!.id}'`);
    expect((await of(stored[4]!.id))?.checks.map(({ holds }) => holds)).toEqual([false, true, true]);
  });
});

describe("the bucket", () => {
  it("has each lane as a chain, from which the database is restored as it was", async () => {
    await storeImported(3, `${monthName(-1)}-15T00:00:00Z`);
    await fill();
    await archived();
    await as(roles.archiver, (client) =>
      dump({ client, bucket, environment: "test", told: 0, log: silentLog, manifest: 1 }),
    );
    const later = await store(2, 2);
    await store(0, 1);
    await change(later[0]!.id);
    await archived();
    const { findings, anchors } = await verifyArchive(bucket, 0, 0);
    expect(findings).toEqual([]);
    expect(anchors[0]?.chains.map(({ agent, seq, history_seq }) => [agent, seq, history_seq])).toEqual([
      ["", 3, 0],
      ["cold", 1, 0],
      ["hot", 1, 5],
      [lane(1), 4, 0],
      [lane(2), 6, 0],
      [lane(3), 6, 0],
    ]);
    expect(await check({ anchors })).toMatchObject({ findings: [] });

    const into = await server.createDatabase();
    const restored = await restoreFromBucket({
      ...{ url: into.ownerUrl, bucket, migrationsDir, monthsAhead: 3, asked: {}, again: false, log: silentLog, signal },
    });
    expect(restored.findings).toEqual([]);
    const rows = (of: TestDatabase) =>
      as(
        roles.auditor,
        async (client) => (await client.query<{ t: string }>("select t::text from receipts t order by 1")).rows,
        of,
      );
    expect(await rows(into)).toEqual(await rows(database));
    expect(await as(roles.auditor, chainFaults, into)).toEqual([]);
    expect(await check({ anchors }, into)).toMatchObject({ findings: [] });
    const [a, b] = [await database.connect(roles.auditor), await into.connect(roles.auditor)];
    const compared = await compareChains({ client: a, name: "one" }, { client: b, name: "other" }, true);
    expect(compared).toMatchObject({ differences: [], chains: { receipts: 6, history: 1 } });
    expect(compared.months.filter(({ chain }) => chain === "receipts").reduce((sum, { rows: n }) => sum + n, 0)).toBe(
      21,
    );
    await Promise.all([a.end(), b.end()]);
    // And goes on.
    await store(2, 1, into);
    expect(await as(roles.auditor, chainFaults, into)).toEqual([]);
    expect(await check({ anchors }, into)).toMatchObject({ findings: [] });
  }, 180_000);

  it("shows a line of a lane that is said to be of another, or of the agent's own chain", async () => {
    await fill();
    await archived();
    for (const [from, to] of [
      ["hot\\u001f1", "hot\\u001f2"],
      ["hot\\u001f1", "hot"],
      ["hot\\u001f1", "cold"],
    ] as const) {
      const other = newBucket();
      await copyBucket(bucket, other, (key, bytes) => {
        if (!key.startsWith("segments/")) return bytes;
        const text = gunzipSync(bytes).toString();
        const altered = text.replace(`"agent":"${from}"`, `"agent":"${to}"`);
        expect(altered).not.toBe(text);
        return gzipSync(altered);
      });
      const { findings } = await verifyArchive(other, 0, 0);
      expect(findings, to).not.toEqual([]);
    }
  });

  it("finds what the database has no more of a lane, whose newest manifest is an anchor", async () => {
    await fill();
    await archived();
    await attack(cutOff);
    const { anchors, findings } = await verifyArchive(bucket, 0, 0);
    expect(findings).toEqual([]);
    expect(await kinds({ anchors })).toEqual([["cut-off-tail", lane(3), 3]]);
    const { flaws } = await archived();
    expect(flaws).toMatchObject([{ kind: "fork", chain: "receipts", agent: lane(3), seq: 3, last: 4 }]);
    expect(flaws[0]?.says).toMatch(/\(agent "hot", lane 3\)$/);
    expect(sayHowToAccept(flaws[0]!)).toMatch(/archive --accept-fork "hot" --lane 3 --at 2 --by/);
    const accept = { chain: "receipts", agent: lane(3), seq: 2, by: "test", reason: "looked into" } as const;
    await as(roles.archiver, (client) =>
      archive({ ...{ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 1000 }, accept }),
    );
    expect((await verifyArchive(bucket, 0, 0)).findings).toEqual([]);
  });

  it("has months with lanes, which leave the database, are verified from then on, and are searched", async () => {
    const names = [-1, 0, 1].map(monthName);
    const tables = ["public.receipts", "audit.receipt_history"].map((name) => name.split("."));
    await as(roles.owner, (owner) =>
      makeMonths(owner, { months: tables.map(([schema = "", table = ""]) => ({ schema, table, names })) }),
    );
    for (const of of [1, 2]) await storeImported(of, `${monthName(-1)}-15T00:00:00Z`);
    await fill();
    await archived();
    const { newest } = await compact({
      ...{ bucket, environment: "test", delayDays: 7, told: 0, log: silentLog },
      now: new Date(month(1).getTime() + 8 * 86_400_000),
    });
    await as(roles.archiver, (client) => reportMonths(client, newest!));
    await as(roles.archiver, (client) =>
      dump({ client, bucket, environment: "test", told: 0, log: silentLog, manifest: 1 }),
    );
    const manifests = await as(roles.auditor, (client) => takeManifests(client, monthName(-1)));
    const retirement = async () => {
      const client = await database.connect(roles.maintenance);
      return retire({
        ...{ client, bucket, onlineMonths: 6, delayDays: 7, log: silentLog, lockTimeoutMs: 200, patienceSeconds: 1 },
        now: new Date(month(6).getTime() + 86_400_000),
      }).finally(() => client.end());
    };
    // A month with a receipt that was put into another lane stays.
    await attack(
      "update receipts set actor_id = e'hot\\x1f1', lane = 0 where actor_id = 'hot' and lane = 1 and chain_seq = 1",
    );
    await expect(retirement()).rejects.toThrow();
    await attack("update receipts set actor_id = 'hot', lane = 1 where actor_id = e'hot\\x1f1'");
    expect(await retirement()).toMatchObject({ months: [monthName(-1)] });
    const checkpoints = await as(roles.auditor, allCheckpoints);
    expect(checkpoints.map(({ chain, agent, first, last }) => [chain, agent, first, last])).toEqual([
      ["receipts", lane(1), 1, 2],
      ["receipts", lane(2), 1, 2],
      ["history", "hot", 1, 4],
    ]);
    const inBucket = await verifyArchive(bucket, 0, 0, checkpoints);
    expect(inBucket.findings).toEqual([]);
    expect(await check({ archived: inBucket, anchors: inBucket.anchors })).toMatchObject({
      findings: [],
      unverified: [],
    });
    expect(await check({ manifests }), "by what was taken of the month").toMatchObject({
      findings: [],
      unverified: [],
    });
    // One of a lane cut off to the archived place, or said to be archived further, is found.
    await attack("delete from receipts where actor_id = 'hot' and lane = 1 and chain_seq = 3");
    expect(await kinds({ archived: inBucket, anchors: inBucket.anchors })).toContainEqual(["removed-row", lane(1), 3]);

    const question = { query: "", latest: true, since: "2000-01-01T00:00:00Z", until: null, limit: 100 };
    const { rows } = await findArchived(bucket, question, silentLog);
    expect(rows.filter(({ actor_id }) => actor_id === "hot")).toHaveLength(16);
  });
});

describe("after a failover", () => {
  it("what a replica lacks is named of each lane, and comes back as the agent's recovered receipts", async () => {
    await fill();
    await archived();
    const replica = await server.createDatabase({ copyOf: database });
    const lost = [...(await store(1, 2)), ...(await store(2, 3)), ...(await store(0, 1))];
    await archived();
    const before = await anchor();

    const compared = await as(roles.verifier, (client) => compare(client, bucket, 1e9, silentLog), replica);
    expect(compared.lacking).toEqual({ receipts: 6, changes: 0, imports: 0 });
    expect(compared.receipts.map(({ agent, seq }) => [agent, seq])).toEqual([
      ["hot", 1],
      [lane(1), 5],
      [lane(1), 6],
      [lane(2), 5],
      [lane(2), 6],
      [lane(2), 7],
    ]);

    // One is sent again, and comes into another lane than before; another one says something else under its id.
    const sent = (of: StoredReceipt) =>
      Object.fromEntries(Object.entries(of).filter(([name]) => name in newReceipt())) as unknown as NewReceipt;
    const resend = (of: StoredReceipt, more: Partial<NewReceipt> = {}) =>
      store(3, 1, replica, { ...sent(of), created_at: of.created_at.toISOString(), ...more });
    await resend(lost[0]!);
    await resend(lost[2]!, { tool_name: "another" });

    const branches = await as(roles.verifier, (client) => branchesInBucket(client, bucket, "hot"), replica);
    const { receipts, problems } = lostOf(branches.branches);
    expect(problems).toEqual([]);
    expect(receipts).toHaveLength(6);
    expect((await as(roles.verifier, (client) => branchesInBucket(client, bucket, "cold"), replica)).branches).toEqual(
      [],
    );
    const old = await database.connect(roles.verifier);
    const fromServer = lostOf(await as(roles.verifier, (client) => branchesOnServer(client, old, "hot"), replica));
    await old.end();
    expect(fromServer.receipts.map(({ id }) => id).sort()).toEqual(receipts.map(({ id }) => id).sort());

    const broughtIn = await as(roles.owner, (owner) => bringIn(owner, receipts, signal), replica);
    expect(broughtIn.sentAgain.map(({ id }) => id)).toEqual([lost[0]!.id]);
    expect(broughtIn.conflicts).toEqual([
      expect.stringMatching(new RegExp(`^${lost[2]!.id}: place 5 of agent "hot", lane 2 `)),
    ]);
    expect(broughtIn.stored).toHaveLength(4);
    const again = await as(roles.owner, (owner) => bringIn(owner, receipts, signal), replica);
    expect([again.stored.length, again.recovered.length]).toEqual([0, 4]);
    const { rows } = await as(
      roles.auditor,
      (client) => client.query("select lane, count(*)::int from receipts where actor_id = 'recovered:hot' group by 1"),
      replica,
    );
    expect(rows).toEqual([{ lane: 0, count: 4 }]);
    expect(await check({}, replica)).toMatchObject({ findings: [] });
    // What was sent again, or not brought in, is in no recovered chain, and the places after it are not proven by one.
    const promoted = { ...before, server: { ...before.server, timeline: 99 } };
    const ofOld = { ...promoted, digest: anchorDigest(promoted) };
    const { recovered, findings } = await check({ anchors: [ofOld] }, replica);
    expect(recovered).toEqual(['receipt 1 of agent "hot", in the chain of agent "recovered:hot"']);
    expect(findings.map(({ kind, agent }) => [kind, agent])).toEqual([
      ["cut-off-tail", lane(1)],
      ["cut-off-tail", lane(2)],
    ]);
  });
});
