import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { chainFaults, insertReceipts, newReceipt } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let app: pg.Client;
let auditor: pg.Client;

beforeAll(async () => {
  server = await startPostgres({ parameters: { max_connections: "400" } });
});
afterAll(() => server.stop());

beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  app = await database.connect(roles.app);
  auditor = await database.connect(roles.auditor);
});

/** Settles to the SQLSTATE of the query's error, or "ok". */
const outcome = (query: Promise<unknown>): Promise<string> =>
  query.then(
    () => "ok",
    (error: unknown) => (error instanceof pg.DatabaseError ? (error.code ?? "?") : String(error)),
  );

const count = async (client: pg.Client): Promise<number> =>
  Number((await client.query<{ count: string }>("select count(*) from receipts")).rows[0]?.count);

describe("the seal", () => {
  it("is what docs/chain.md says, for every kind of value, as computed without the database", async () => {
    const outcomes = ["allow", "deny", "require_approval", "rate_limited"];
    await insertReceipts(
      app,
      Array.from({ length: 40 }, (_, i) =>
        newReceipt({
          decision_outcome: outcomes[i % 4] ?? "allow",
          actor_id: [null, "", "agent-1", 'quote " \\ \n tab\t', "Ünïcødé ☃ 𝄞"][i % 5] ?? null,
          tool_name: i % 3 ? "tool" : null,
          parent_receipt_id: i % 2 ? randomUUID() : null,
          envelope: { i, clé: "☃\u0001\\", nested: [null, true, 1e300, -0.0001, "x".repeat(i * 500)] },
        }),
      ),
    );
    expect(await chainFaults(auditor)).toEqual([]);
    expect(await count(app)).toBe(40);
  });

  it("ignores what the client sent as Authensor's two hashes", async () => {
    await app.query(
      `insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision, receipt_hash, prev_receipt_hash)
       values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', '{}', '{}', 'forged', 'forged')`,
    );
    const { rows } = await app.query(
      "select chain_seq, prev_receipt_hash, length(receipt_hash), sealed_at > now() - interval '1 minute' as now from receipts",
    );
    expect(rows).toEqual([{ chain_seq: "1", prev_receipt_hash: null, length: 64, now: true }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("is as much as there is of a receipt: one without it is not stored, so that nothing depends on the client's hashes", async () => {
    const owner = await database.connect(roles.owner);
    await owner.query("alter table receipts disable trigger seal");
    const stored = app.query(
      `insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision, receipt_hash)
       values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', '{}', '{}', repeat('a', 64))`,
    );
    await expect(stored).rejects.toThrow(/null value in column "chain_(seq|seal)"/);
    expect(await count(app)).toBe(0);
  });

  it.each([
    ["a single receipt", 1],
    ["one of a batch", 70],
  ])("never seals %s at an earlier time than before, where the server's clock has gone back", async (_what, many) => {
    const owner = await database.connect(roles.owner);
    await insertReceipts(app, [newReceipt({ actor_id: "a" })]);
    await owner.query("update audit.chain_heads set sealed_at = now() + interval '1 hour'");
    await insertReceipts(
      app,
      Array.from({ length: many }, () => newReceipt({ actor_id: "a" })),
    );
    const { rows } = await auditor.query(
      `select count(*)::int as ahead from receipts r join audit.chain_heads h on h.agent = r.actor_id
        where r.sealed_at = h.sealed_at and h.sealed_at > now() + interval '59 minutes'`,
    );
    expect(rows).toEqual([{ ahead: many }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("keeps the microseconds that Authensor's own hash drops", async () => {
    const owner = await database.connect(roles.owner);
    await owner.query(
      `begin; select audit.open_import('times with microseconds');
       insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision, created_at)
       select gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', '{}', '{}', t::timestamptz
         from unnest(array['2026-11-01 00:00:00.999999+00', '2026-11-01 00:00:00.0005+00', '1969-12-31 23:59:59.9995+00']) t;
       commit`,
    );
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("is the same whatever the client's encoding, time zone and styles are", async () => {
    for (const settings of [
      "set client_encoding = latin1",
      "set timezone = 'Asia/Kathmandu'",
      "set datestyle = 'german'; set intervalstyle = 'sql_standard'; set bytea_output = 'escape'; set extra_float_digits = 0",
    ]) {
      const client = await database.connect(roles.app);
      await client.query(settings);
      await client.query(
        `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision)
         values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', U&'\\00e9', jsonb_build_object('a', U&'\\00e9'), '{}')`,
      );
      // A character that the client's encoding does not even have.
      await client.query(
        `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision)
         values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', U&'\\2603', jsonb_build_object('a', U&'\\2603'), '{}')`,
      );
    }
    expect(await count(app)).toBe(6);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("follows the chain, not the clock, for receipts dated back, ahead, and in any order", async () => {
    const dates = ["2026-11-05", "1999-01-01", "2031-07-07", "0001-01-01", "9999-12-31", "2026-11-04", "2026-10-31"];
    for (const date of dates) await insertReceipts(app, [newReceipt({ created_at: `${date}T12:00:00.123Z` })]);
    const { rows } = await app.query(
      "select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD') d from receipts order by chain_seq",
    );
    expect(rows.map((row: { d: string }) => row.d)).toEqual(dates);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it.each(["infinity", "-infinity", "10000-01-01 00:00+00", "0001-12-31 00:00+00 BC"])(
    "is refused together with its receipt at a date that Authensor's hash cannot hold: %s",
    async (date) => {
      expect(await outcome(insertReceipts(app, [newReceipt({ created_at: date })]))).toMatch(/^235(02|14)$/);
      expect(await count(app)).toBe(0);
      await insertReceipts(app, [newReceipt()]);
      expect(await chainFaults(auditor)).toEqual([]);
    },
  );
});

describe("what cannot be stored fails with a clear error, and leaves no gap:", () => {
  // Incompressible, and in characters of one to four bytes: the bound is in bytes.
  const text = (bytes: number, fill = "") =>
    `${randomBytes(bytes)
      .toString("base64")
      .slice(0, bytes - Buffer.byteLength(fill))}${fill}`;

  it.each(["actor_id", "tool_name"])("a %s of more than 1024 bytes; 1024 are stored as they are", async (column) => {
    for (const value of [text(1024), text(1024, "☃𝄞"), "a".repeat(1024)]) {
      const [stored] = await insertReceipts(app, [newReceipt({ [column]: value })]);
      expect(Buffer.byteLength(value)).toBe(1024);
      const { rows } = await app.query(`select ${column} as value from receipts where id = $1`, [stored?.id]);
      expect(rows).toEqual([{ value }]);
      const other = newReceipt({ [column]: value, decision_outcome: "require_approval" });
      await insertReceipts(app, [other]);
    }
    for (const value of [text(1025), text(1026, "𝄞"), text(2700), text(4000), "a".repeat(100_000)]) {
      const receipt = newReceipt({ [column]: value });
      await expect(insertReceipts(app, [receipt])).rejects.toMatchObject({
        code: "23514",
        column,
        message: `receipt ${receipt.id} is refused: its ${column} has ${Buffer.byteLength(value)} bytes, at most 1024 are stored`,
      });
    }
    expect(await count(app)).toBe(6);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it.each([
    ["22P05", "a NUL", String.raw`{"a": "\u0000"}`],
    ["22P02", "half a surrogate pair", String.raw`{"a": "\ud800"}`],
    ["54001", "a million levels", `${"[".repeat(1e6)}${"]".repeat(1e6)}`],
    ["22003", "a number beyond numeric", '{"a": 1e999999}'],
  ])("%s for %s in the envelope, before any trigger", async (code, _, envelope) => {
    const receipt = "insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision)";
    const values = "values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', $1, '{}')";
    expect(await outcome(app.query(`${receipt} ${values}`, [envelope]))).toBe(code);
    expect(await count(app)).toBe(0);
    await insertReceipts(app, [newReceipt()]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("the other tables' indexed names are bounded in the same way", async () => {
    const long = text(1025);
    for (const sql of [
      "insert into approval_responses (id, receipt_id, responder_id, decision) values (gen_random_uuid(), gen_random_uuid(), $1, 'approve')",
      "insert into budgets (principal_id, budget_amount, period, reset_at) values ($1, 1, 'daily', now())",
      "insert into budget_ledger (budget_id, envelope_id, principal_id, action_type, amount, running_total) values (gen_random_uuid(), 'e', $1, 'a', 1, 1)",
    ]) {
      await app.query(sql, [text(1024)]);
      await expect(app.query(sql, [long])).rejects.toMatchObject({
        code: "23514",
        constraint: expect.stringMatching(/_id_length$/) as unknown,
      });
    }
  });
});

describe("the chain", () => {
  it("is unbroken under 16 clients writing for 8 agents", async () => {
    const clients = await Promise.all(Array.from({ length: 16 }, () => database.connect(roles.app)));
    await Promise.all(
      clients.map(async (client, c) => {
        for (let i = 0; i < 40; i++) await insertReceipts(client, [newReceipt({ actor_id: `agent-${(c + i) % 8}` })]);
      }),
    );
    expect(await count(app)).toBe(640);
    expect(await chainFaults(auditor)).toEqual([]);
    const { rows } = await app.query(
      "select count(distinct prev_receipt_hash) links, count(*) filter (where prev_receipt_hash is null) starts from receipts",
    );
    expect(rows).toEqual([{ links: "632", starts: "8" }]);
  });

  it("starts once when many clients bring the same new agent", async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => database.connect(roles.app)));
    for (const agent of ["new-1", "new-2", "new-3"]) {
      await Promise.all(clients.map((client) => insertReceipts(client, [newReceipt({ actor_id: agent })])));
    }
    expect(await chainFaults(auditor)).toEqual([]);
    expect(await count(app)).toBe(60);
  });

  it("does not begin anew where its head was removed: nothing is stored until it is there again", async () => {
    await insertReceipts(app, [newReceipt({ decision_outcome: "require_approval", approval: { status: "pending" } })]);
    const owner = await database.connect(roles.owner);
    for (const heads of ["audit.history_heads", "audit.chain_heads"]) {
      await owner.query(`create table kept as select * from ${heads}; delete from ${heads}`);
      await expect(
        insertReceipts(app, [newReceipt({ decision_outcome: "require_approval", approval: { status: "pending" } })]),
      ).rejects.toMatchObject({ code: "XX001", message: expect.stringContaining(`removed from ${heads}`) as unknown });
      await owner.query(`insert into ${heads} select * from kept; drop table kept`);
    }
    await insertReceipts(app, [newReceipt()]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("has no gap where receipts were refused, rolled back, or taken back to a savepoint", async () => {
    await insertReceipts(app, [newReceipt()]);
    expect(await outcome(insertReceipts(app, [newReceipt({ status: "unknown" })]))).toBe("23514");
    expect(await outcome(insertReceipts(app, [newReceipt(), newReceipt({ decision_outcome: "maybe" })]))).toBe("23514");
    await app.query("begin");
    await insertReceipts(app, [newReceipt(), newReceipt({ actor_id: "agent-2" })]);
    await app.query("rollback");
    await app.query("begin");
    await insertReceipts(app, [newReceipt()]);
    await app.query("savepoint s");
    await insertReceipts(app, [newReceipt(), newReceipt()]);
    expect(await outcome(insertReceipts(app, [newReceipt({ status: "unknown" })]))).toBe("23514");
    await app.query("rollback to s");
    await insertReceipts(app, [newReceipt()]);
    await app.query("commit");
    expect(await count(app)).toBe(3);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("refuses a claim without an end, and an end without a beginning, at birth and later", async () => {
    const claim_id = randomUUID();
    const later = new Date(Date.now() + 60_000);
    for (const [wrong, constraint] of [
      [{ claim_id, claimed_at: new Date() }, "claim_requires_expiry"],
      [{ claim_expires_at: later }, "expiry_requires_claimed_at"],
    ] as const) {
      const refused = { code: "23514", constraint };
      await expect(insertReceipts(app, [newReceipt(wrong)])).rejects.toMatchObject(refused);
      const [born] = await insertReceipts(app, [newReceipt()]);
      const set = Object.keys(wrong).map((column, i) => `${column} = $${i + 2}`);
      await expect(
        app.query(`update receipts set ${set.join(", ")} where id = $1`, [born?.id, ...Object.values(wrong)]),
      ).rejects.toMatchObject(refused);
    }
    await insertReceipts(app, [newReceipt({ claim_id, claimed_at: new Date(), claim_expires_at: later })]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("refuses an impossible receipt without waiting for its agent's other writers", async () => {
    await app.query("begin");
    await insertReceipts(app, [newReceipt()]);
    const other = await database.connect(roles.app);
    await other.query("set lock_timeout = '200ms'");
    expect(await outcome(insertReceipts(other, [newReceipt({ decision_outcome: "maybe" })]))).toBe("23514");
    expect(await outcome(insertReceipts(other, [newReceipt()])), "a possible one waits").toBe("55P03");
    await app.query("commit");
  });

  it("has no gap where the same receipt is sent twice", async () => {
    const receipt = newReceipt();
    await insertReceipts(app, [receipt]);
    expect(await outcome(insertReceipts(app, [receipt]))).toBe("23505");
    expect(await outcome(insertReceipts(app, [newReceipt(), receipt, newReceipt()]))).toBe("23505");
    const sealSkipped = `insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision)
      select id, envelope_id, status, decision_outcome, envelope, decision from receipts on conflict`;
    expect(await outcome(app.query(`${sealSkipped} do nothing`))).toBe("55000");
    // No key of the table's own that it could name: each month has one.
    expect(await outcome(app.query(`${sealSkipped} (id, created_at) do nothing`))).toBe("42P10");
    expect(await outcome(app.query(`${sealSkipped} (id) do update set status = excluded.status`))).toBe("42P10");
    await insertReceipts(app, [newReceipt()]);
    expect(await count(app)).toBe(2);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("is whole when constraints are deferred and the transaction then fails", async () => {
    const receipt = newReceipt();
    await insertReceipts(app, [receipt]);
    await app.query("begin; set constraints all deferred");
    await insertReceipts(app, [receipt, newReceipt()]);
    expect(await outcome(app.query("commit"))).toBe("23505");
    expect(await count(app)).toBe(1);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("takes batches of many agents: VALUES, INSERT … SELECT, COPY, and several statements in one transaction", async () => {
    const agents = Array.from({ length: 30 }, (_, i) => `agent-${i % 7}`);
    await insertReceipts(
      app,
      agents.map((actor_id) => newReceipt({ actor_id })),
    );
    await app.query(
      `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision)
       select gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', 'agent-' || i % 7, '{}', '{}' from generate_series(1, 200) i`,
    );
    const lines = agents.map((agent) => `${randomUUID()}\t${randomUUID()}\tpending\tallow\t${agent}\t{}\t{}\n`);
    const copy = "copy receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision) from stdin";
    execFileSync(join(server.bin, "psql"), ["-qX", "-c", copy, database.url(roles.app)], { input: lines.join("") });
    await app.query("begin");
    for (const actor_id of agents) await insertReceipts(app, [newReceipt({ actor_id })]);
    await app.query("commit");
    expect(await count(app)).toBe(290);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("ends batches that collide in opposite order in one retryable error, and stores one of them whole", async () => {
    const [a, b] = [await database.connect(roles.app), await database.connect(roles.app)];
    await insertReceipts(app, [newReceipt({ actor_id: "x" }), newReceipt({ actor_id: "y" })]);
    await a.query("begin");
    await b.query("begin");
    await insertReceipts(a, [newReceipt({ actor_id: "x" }), newReceipt({ actor_id: "x" })]);
    await insertReceipts(b, [newReceipt({ actor_id: "y" })]);
    const results = await Promise.all([
      outcome(insertReceipts(a, [newReceipt({ actor_id: "y" })])).then(async (code) => (await a.query("commit"), code)),
      outcome(insertReceipts(b, [newReceipt({ actor_id: "x" })])).then(async (code) => (await b.query("commit"), code)),
    ]);
    expect(results.toSorted()).toEqual(["40P01", "ok"]);
    expect(await count(app)).toBe(2 + (results[0] === "ok" ? 3 : 2));
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it.each(["repeatable read", "serializable"])(
    "is whole under %s, where a moved head is a retryable error",
    async (level) => {
      const other = await database.connect(roles.app);
      await insertReceipts(app, [newReceipt()]);
      await app.query(`begin isolation level ${level}`);
      await app.query("select 1");
      await count(app);
      await insertReceipts(other, [newReceipt()]);
      expect(await outcome(insertReceipts(app, [newReceipt()]))).toBe("40001");
      await app.query("rollback");
      await app.query(`begin isolation level ${level}`);
      await insertReceipts(app, [newReceipt(), newReceipt({ actor_id: "first-of-its-own" })]);
      await app.query("commit");
      expect(await count(app)).toBe(4);
      expect(await chainFaults(auditor)).toEqual([]);
    },
  );

  it("goes on over a month's partition made later, and over the open ends", async () => {
    const owner = await database.connect(roles.owner);
    await insertReceipts(app, [newReceipt({ created_at: "2026-11-10T00:00:00.000Z" })]);
    const { rows } = await owner.query(
      "select p.parent, audit.month_of(p.since) m from audit.list_partitions() p where p.parent = 'receipts'::regclass and p.kind = 'future'",
    );
    const next = (rows[0] as { m: Date }).m;
    await owner.query("select audit.make_month('receipts', $1)", [next]);
    await insertReceipts(app, [newReceipt({ created_at: new Date(next.getTime() + 7 * 86_400_000).toISOString() })]);
    await insertReceipts(app, [newReceipt(), newReceipt({ created_at: "2040-01-01T00:00:00.000Z" })]);
    expect(await count(app)).toBe(4);
    expect(await chainFaults(auditor)).toEqual([]);
  });
});

describe("the application's role", () => {
  it.each([
    ["writes no head", "update audit.chain_heads set seq = 0"],
    ["adds no head", "insert into audit.chain_heads (agent) values ('x')"],
    ["removes no head", "delete from audit.chain_heads"],
    ["does not even read heads", "select from audit.chain_heads"],
    ["writes no place in the chain", "update receipts set chain_seq = chain_seq"],
    ["writes no seal", "update receipts set chain_seal = chain_seal"],
    ["writes no time of sealing", "update receipts set sealed_at = sealed_at"],
    ["writes no hash", "update receipts set receipt_hash = receipt_hash"],
    ["writes no previous hash", "update receipts set prev_receipt_hash = prev_receipt_hash"],
    ["rewrites no envelope", "update receipts set envelope = '{}'"],
    ["removes no receipt", "delete from receipts"],
    ["empties no table", "truncate receipts"],
    ["stops no trigger", "alter table receipts disable trigger all"],
    ["does not act as a replica", "set session_replication_role = replica"],
    ["does not become the owner", `set role ${roles.owner}`],
    ["calls no trigger function", "select audit.append_history('a', gen_random_uuid(), now(), '{}', '{}')"],
  ])("%s", async (_, sql) => {
    await insertReceipts(app, [newReceipt()]);
    expect(await outcome(app.query(sql))).toBe("42501");
  });

  it("cannot mislead the sealing functions with objects of its own", async () => {
    await app.query("set search_path = pg_temp, public");
    await app.query("create temp table chain_heads (agent text primary key, seq bigint)").catch(() => undefined);
    await app
      .query("create function pg_temp.sha256(bytea) returns bytea language sql as $$ select '\\x00'::bytea $$")
      .catch(() => undefined);
    await insertReceipts(app, [newReceipt()]);
    expect(await chainFaults(auditor)).toEqual([]);
  });
});
