/**
 * ops/reconcile: receipts that were acknowledged before a failover and never reached the replica come back as recovered
 * ones.
 */
import { randomUUID } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { anchorDigest, type Anchor } from "../../ops/anchorFormat";
import { Bucket } from "../../ops/archive/bucket";
import { sha256Of, type Manifest } from "../../ops/archive/manifest";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { bringIn } from "../../ops/reconcile/bringIn";
import { branchesInBucket } from "../../ops/reconcile/fromBucket";
import { branchesOnServer } from "../../ops/reconcile/fromServer";
import { lostOf } from "../../ops/reconcile/lost";
import { origin, originalContent, recoveredAgent, recoveredKey } from "../../ops/reconcile/recovered";
import { roles } from "../../ops/roles";
import { takeAnchor } from "../../ops/takeAnchor";
import type { Report } from "../../ops/verify/report";
import { verify } from "../../ops/verify/verification";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { newReceipt, storeReceipts, type NewReceipt, type StoredReceipt } from "../receipts";
import {
  copyBucket,
  flipped,
  keysIn,
  lockedBucket,
  makeBucket,
  testRegion,
  testS3,
  type Change,
  type TestS3,
} from "../s3";
import { runOps } from "./programs";

const signal = new AbortController().signal;
const long = "x".repeat(1024);

let server: TestPostgres;
let s3: TestS3;
/** The old primary, in the lost region. */
let old: TestDatabase;
/** As far as the replica had come, and promoted. */
let replica: TestDatabase;
let bucket: Bucket;
/** What the replica never received, by what is special about it. */
const lost: Record<string, StoredReceipt> = {};
/** Received by the replica; its end was not. */
let common: StoredReceipt;

const bucketOf = (name: string) => new Bucket(s3.client({ forcePathStyle: true }), name, signal);

async function as<T>(database: TestDatabase, role: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await database.connect(role);
  return work(client).finally(() => client.end());
}

const store = (database: TestDatabase, ...receipts: Partial<NewReceipt>[]) =>
  as(database, roles.app, (app) => storeReceipts(app, receipts.map(newReceipt)));

const archived = (database: TestDatabase, to = bucket, accept?: string) =>
  as(database, roles.archiver, (client) =>
    archive({
      ...{ client, bucket: to, environment: "test", told: 0, log: silentLog, mostRows: 1000 },
      ...(accept && { accept: { chain: "receipts", agent: accept, seq: 3, by: "test", reason: "it failed over" } }),
    }),
  );

const copy = () => server.createDatabase({ copyOf: replica });

const lostIn = async (database: TestDatabase, from = bucket) =>
  as(database, roles.verifier, async (client) => lostOf((await branchesInBucket(client, from)).branches));

const broughtInto = async (database: TestDatabase, from = bucket) => {
  const { receipts } = await lostIn(database, from);
  return as(database, roles.owner, (owner) => bringIn(owner, receipts, signal));
};

const run = (database: TestDatabase, role: string, args: string[], env: Record<string, string> = {}) =>
  runOps("reconcile", args, {
    ...s3.environment,
    AWS_ENDPOINT_URL_S3: s3.url,
    DATABASE_URL: database.url(role),
    BACKUP_BUCKET: bucket.name,
    BACKUP_REGION: testRegion,
    ...env,
  });

const copiedBucket = (name: string, change?: Change) => {
  makeBucket(s3.root, name, lockedBucket);
  return copyBucket(bucket, bucketOf(name), change);
};

beforeAll(async () => {
  [server, s3] = await Promise.all([startPostgres(), testS3({})]);
  old = await server.createDatabase({ migrated: true });
  makeBucket(s3.root, "backups", lockedBucket);
  bucket = bucketOf("backups");
  await store(old, { actor_id: "a" }, { actor_id: "a" }, { actor_id: "quiet" });
  await archived(old);
  [common] = (await store(old, { actor_id: "a" })) as [StoredReceipt];
  replica = await server.createDatabase({ copyOf: old });
  const asked = { decision_outcome: "require_approval" };
  const stored = await store(
    old,
    { actor_id: "a" },
    { actor_id: "a", decision_outcome: "deny", envelope: { n: 1, s: "\t\\ \u00e9 \ud83d\ude00" } },
    { actor_id: "a", ...asked },
    { actor_id: "new", envelope: ["an array", 1.5] },
    { actor_id: "new", envelope: { [recoveredKey]: { seal: "of its own" }, a: 1 } },
    { actor_id: null },
    { actor_id: "" },
    { actor_id: long },
  );
  ["pending", "denied", "approved", "array", "key", "null", "empty", "long"].forEach(
    (name, i) => (lost[name] = stored[i]!),
  );
  await archived(old);
  await as(old, roles.app, async (app) => {
    await app.query(
      `update receipts set approval = approval || '{"status":"approved"}', approval_status = 'approved', updated_at = now() where id = $1`,
      [lost["approved"]!.id],
    );
    await app.query(
      "update receipts set claim_id = $2, claimed_at = now(), claim_expires_at = now() + interval '1 hour', execution_attempts = 1 where id = any ($1)",
      [[lost["approved"]!.id, common.id], randomUUID()],
    );
    await app.query(
      `update receipts set status = 'executed', result = '{"n":1.50}', updated_at = now() where id = any ($1)`,
      [[lost["approved"]!.id, common.id]],
    );
  });
  await archived(old);
});
afterAll(() => Promise.all([server.stop(), s3.close()]));

const ids = (receipts: readonly { id: string }[]) => receipts.map(({ id }) => id).sort();

describe("what another timeline has", () => {
  it("is named by id and place, from the bucket alone", async () => {
    const { receipts, changes, problems } = await lostIn(replica);
    expect(problems).toEqual([]);
    expect(ids(receipts)).toEqual(ids(Object.values(lost)));
    expect(receipts.find(({ id }) => id === lost["approved"]!.id)).toMatchObject({
      ...{ agent: "a", seq: 6 },
      changes: [{ seq: 1 }, { seq: 2 }, { seq: 4 }, { seq: 6 }],
    });
    expect(changes.map(({ receipt }) => receipt)).toEqual([common.id, common.id]);
  });

  it("is the same on the old primary, with what was never archived", async () => {
    const returned = await server.createDatabase({ copyOf: old });
    const [late] = await store(returned, { actor_id: "a" });
    const branches = await as(replica, roles.verifier, (client) =>
      as(returned, roles.auditor, (other) => branchesOnServer(client, other)),
    );
    const { receipts, changes, problems } = lostOf(branches);
    expect(problems).toEqual([]);
    expect(ids(receipts)).toEqual(ids([...Object.values(lost), late!]));
    expect(changes).toHaveLength(2);
  });

  it("is nothing for a server that has all of it", async () => {
    expect(await lostIn(old)).toEqual({ receipts: [], changes: [], problems: [] });
  });

  it("is found as well once the chain has gone on here, and once the fork was accepted", async () => {
    const promoted = await copy();
    const branched = await copiedBucket("branched");
    await store(promoted, ...Array.from({ length: 5 }, () => ({ actor_id: "a" })));
    expect(ids((await lostIn(promoted, branched)).receipts)).toEqual(ids(Object.values(lost)));
    await archived(promoted, branched, "a");
    await store(promoted, { actor_id: "a" });
    await archived(promoted, branched);
    expect(ids((await lostIn(promoted, branched)).receipts)).toEqual(ids(Object.values(lost)));
  });
});

describe("recovered receipts", () => {
  let promoted: TestDatabase;
  let owner: pg.Client;
  beforeAll(async () => {
    promoted = await copy();
    await store(promoted, { actor_id: "a" });
    await broughtInto(promoted);
    owner = await promoted.connect(roles.owner);
  });

  const recovered = async (id: string) => {
    const { rows } = await owner.query<Record<string, unknown>>(
      `select r.*, ${origin} as origin, encode(${originalContent}, 'hex') as was from receipts r where id = $1`,
      [id],
    );
    return rows[0]!;
  };

  it("are in chains of their own, by an import that says so, and the chains that were sealed go on as they were", async () => {
    const { rows } = await owner.query(
      "select actor_id, array_agg(chain_seq::int order by chain_seq) as places from receipts where actor_id like 'recovered:%' group by 1",
    );
    expect(
      Object.fromEntries(
        rows.map(({ actor_id, places }: { actor_id: string; places: number[] }) => [actor_id, places]),
      ),
    ).toEqual({
      "recovered:a": [1, 2, 3],
      "recovered:new": [1, 2],
      "recovered:": [1, 2],
      [recoveredAgent(long)]: [1],
    });
    const imports = await owner.query<{ agent: string; first_seq: string; last_seq: string }>(
      "select agent, first_seq, last_seq from audit.imports where reason like 'recovered: %' and opened_by = $1",
      [roles.owner],
    );
    expect(imports.rows).toHaveLength(4);
    expect(imports.rows).toContainEqual({ agent: "recovered:a", first_seq: "1", last_seq: "3" });
    const head = await owner.query("select seq::int from audit.chain_heads where agent = 'a'");
    expect(head.rows).toEqual([{ seq: 4 }]);
  });

  it("say what the lost ones said, and prove it from the place that both timelines have", async () => {
    const { rows } = await owner.query<{ holds: boolean }>(
      `select bool_and(encode(audit.chain_seal(
                decode(${origin} ->> 'previous_seal', 'hex'), (${origin} ->> 'seq')::int8, (${origin} ->> 'sealed_at')::timestamp at time zone 'UTC',
                ${originalContent}, ${origin} ->> 'prev_hash'), 'hex') = ${origin} ->> 'seal') as holds
         from receipts where actor_id like 'recovered:%'`,
    );
    expect(rows).toEqual([{ holds: true }]);
    const first = await recovered(lost["pending"]!.id);
    expect(first["origin"]).toMatchObject({ actor: "a", seq: 4, previous_seal: common.chain_seal.toString("hex") });
    for (const name of Object.keys(lost)) {
      const row = await recovered(lost[name]!.id);
      expect(row["origin"], name).toMatchObject({
        actor: lost[name]!.actor_id,
        seal: lost[name]!.chain_seal.toString("hex"),
        hash: lost[name]!.receipt_hash,
        from: expect.stringMatching(/^manifests\/000\/000\/00[23]\.json$/) as unknown,
      });
      expect(row["created_at"], name).toEqual(lost[name]!.created_at);
    }
  });

  it("are in the last state that is known, but for what was still to be done, which nobody is to do now", async () => {
    expect(await recovered(lost["approved"]!.id)).toMatchObject({
      ...{ status: "executed", approval_status: "approved", execution_attempts: 1, result: { n: 1.5 } },
      origin: { status: "executed", changes: [{ seq: 1, changed_by: roles.app }, { seq: 2 }, { seq: 4 }, { seq: 6 }] },
    });
    expect(await recovered(lost["pending"]!.id)).toMatchObject({
      status: "cancelled",
      origin: { status: "pending", changes: [] },
    });
    expect(await recovered(lost["denied"]!.id)).toMatchObject({ status: "skipped", origin: { status: "skipped" } });
  });

  it("are whole for a verification, and found by a search", async () => {
    const { findings } = await verify({
      ...{ url: promoted.url(roles.auditor), signal, anchors: [], connections: 1, chunk: 100 },
      ...{ allowEmpty: false, acknowledgements: [] },
    });
    expect(findings).toEqual([]);
    const { rows } = await owner.query<{ id: string }>("select id from audit.search_receipts('recovered orders')");
    expect(ids(rows)).toContain(lost["pending"]!.id);
  });

  it("are not stored twice, by one run after another or by two at once", async () => {
    const again = await broughtInto(promoted);
    expect(again).toMatchObject({ stored: [], conflicts: [], sentAgain: [] });
    expect(ids(again.recovered)).toEqual(ids(Object.values(lost)));
    const other = await copy();
    const both = await Promise.all([broughtInto(other), broughtInto(other)]);
    expect(both.map(({ stored }) => stored.length).sort()).toEqual([0, 8]);
  });
});

describe("a verification", () => {
  const check = (database: TestDatabase, anchors: Anchor[]) =>
    verify({
      ...{ url: database.url(roles.auditor), signal, anchors, connections: 1, chunk: 100 },
      ...{ allowEmpty: false, acknowledgements: [] },
    });
  const places = ({ findings }: Report) => findings.map(({ kind, agent, seq }) => [kind, agent, seq]);
  /** Of the old primary, as if the replica had been promoted since. */
  const anchorOfOld = async (): Promise<Anchor> => {
    const anchor = await as(old, roles.auditor, takeAnchor);
    const promoted = { ...anchor, server: { ...anchor.server, timeline: 99 }, source: "old.json" };
    return { ...promoted, digest: anchorDigest(promoted) };
  };

  it("against the old primary's anchor finds what was cut off or has forked until it is recovered, and tells where it is then", async () => {
    const promoted = await copy();
    await store(promoted, { actor_id: "new" }, { actor_id: "new" });
    const anchor = await anchorOfOld();
    expect(places(await check(promoted, [anchor]))).toEqual(
      expect.arrayContaining([
        ["cut-off-tail", "a", 4],
        ["forked", "new", 2],
      ]) as unknown,
    );
    await broughtInto(promoted);
    const report = await check(promoted, [anchor]);
    // Changes are not brought in.
    expect(places(report)).toEqual([["altered-history", "a", 1]]);
    expect(report.recovered).toContain('receipts 4 to 6 of agent "a", in the chain of agent "recovered:a"');
    expect(report.recovered).toContain('receipts 1 to 2 of agent "new", in the chain of agent "recovered:new"');
    expect(report.recovered).toHaveLength(4);
  });

  it("believes no receipt that only says that it was recovered", async () => {
    const promoted = await copy();
    const anchor = await anchorOfOld();
    const { seal } = anchor.chains.find(({ agent }) => agent === "a")!;
    const origin = { actor: "a", seq: 6, seal, previous_seal: common.chain_seal.toString("hex"), sealed_at: "never" };
    await store(
      promoted,
      ...[origin, { ...origin, sealed_at: "2026-11-29T10:00:00" }, { ...origin, seq: "x" }, null].map((made) => ({
        actor_id: "recovered:a",
        envelope: { [recoveredKey]: made },
      })),
    );
    expect(places(await check(promoted, [anchor]))).toContainEqual(["cut-off-tail", "a", 4]);
  });

  /** What the control plane can store, and what is brought in with other words than were sealed. */
  const looksRecovered = async (into: TestDatabase, role: string, change: Partial<NewReceipt>) => {
    const whole = await copy();
    await broughtInto(whole);
    const { rows } = await as(whole, roles.auditor, (client) =>
      client.query<StoredReceipt>("select * from receipts where actor_id = 'recovered:a' order by chain_seq"),
    );
    const same = rows.map((row) => newReceipt({ ...row, created_at: row.created_at.toISOString(), ...change }));
    await as(into, role, async (client) => {
      await client.query("begin");
      if (role === roles.owner)
        await client.query(
          "insert into audit.open_imports (reason, agent, first_seq) values ('recovered: by hand', 'recovered:a', 1)",
        );
      await storeReceipts(client, same);
      await client.query("commit");
    });
  };

  it.each([
    ["without an import, as the control plane can store it", roles.app, {}],
    ["by an import, in other words than were sealed", roles.owner, { tool_name: "another.tool" }],
  ])("and a reconciliation believe no receipt that looks recovered: %s", async (_, role, change) => {
    const promoted = await copy();
    await looksRecovered(promoted, role, change);
    expect(places(await check(promoted, [await anchorOfOld()]))).toContainEqual(["cut-off-tail", "a", 4]);
    const { recovered, conflicts, stored } = await broughtInto(promoted);
    expect([recovered, stored.length]).toEqual([[], 5]);
    expect(conflicts).toHaveLength(3);
    expect(conflicts[0]).toMatch(
      /place 4 of agent "a" .* is not the receipt with the same id here, .*: place 1 of agent "recovered:a"$/,
    );
  });

  it("finds what one timeline left behind though what another one did is recovered", async () => {
    const promoted = await copy();
    await store(promoted, { actor_id: "new" }, { actor_id: "new" });
    await broughtInto(promoted);
    const anchor = await anchorOfOld();
    const chains = anchor.chains
      .filter(({ agent }) => agent === "a" || agent === "new")
      .map((chain) => ({ ...chain, seq: chain.seq - 1, seal: "ab".repeat(32), history_seq: 0, history_seal: "" }));
    const third = { ...anchor, chains, server: { ...anchor.server, timeline: 98 }, source: "third.json" };
    const { findings, recovered } = await check(promoted, [anchor, { ...third, digest: anchorDigest(third) }]);
    expect(recovered).toHaveLength(4);
    expect(findings.map(({ kind, agent, seq, message }) => [kind, agent, seq, message.includes("third.json")])).toEqual(
      expect.arrayContaining([
        ["cut-off-tail", "a", 4, true],
        ["forked", "new", 1, true],
      ]) as unknown,
    );
  });

  it("with the bucket names by id what was cut off; on a server that was never promoted that was somebody's doing, and stays a finding once it is recovered", async () => {
    const promoted = await copy();
    const archive = {
      ...s3.environment,
      AWS_ENDPOINT_URL_S3: s3.url,
      BACKUP_BUCKET: bucket.name,
      BACKUP_REGION: testRegion,
    };
    const verifyArchived = () =>
      runOps("verify", ["--archived"], { ...archive, DATABASE_URL: promoted.url(roles.verifier) });
    const before = await verifyArchived();
    expect(before.code).toBe(1);
    for (const { id } of Object.values(lost)) expect(before.stderr).toContain(`not in this timeline: ${id}: place `);
    await broughtInto(promoted);
    const after = await verifyArchived();
    expect(after.stderr).toMatch(/cut-off-tail: the chain of agent "a" ends at receipt 3; .* it reached 6/);
    expect(after.stderr).not.toContain("not in this timeline");
  });
});

describe("a run", () => {
  it("that was killed half way is gone on with by the next", async () => {
    const promoted = await copy();
    const { receipts } = await lostIn(promoted);
    await as(promoted, roles.owner, (owner) => bringIn(owner, receipts.slice(0, 3), signal));
    const rest = await broughtInto(promoted);
    expect([rest.stored.length, rest.recovered.length]).toEqual([5, 3]);
  });

  it("brings in one of two lost ones that have the same id, and names the other", async () => {
    const promoted = await copy();
    const { receipts } = await lostIn(promoted);
    const doubled = [...receipts, { ...receipts[0]!, agent: "z", seal: "00" }];
    const { stored, conflicts } = await as(promoted, roles.owner, (owner) => bringIn(owner, doubled, signal));
    expect(stored).toHaveLength(8);
    expect(conflicts).toEqual([expect.stringContaining("has the id of another lost one, place 1 of no agent")]);
  });

  it("stores nothing of a batch where one would say something else than was sealed", async () => {
    const promoted = await copy();
    const { receipts } = await lostIn(promoted);
    const altered = receipts.map((one) => ({ ...one, statement: one.statement.replace('"deny"', '"allow"') }));
    await as(promoted, roles.owner, async (owner) => {
      await expect(bringIn(owner, altered, signal)).rejects.toThrow(
        "what would be stored does not say what was sealed; nothing of it was stored",
      );
      const { rows } = await owner.query("select from receipts where actor_id like 'recovered:%'");
      expect(rows).toEqual([]);
    });
  });

  it("takes a receipt that somebody has removed here for a lost one", async () => {
    const robbed = await server.createDatabase({ copyOf: old });
    await as(robbed, "postgres", (superuser) =>
      superuser.query(
        `set session_replication_role = replica; delete from receipts where id = '${lost["long"]!.id}'; delete from audit.chain_heads where agent = '${long}'`,
      ),
    );
    expect(ids((await lostIn(robbed)).receipts)).toEqual([lost["long"]!.id]);
  });

  it("leaves a receipt alone that has the id of another one here, and one that was sent again", async () => {
    const promoted = await copy();
    await store(
      promoted,
      { id: lost["pending"]!.id, actor_id: "b" },
      {
        ...lost["denied"]!,
        created_at: lost["denied"]!.created_at.toISOString(),
      },
    );
    const { stored, conflicts, sentAgain } = await broughtInto(promoted);
    expect(stored).toHaveLength(6);
    expect(ids(sentAgain)).toEqual([lost["denied"]!.id]);
    expect(conflicts).toEqual([
      `${lost["pending"]!.id}: place 4 of agent "a" (manifests/000/000/002.json) is not the receipt with the same id here, which says something else or was not brought in by an import: place 1 of agent "b"`,
    ]);
  });

  it("tells of a receipt that is too long together with where it was, and brings in the others", async () => {
    const returned = await server.createDatabase({ copyOf: old });
    const [large] = await store(returned, { actor_id: "a", envelope: { text: "x".repeat(1_048_500) } });
    const promoted = await copy();
    const branches = await as(promoted, roles.verifier, (client) =>
      as(returned, roles.auditor, (other) => branchesOnServer(client, other)),
    );
    const { stored, tooLong } = await as(promoted, roles.owner, (owner) =>
      bringIn(owner, lostOf(branches).receipts, signal),
    );
    expect(stored).toHaveLength(8);
    expect(tooLong).toEqual([
      expect.stringMatching(new RegExp(`^${large!.id}: its envelope has \\d+ bytes together with where it was`)),
    ]);
  });
});

describe("what is not what was sealed", () => {
  it("is refused with the agent's other rows, where the old primary has altered one", async () => {
    const returned = await server.createDatabase({ copyOf: old });
    await as(returned, "postgres", (superuser) =>
      superuser.query(
        `set session_replication_role = replica; update receipts set decision_outcome = 'allow' where id = '${lost["denied"]!.id}'`,
      ),
    );
    const branches = await as(replica, roles.verifier, (client) =>
      as(returned, roles.auditor, (other) => branchesOnServer(client, other)),
    );
    const { receipts, problems } = lostOf(branches);
    expect(problems).toEqual([expect.stringMatching(/^receipt 5 does not follow from the one before it/)]);
    expect(receipts.filter(({ agent }) => agent === "a")).toEqual([]);
    expect(receipts).toHaveLength(5);
  });
});

describe("a segment that is not what was archived", () => {
  it("is refused, whole, where its manifest names another one", async () => {
    const flippedOne = await copiedBucket("flipped", (key, bytes) =>
      key.startsWith("segments/") ? flipped(bytes) : bytes,
    );
    await expect(lostIn(replica, flippedOne)).rejects.toThrow(
      /^segments\/\S+ is not the segment that manifests\/000\/000\/003\.json names: nothing of it is brought in$/,
    );
  });

  it("is refused by its seals, with all rows of the agent, where its manifest was made to fit it", async () => {
    const segments = new Map<string, { bytes: Buffer; compressed: Buffer }>();
    for (const key of await keysIn(bucket, "segments/")) {
      const bytes = Buffer.from(
        gunzipSync(await bucket.read(key))
          .toString()
          .replace(
            `["${lost["pending"]!.id}", "${lost["pending"]!.envelope_id}"`,
            `["${lost["pending"]!.id}", "${randomUUID()}"`,
          ),
      );
      segments.set(key, { bytes, compressed: gzipSync(bytes) });
    }
    let previous: string | null = null;
    const altered = await copiedBucket("altered", (key, stored) => {
      if (key.startsWith("segments/")) return segments.get(key)!.compressed;
      if (!key.startsWith("manifests/")) return stored;
      const manifest = JSON.parse(stored.toString()) as Manifest;
      const { segment } = manifest.archive;
      const { bytes, compressed } = segments.get(segment.key)!;
      Object.assign(segment, { bytes: bytes.length, sha256: sha256Of(bytes) });
      segment.compressed = { bytes: compressed.length, sha256: sha256Of(compressed) };
      manifest.archive.previous = previous;
      const bytesOf = Buffer.from(JSON.stringify(manifest));
      previous = sha256Of(bytesOf);
      return bytesOf;
    });
    const { receipts, problems } = await lostIn(replica, altered);
    expect(problems).toEqual([
      expect.stringMatching(/^receipt 4 does not follow from the one before it \(agent "a"\)/),
    ]);
    expect(ids(receipts)).toEqual(ids(Object.values(lost).filter(({ actor_id }) => actor_id !== "a")));
  });
});

describe("the program", () => {
  it("names each, brings them in, and says what it does not bring in", async () => {
    const promoted = await copy();
    const named = await run(promoted, roles.verifier, []);
    expect(named.code, named.stderr).toBe(1);
    expect(named.stderr).toMatch(/^reconcile: receipts of another timeline that are not in this database: 8$/m);
    expect(named.stderr).toMatch(
      new RegExp(`${lost["approved"]!.id}: place 6 of agent "a", 20\\S+Z, changed 4 times since`),
    );
    const done = await run(promoted, roles.owner, ["--bring-in"]);
    expect(done.code, done.stderr).toBe(3);
    expect(done.lines.filter(({ message }) => message === "recovered")).toHaveLength(8);
    expect(done.stderr).toMatch(
      new RegExp(
        `not brought in: change 5 of agent "a", at 20\\S+Z, of receipt ${common.id}, from pending to executed`,
      ),
    );
  });

  it("needs something to compare with, and the owner to bring anything in", async () => {
    const nothing = await run(replica, roles.verifier, [], { BACKUP_BUCKET: "" });
    expect([nothing.code, nothing.stderr]).toEqual([
      2,
      expect.stringContaining("set BACKUP_BUCKET, or OLD_DATABASE_URL"),
    ]);
    const refused = await run(replica, roles.verifier, ["--bring-in"]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("permission denied")]);
    const ofLane = await run(replica, roles.verifier, ["--agent", "a\u001f3"]);
    expect([ofLane.code, ofLane.stderr], "of which nobody's receipts would be missing").toEqual([
      2,
      expect.stringContaining("is the name of a lane"),
    ]);
    const ofNobody = await run(replica, roles.verifier, ["--agent", "nobody"]);
    expect([ofNobody.code, ofNobody.stderr], "a misspelt name").toEqual([
      2,
      expect.stringContaining('no receipt of agent "nobody" is in this database, nor in what it was compared with'),
    ]);
  });
});
