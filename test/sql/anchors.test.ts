import { createHash } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { takeAnchor } from "../../ops/takeAnchor";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { bytes, insertReceipts, newReceipt, record, timestamp } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let app: pg.Client;
let owner: pg.Client;
let auditor: pg.Client;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  app = await database.connect(roles.app);
  owner = await database.connect(roles.owner);
  auditor = await database.connect(roles.auditor);
});

const anchor = () => takeAnchor(auditor);

const digest = ({
  server: { system, timeline },
  checkpoint,
  imports,
  chains,
}: Awaited<ReturnType<typeof takeAnchor>>): string =>
  createHash("sha256")
    .update(`"${system}" ${timeline}\n`)
    .update(`${checkpoint.seq} ${checkpoint.seal}\n`)
    .update(`${imports.seq} ${imports.seal}\n`)
    .update(
      chains.map((c) => `${JSON.stringify(c.agent)} ${c.seq} ${c.seal} ${c.history_seq} ${c.history_seal}\n`).join(""),
    )
    .digest("hex");

interface Checkpoint {
  seq: string;
  chain: string;
  agent: string;
  first_seq: string;
  last_seq: string;
  last_seal: Buffer;
  last_hash: string | null;
  source: string;
  made_at: string;
  seal: Buffer;
}

const checkpoints = async (): Promise<Checkpoint[]> =>
  (
    await auditor.query<Checkpoint>(
      `select seq, chain, agent, first_seq, last_seq, last_seal, last_hash, source,
              (extract(epoch from made_at) * 1000000)::bigint::text as made_at, seal from audit.checkpoints order by seq`,
    )
  ).rows;

const int8 = (value: string) => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(BigInt(value));
  return buffer;
};

/** Archives the oldest month of both tables. */
const archive = async (month: string): Promise<{ tile: string }[]> =>
  (await owner.query<{ tile: string }>("select t::text as tile from audit.archive_month($1) t", [month])).rows;

const thisMonth = async (): Promise<string> =>
  (await owner.query<{ month: string }>("select audit.month_of(now())::text as month")).rows[0]?.month ?? "";

describe("an anchor", () => {
  it("of an empty trail is an anchor too", async () => {
    const empty = await anchor();
    expect(empty).toMatchObject({
      receipts: 0,
      changes: 0,
      chains: [],
      checkpoint: { seq: 0, seal: "" },
      imports: { seq: 0, seal: "" },
    });
    expect(empty.digest).toBe(digest(empty));
  });

  it("names the end of every chain in the order of bytes, under a digest anybody can compute", async () => {
    const agents = ["b", "a", "", "Z", "ä", '"\\\n\u0001', "𝄞", "\uffee", "a b"];
    await insertReceipts(
      app,
      agents.map((actor_id) => newReceipt({ actor_id })),
    );
    await insertReceipts(app, [newReceipt({ actor_id: "b", decision_outcome: "require_approval" })]);
    const taken = await anchor();
    expect(taken).toMatchObject({ receipts: 10, changes: 1 });
    expect(taken.chains.map((chain) => chain.agent)).toEqual(
      agents.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))),
    );
    expect(taken.digest).toBe(digest(taken));
    const { rows } = await auditor.query<{ seal: string }>(
      "select encode(chain_seal, 'hex') as seal from receipts where actor_id = 'b' and chain_seq = 2",
    );
    expect(taken.chains.find((chain) => chain.agent === "b")).toMatchObject({
      seq: 2,
      seal: rows[0]?.seal,
      history_seq: 1,
    });
  });

  it("changes with every receipt, every recorded change, and every checkpoint", async () => {
    const seen = new Set([(await anchor()).digest]);
    await insertReceipts(app, [newReceipt()]);
    seen.add((await anchor()).digest);
    await app.query("update receipts set rekor_entry_id = 'x'");
    seen.add((await anchor()).digest);
    await archive(await thisMonth());
    seen.add((await anchor()).digest);
    expect(seen.size).toBe(4);
  });

  it.each([roles.app, roles.telemetry, roles.monitor])("is not for %s", async (role) => {
    const client = await database.connect(role);
    await expect(takeAnchor(client)).rejects.toThrow(/permission denied/);
  });
});

describe("checkpoints", () => {
  it("say where each chain stood, in as many stretches as other months left of it", async () => {
    const month = await thisMonth();
    const inside = new Date(`${month}T00:00:00Z`);
    const outside = new Date(inside.getTime() - 86_400_000);
    for (const at of [inside, inside, outside, inside, outside])
      await insertReceipts(app, [newReceipt({ created_at: at.toISOString(), decision_outcome: "require_approval" })]);
    await insertReceipts(app, [newReceipt({ actor_id: "other", created_at: inside.toISOString() })]);
    const { rows } = await auditor.query<{ seal: Buffer; hash: string }>(
      "select chain_seal as seal, receipt_hash as hash from receipts where actor_id = 'agent-1' order by chain_seq",
    );
    await archive(month);
    const made = await checkpoints();
    expect(made.map((c) => [c.chain, c.agent, c.first_seq, c.last_seq])).toEqual([
      ["receipts", "agent-1", "1", "2"],
      ["receipts", "agent-1", "4", "4"],
      ["receipts", "other", "1", "1"],
      ["history", "agent-1", "1", "2"],
      ["history", "agent-1", "4", "4"],
    ]);
    expect(made[0]).toMatchObject({ last_seal: rows[1]?.seal, last_hash: rows[1]?.hash });
    expect(made[1]).toMatchObject({ last_seal: rows[3]?.seal, last_hash: rows[3]?.hash });
    expect((await auditor.query("select from receipts")).rowCount).toBe(2);
  });

  it("are a chain of their own, as docs/chain.md says, whose end the next anchor holds", async () => {
    await insertReceipts(app, [newReceipt({ decision_outcome: "require_approval" }), newReceipt({ actor_id: null })]);
    await archive(await thisMonth());
    let previous: Buffer = Buffer.alloc(0);
    const made = await checkpoints();
    for (const c of made) {
      const sealed = record(
        ["bytea", previous],
        ["int8", int8(c.seq)],
        ["bytea", bytes(c.chain)],
        ["bytea", bytes(c.agent)],
        ["int8", int8(c.first_seq)],
        ["int8", int8(c.last_seq)],
        ["bytea", c.last_seal],
        ["bytea", bytes(c.last_hash)],
        ["bytea", bytes(c.source)],
        ["timestamptz", timestamp(c.made_at)],
      );
      expect(c.seal).toEqual(createHash("sha256").update(sealed).digest());
      previous = c.seal;
    }
    expect(made).toHaveLength(3);
    expect((await anchor()).checkpoint).toEqual({ seq: 3, seal: previous.toString("hex") });
  });

  it("are written once, however often they are asked for, and by the owner only", async () => {
    await insertReceipts(app, [newReceipt()]);
    const { rows } = await owner.query<{ tile: string }>("select tableoid::regclass::text as tile from receipts");
    for (const expected of [1, 0, 0])
      expect((await owner.query("select audit.checkpoint($1) as n", [rows[0]?.tile])).rows).toEqual([{ n: expected }]);
    for (const sql of [
      "select audit.checkpoint('receipts')",
      "delete from audit.checkpoints",
      "update audit.checkpoints set agent = ''",
    ])
      for (const client of [app, auditor])
        await expect(client.query(sql)).rejects.toMatchObject({ code: /42501|25006/ });
  });

  it.each(["receipts", "audit.receipt_history"])("are written by whatever detaches a month of %s", async (table) => {
    await insertReceipts(app, [newReceipt({ decision_outcome: "require_approval" })]);
    const { rows } = await owner.query<{ tile: string }>("select audit.detach_month($1, $2)::text as tile", [
      table,
      await thisMonth(),
    ]);
    expect(await checkpoints()).toMatchObject([
      { chain: table === "receipts" ? "receipts" : "history", source: rows[0]?.tile.replace("audit.", "") },
    ]);
  });

  it("hold every receipt of the month, or the month stays: one that comes meanwhile is seen", async () => {
    await insertReceipts(app, [newReceipt(), newReceipt({ decision_outcome: "require_approval" })]);
    const month = await thisMonth();
    await owner.query("begin");
    const { rows } = await owner.query<{ prepared: string; stored: string }>(
      "select d::text as prepared, d.stored from audit.prepare_detach('receipts', $1) d",
      [month],
    );
    const [found] = rows;
    expect(found?.stored).toBe("2");
    const finish = (stored = "d.stored") =>
      owner.query(
        `select audit.finish_detach(row(d.parent, d.oldest, d.past, d.key, d.until, ${stored})::audit.detachment) from (select ($1::audit.detachment).*) d`,
        [found?.prepared],
      );
    await app.query("set lock_timeout = '200ms'");
    await insertReceipts(app, [newReceipt()]);
    await expect(finish()).rejects.toMatchObject({ code: "55P03" });
    await owner.query("rollback");
    expect(await checkpoints()).toEqual([]);
    await expect(finish("null")).rejects.toMatchObject({ code: "55P03" });
    await owner.query("begin isolation level repeatable read");
    await expect(archive(month)).rejects.toThrow(/READ COMMITTED/);
    await owner.query("rollback");

    const name = month.slice(0, 7).replace("-", "_");
    expect(await archive(month)).toEqual([{ tile: `receipts_${name}` }, { tile: `receipt_history_${name}` }]);
    await expect(finish(), "it has left already").rejects.toMatchObject({ code: "55000" });
    expect(await checkpoints()).toMatchObject([
      { chain: "receipts", first_seq: "1", last_seq: "3" },
      { chain: "history", first_seq: "1", last_seq: "1" },
    ]);
    for (const client of [app, auditor])
      await expect(client.query("select audit.archive_month($1)", [month])).rejects.toMatchObject({
        code: expect.stringMatching(/42501|25006/) as unknown,
      });
  });

  it("of twenty archivers at once, none is lost or written twice", async () => {
    await insertReceipts(
      app,
      Array.from({ length: 30 }, (_, i) => newReceipt({ actor_id: `a${i}` })),
    );
    const { rows } = await owner.query<{ tile: string }>(
      "select distinct tableoid::regclass::text as tile from receipts",
    );
    const clients = await Promise.all(Array.from({ length: 20 }, () => database.connect(roles.owner)));
    const made = await Promise.all(
      clients.map((c) => c.query<{ n: number }>("select audit.checkpoint($1) as n", [rows[0]?.tile])),
    );
    expect(made.map((result) => result.rows[0]?.n).toSorted()).toEqual([...Array<number>(19).fill(0), 30]);
    expect((await checkpoints()).map((c) => Number(c.seq))).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  });

  it("chains go on after their older months are gone", async () => {
    await insertReceipts(app, [newReceipt()]);
    await archive(await thisMonth());
    const [stored] = await insertReceipts(app, [newReceipt()]);
    const [made] = await checkpoints();
    expect(stored).toMatchObject({ chain_seq: "2", prev_receipt_hash: made?.last_hash });
  });
});
