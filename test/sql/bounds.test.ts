/** What a receipt may hold, when it may say that it was made, and what an id stands for. */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { chainFaults, insertReceipts, newReceipt, storeReceipts } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let app: pg.Client;
let owner: pg.Client;
let auditor: pg.Client;

beforeAll(async () => {
  server = await startPostgres({ parameters: { max_connections: "300" } });
});
afterAll(() => server.stop());
beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  app = await database.connect(roles.app);
  owner = await database.connect(roles.owner);
  auditor = await database.connect(roles.auditor);
});

const bound = 1_048_576;
/** A document of so many bytes as PostgreSQL prints it, in characters of one and of three bytes. */
const text = (bytes: number) => ({ a: "☃".repeat(100_000) + "x".repeat(bytes - 300_000 - '{"a": ""}'.length) });
const minutes = (n: number) => new Date(Date.now() + n * 60_000).toISOString();
const count = async () => Number((await owner.query<{ n: string }>("select count(*) as n from receipts")).rows[0]?.n);

describe("a document of a receipt", () => {
  it.each(["envelope", "decision"])(
    "%s of one mebibyte is stored; one byte more is refused, with its name and size",
    async (column) => {
      await insertReceipts(app, [newReceipt({ [column]: text(bound) })]);
      const large = newReceipt({ [column]: text(bound + 1) });
      await expect(insertReceipts(app, [large])).rejects.toMatchObject({
        code: "23514",
        column,
        constraint: "document_length",
        message: `receipt ${large.id} is refused: its ${column} has ${bound + 1} bytes, at most ${bound} are stored`,
      });
      expect(await count()).toBe(1);
      expect(await chainFaults(auditor)).toEqual([]);
    },
  );

  it("is measured by itself, not together with the others", async () => {
    await insertReceipts(app, [newReceipt({ envelope: text(bound), decision: text(bound) })]);
    expect(await count()).toBe(1);
  });

  it.each(["approval", "execution", "result", "error"])(
    "%s is bounded when it changes and when it is born",
    async (column) => {
      const set = `update receipts set ${column} = jsonb_build_object('a', $2::text) where id = $1`;
      const [stored] = await insertReceipts(app, [newReceipt({ decision_outcome: "require_approval" })]);
      // {"a": "…"} is nine bytes longer than the text.
      await app.query(set, [stored?.id, "x".repeat(bound - 9)]);
      const refused = { code: "23514", column, constraint: "document_length" };
      await expect(app.query(set, [stored?.id, "x".repeat(bound - 8)])).rejects.toMatchObject({
        ...refused,
        message: `receipt ${stored?.id} is refused: its ${column} has ${bound + 1} bytes, at most ${bound} are stored`,
      });
      await expect(
        app.query(
          `insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision, ${column})
         values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', '{}', '{}', jsonb_build_object('a', $1::text))`,
          ["x".repeat(bound - 8)],
        ),
      ).rejects.toMatchObject(refused);
      const { rows } = await app.query(`select octet_length(${column}::text) as bytes from receipts`);
      expect(rows).toEqual([{ bytes: bound }]);
    },
  );

  it("is measured as it is, not as it is compressed where it comes from", async () => {
    const policy =
      "insert into policies (policy_id, version, policy) values ('p', '1', jsonb_build_object('a', repeat('x', 9000000)))";
    await app.query(policy);
    await expect(
      app.query(`insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision)
                 select gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', policy, '{}' from policies`),
    ).rejects.toMatchObject({
      code: "23514",
      column: "envelope",
      message: expect.stringContaining("9000009 bytes") as unknown,
    });
  });

  it("fits what the control plane takes at most: a request of 256,000 bytes, of what grows most in printing, twice", async () => {
    const request = { result: { a: Array.from({ length: 127_990 }, () => 1) } };
    expect(JSON.stringify(request).length).toBeGreaterThan(255_900);
    const [stored] = await insertReceipts(app, [newReceipt({ envelope: request })]);
    const twice = JSON.stringify({ ...request, error: request.result });
    await app.query("update receipts set execution = $2 where id = $1", [stored?.id, twice]);
    const { rows } = await app.query<{ envelope: number; execution: number }>(
      "select octet_length(envelope::text) as envelope, octet_length(execution::text) as execution from receipts",
    );
    expect(rows[0]?.envelope).toBeGreaterThan(383_900);
    expect(rows[0]?.execution).toBeGreaterThan(767_900);
    expect(rows[0]?.execution).toBeLessThanOrEqual(768_000);
  });
});

describe("created_at", () => {
  it.each([-14, -1, 0, 4])("%d minutes from the server's clock is stored", async (n) => {
    await storeReceipts(app, [newReceipt({ created_at: minutes(n) })]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it.each([
    ["16 minutes late", minutes(-16)],
    ["6 minutes early", minutes(6)],
    ["last year", "2025-05-04T10:11:12.123Z"],
    ["at the end of time", "infinity"],
    ["before all time", "-infinity"],
    ["in a year of five digits", "10000-01-01 00:00+00"],
  ])("%s is refused, and the refusal says what the bounds are", async (_, created_at) => {
    const receipt = newReceipt({ created_at });
    for (const client of [app, owner])
      await expect(storeReceipts(client, [receipt])).rejects.toMatchObject({
        code: "23514",
        column: "created_at",
        message: expect.stringMatching(/more than 00:15:00 before or more than 00:05:00 after it is sealed/) as unknown,
      });
    await storeReceipts(app, [newReceipt()]);
    expect(await chainFaults(auditor)).toEqual([]);
  });
});

describe("an import", () => {
  const open = "select audit.open_import('receipts of the old system')";
  const old = () => newReceipt({ created_at: "2019-05-04T10:11:12.123Z", actor_id: "old" });

  it("is the owner's, is recorded with its reason, and ends with its transaction", async () => {
    await owner.query(`begin; ${open}`);
    const other = newReceipt({ created_at: "2199-01-01T00:00:00Z" });
    await storeReceipts(owner, [old(), other]);
    await owner.query("savepoint s");
    await storeReceipts(owner, [old()]);
    // Another's transaction is another's.
    await expect(storeReceipts(app, [old()])).rejects.toMatchObject({ code: "23514" });
    await owner.query("commit");
    await expect(storeReceipts(owner, [old()])).rejects.toMatchObject({ code: "23514" });
    const { rows } = await auditor.query(
      "select seq, reason, opened_by, opened_at > now() - interval '1 minute' as now, agent, first_seq, last_seq from audit.imports",
    );
    const all = { reason: "receipts of the old system", opened_by: roles.owner, now: true };
    expect(rows).toEqual([
      { seq: "1", ...all, agent: "old", first_seq: "1", last_seq: "2" },
      { seq: "2", ...all, agent: other.actor_id, first_seq: "1", last_seq: "1" },
    ]);
    expect(await count()).toBe(3);
    expect((await owner.query("select from audit.open_imports")).rowCount).toBe(0);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("leaves no open door when it was rolled back, or when a copy's transaction numbers begin anew", async () => {
    await owner.query(`begin; ${open}; rollback`);
    await expect(storeReceipts(owner, [old()])).rejects.toMatchObject({ code: "23514" });
    await owner.query("begin");
    await owner.query(
      "insert into audit.open_imports (reason, opened_at) values ('one of another server', now() - interval '1 us')",
    );
    await expect(storeReceipts(owner, [old()])).rejects.toMatchObject({ code: "23514" });
    await owner.query("rollback");
  });

  it.each([
    ["without a reason", "select audit.open_import('')", "23514"],
    ["with one that says nothing", "select audit.open_import('         x ')", "23514"],
    ["with none at all", "select audit.open_import(null)", "23502"],
  ])("is not opened %s", async (_, sql, code) => {
    await expect(owner.query(sql)).rejects.toMatchObject({ code });
  });

  it.each([roles.app, roles.auditor, roles.maintenance, roles.monitor, roles.telemetry])(
    "is not opened by %s",
    async (role) => {
      const client = await database.connect(role);
      await expect(client.query(open)).rejects.toMatchObject({
        code: expect.stringMatching(/^(42501|25006)$/) as unknown,
      });
      await expect(
        client.query("insert into audit.open_imports (reason) values ('a door of my own')"),
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^(42501|25006)$/) as unknown,
      });
      await expect(
        client.query("insert into audit.imports (reason, agent, first_seq) values ('one of my own', 'old', 1)"),
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^(42501|25006)$/) as unknown,
      });
    },
  );

  it.each(["update audit.imports set reason = 'another'", "delete from audit.imports", "truncate audit.imports"])(
    "stays as it was recorded, for the owner too: %s",
    async (sql) => {
      await expect(owner.query(sql)).rejects.toMatchObject({
        code: "23000",
        message: expect.stringMatching(/of audit.imports is refused: what was recorded stays/) as unknown,
      });
    },
  );

  it("names what a savepoint left of it, each agent once", async () => {
    await owner.query(`begin; ${open}; savepoint s`);
    await storeReceipts(owner, [old(), old()]);
    await owner.query("rollback to s");
    await storeReceipts(owner, [newReceipt({ ...old(), actor_id: null })]);
    await owner.query("savepoint s");
    await storeReceipts(owner, [old()]);
    await owner.query("release s");
    await storeReceipts(owner, [old(), newReceipt({ actor_id: "old" })]);
    await owner.query("commit");
    const { rows } = await auditor.query("select agent, first_seq, last_seq from audit.imports order by seq");
    expect(rows).toEqual([
      { agent: "", first_seq: "1", last_seq: "1" },
      { agent: "old", first_seq: "1", last_seq: "3" },
    ]);
  });

  it("waits for another that ends at the same moment, and neither fails", async () => {
    const other = await database.connect(roles.owner);
    const importers = [owner, other];
    for (let round = 0; round < 10; round++) {
      for (const [i, importer] of importers.entries()) {
        await importer.query(`begin; ${open}`);
        await storeReceipts(importer, [newReceipt({ ...old(), actor_id: `importer-${i}` })]);
      }
      await Promise.all(importers.map((importer) => importer.query("commit")));
    }
    expect((await auditor.query("select from audit.imports")).rowCount).toBe(20);
  });

  it("is closed by what closes the transaction's other promises early, and cannot be opened twice", async () => {
    await owner.query(`begin; ${open}`);
    await storeReceipts(owner, [old()]);
    await owner.query("set constraints all immediate");
    await expect(storeReceipts(owner, [old()])).rejects.toMatchObject({ code: "23514" });
    await owner.query(`rollback; begin; ${open}`);
    await expect(owner.query(open)).rejects.toMatchObject({ code: "23505" });
    await owner.query("rollback");
  });

  it("does not take dates that Authensor's hash cannot hold", async () => {
    for (const created_at of ["infinity", "-infinity", "10000-01-01 00:00+00", "0001-12-31 00:00+00 BC"]) {
      await owner.query(`begin; ${open}`);
      await expect(storeReceipts(owner, [newReceipt({ created_at })])).rejects.toMatchObject({ code: "23514" });
      await owner.query("rollback");
    }
  });
});

describe("an id", () => {
  /** What the control plane asks, word for word; it takes the first row. */
  const asks = async (id: string) =>
    (await app.query<{ tool_name: string }>("SELECT * FROM receipts WHERE id = $1", [id])).rows[0]?.tool_name;
  const finds = async (id: string) =>
    (await auditor.query<{ tool_name: string }>("select * from audit.find_receipt($1) limit 1", [id])).rows[0]
      ?.tool_name;

  it("is not taken twice in a month, whatever the second receipt's time and agent", async () => {
    const id = randomUUID();
    const [first] = await storeReceipts(app, [newReceipt({ id, tool_name: "first" })]);
    for (const n of [-1, 1])
      await expect(
        storeReceipts(app, [newReceipt({ id, tool_name: "forged", actor_id: "other", created_at: minutes(n) })]),
      ).rejects.toMatchObject({ code: "23505" });
    expect([await asks(id), await finds(id)]).toEqual(["first", "first"]);
    expect(first?.id).toBe(id);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("is not taken by a receipt that is dated into another month, before or after", async () => {
    const id = randomUUID();
    await storeReceipts(app, [newReceipt({ id })]);
    for (const created_at of ["2019-05-04T10:11:12.123Z", "2199-01-01T00:00:00Z"])
      await expect(insertReceipts(app, [newReceipt({ id, created_at })])).rejects.toMatchObject({
        code: "23505",
        message: expect.stringContaining(`receipt ${id} is already there`) as unknown,
      });
    expect(await count()).toBe(1);
  });

  it("is not taken by a receipt dated a moment back, into the month before: also where all else about it is plain", async () => {
    // As it is in the first minutes of a month, on any day.
    const admin = await database.connect();
    await admin.query(`create or replace function audit.max_lateness() returns interval
                         language sql immutable parallel safe return '60 days'::interval`);
    const client = await database.connect(roles.app);
    const id = randomUUID();
    const before = new Date(Date.now() - 32 * 86_400_000).toISOString();
    await storeReceipts(client, [newReceipt({ id })]);
    await expect(storeReceipts(client, [newReceipt({ id, created_at: before })])).rejects.toMatchObject({
      code: "23505",
      message: expect.stringContaining(`receipt ${id} is already there`) as unknown,
    });
  });

  it("that is used again in a later month leaves the first receipt the first that look-ups find", async () => {
    const id = randomUUID();
    await insertReceipts(app, [newReceipt({ id, tool_name: "first", created_at: "2020-02-03T00:00:00Z" })]);
    await storeReceipts(app, [newReceipt({ id, tool_name: "forged" })]);
    expect([await asks(id), await finds(id)]).toEqual(["first", "first"]);
    expect((await auditor.query("select from audit.find_receipt($1)", [id])).rowCount).toBe(2);
  });
});
