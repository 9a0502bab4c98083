/** Many receipts in one transaction: the work per receipt does not grow with them, and batches do not lock each other up. */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
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
  server = await startPostgres({ parameters: { max_connections: "300", deadlock_timeout: "100ms" } });
});
afterAll(() => server.stop());
beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  app = await database.connect(roles.app);
  auditor = await database.connect(roles.auditor);
});

const columns = "id, envelope_id, status, decision_outcome, actor_id, envelope, decision, approval, approval_status";
/** So many receipts, of so many agents in turn; `asked`: with an approval, which is recorded in the history. */
const batch = (rows: number, agents: number, asked = false) => `
  insert into receipts (${columns})
  select gen_random_uuid(), gen_random_uuid(), 'pending', ${asked ? "'require_approval'" : "'allow'"}, 'agent-' || i % ${agents}, '{}', '{}',
         ${asked ? `'{"status": "pending"}', 'pending'` : "null, null"}
    from generate_series(1, ${rows}) i`;

/** Pages of the heads that a transaction in progress has looked at. */
const looked = async (client: pg.Client, heads: string): Promise<number> => {
  const { rows } = await client.query<{ pages: string }>(
    "select pg_stat_get_xact_blocks_fetched($1::regclass) + pg_stat_get_xact_blocks_fetched(($1 || '_agent_idx')::regclass) as pages",
    [heads],
  );
  return Number(rows[0]?.pages);
};

/** Pages of heads that a receipt looks at after so many thousands of others in its transaction. */
async function pagesPerReceipt(heads: string, work: (rows: number) => Promise<unknown>): Promise<number> {
  await app.query("begin");
  await work(4600);
  const before = await looked(app, heads);
  await work(300);
  const after = await looked(app, heads);
  await app.query("commit");
  return (after - before) / 300;
}

// It is 3.1 after any number, 5.0 of changes. With a unique index on the heads it is 6.5 here and 14 after ten thousand; without a remembered place 60 to 150.
const few = 6;

describe("the five thousandth receipt of a transaction finds its head in few steps:", () => {
  it.each([
    ["of one agent", 1],
    ["of five agents in turn", 5],
  ])("%s, in one INSERT", async (_, agents) => {
    expect(await pagesPerReceipt("audit.chain_heads", (rows) => app.query(batch(rows, agents)))).toBeLessThan(few);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("each in a statement of its own", async () => {
    const one = "prepare one as " + batch(1, 1);
    await app.query(one);
    const many = (rows: number) =>
      app.query(`do $$ begin for i in 1..${rows} loop execute 'execute one'; end loop; end $$`);
    expect(await pagesPerReceipt("audit.chain_heads", many)).toBeLessThan(few);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("with approvals, whose history is a chain as well", async () => {
    expect(await pagesPerReceipt("audit.history_heads", (rows) => app.query(batch(rows, 1, true)))).toBeLessThan(few);
    const { rows } = await auditor.query("select count(*)::int as n, max(seq)::int as last from audit.receipt_history");
    expect(rows).toEqual([{ n: 4900, last: 4900 }]);
  });

  it("also where the table of heads was small, and read whole, when the session made its plans", async () => {
    await app.query(batch(40, 3));
    const admin = await database.connect();
    await admin.query("vacuum (analyze) audit.chain_heads");
    for (let i = 0; i < 40; i++) await app.query(batch(1, 1));
    expect(await pagesPerReceipt("audit.chain_heads", (rows) => app.query(batch(rows, 1)))).toBeLessThan(few);
  });
});

describe("a batch is whole", () => {
  it("by COPY, of many agents", async () => {
    const line = (i: number) => `${randomUUID()}\t${randomUUID()}\tpending\tallow\tagent-${i % 3}\t{}\t{}\t\\N\t\\N\n`;
    const input = Array.from({ length: 3000 }, (_, i) => line(i)).join("");
    execFileSync(
      join(server.bin, "psql"),
      ["-qX", "-c", `copy receipts (${columns}) from stdin`, database.url(roles.app)],
      { input },
    );
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("when parts of it were taken back to savepoints", async () => {
    await app.query("begin");
    for (let i = 0; i < 6; i++) {
      await app.query(batch(100, 2));
      await app.query("savepoint s");
      await app.query(batch(100, 3));
      await expect(insertReceipts(app, [newReceipt({ status: "unknown" })])).rejects.toMatchObject({ code: "23514" });
      await app.query("rollback to s");
      await app.query(batch(40, 2));
    }
    await app.query("commit");
    expect((await app.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 840 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("when it was ended in the middle, and others go on", async () => {
    const other = await database.connect(roles.app);
    const { rows } = await app.query<{ pid: number }>("select pg_backend_pid() as pid");
    const ended = app.query(batch(200_000, 1)).then(
      () => "done",
      () => "ended",
    );
    await sleep(500);
    const waiting = other.query(batch(100, 1));
    const admin = await database.connect();
    await admin.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
    expect(await ended).toBe("ended");
    await waiting;
    await other.query(batch(100, 1));
    expect((await other.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 200 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("when three of them write for the same agents, in the same order", async () => {
    const clients = await Promise.all([1, 2, 3].map(() => database.connect(roles.app)));
    await Promise.all(clients.map((client) => client.query(batch(700, 4))));
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it.each(["repeatable read", "serializable"])("under %s", async (level) => {
    await app.query(`begin isolation level ${level}`);
    await app.query(batch(200, 2));
    await app.query(batch(200, 3));
    await app.query("commit");
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it.each([
    "no place",
    "(0,1)",
    "(0,2)",
    "(0,9999)",
    "(999999999,1)",
    "(99999999999,1)",
    "(0,1); drop",
    "",
    "(4294967295,0)",
  ])("whatever a client makes of the hints: %s", async (hint) => {
    await app.query(batch(60, 3));
    await app.query("set audit.batch = 'on'");
    for (const heads of ["chain_heads", "history_heads"])
      for (let slot = 0; slot < 128; slot++)
        await app.query("select set_config($1, $2, false)", [`audit.${heads}_${slot}`, hint]);
    await app.query(batch(50, 3));
    await app.query("begin");
    await app.query(batch(100, 4, true));
    await app.query("commit");
    expect((await app.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 210 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it.each(["chain_heads", "history_heads"])(
    "also where a hint of %s leads to another agent's head, which is there",
    async (heads) => {
      await app.query(batch(2, 2, true));
      const { rows } = await auditor.query<{ at: string; slot: number }>(
        `select ctid::text as at, hashtext('agent-0') & 127 as slot from audit.${heads} where agent = 'agent-1'`,
      );
      await app.query("set audit.batch = 'on'");
      await app.query("select set_config($1, $2, false)", [`audit.${heads}_${rows[0]?.slot}`, rows[0]?.at]);
      await app.query(batch(1, 1, true));
      expect(await chainFaults(auditor)).toEqual([]);
      const ends = await auditor.query(`select agent, seq::int from audit.${heads} order by agent`);
      expect(ends.rows).toEqual([
        { agent: "agent-0", seq: 2 },
        { agent: "agent-1", seq: 1 },
      ]);
    },
  );

  it.each([
    ["chain_heads", "an INSERT", () => batch(1, 1)],
    ["history_heads", "a change", (n: number) => `update receipts set rekor_entry_id = '${n}' where chain_seq = ${n}`],
  ])("also where a hint of %s leads %s to what another transaction holds", async (heads, _what, statement) => {
    await app.query(batch(3, 1));
    await app.query("update receipts set rekor_entry_id = 'x' where chain_seq = 3");
    const other = await database.connect(roles.app);
    await other.query("set audit.batch = 'on'");
    const { rows } = await auditor.query<{ at: string; slot: number }>(
      `select ctid::text as at, hashtext(agent) & 127 as slot from audit.${heads}`,
    );
    await other.query("select set_config($1, $2, false)", [`audit.${heads}_${rows[0]?.slot}`, rows[0]?.at]);
    await app.query(`begin; ${statement(1)}`);
    const waiting = other.query(statement(2));
    const admin = await database.connect();
    const blocked = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    while ((await admin.query(blocked)).rowCount === 0) await sleep(10);
    await app.query("commit");
    await waiting;
    expect(await chainFaults(auditor)).toEqual([]);
    const seqs = await auditor.query(
      "select max(seq)::int as last, count(distinct seq)::int as n, count(*)::int as rows from audit.receipt_history",
    );
    expect(seqs.rows).toEqual([heads === "history_heads" ? { last: 3, n: 3, rows: 3 } : { last: 1, n: 1, rows: 1 }]);
  });
});

describe("audit.insert_receipts", () => {
  const shuffled = <T>(values: T[]): T[] =>
    values
      .map((value) => ({ value, at: Math.random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ value }) => value);
  const agents = Array.from({ length: 12 }, (_, i) => `agent-${i}`);
  const some = () =>
    shuffled(agents).map((actor_id, i) =>
      newReceipt({ actor_id, decision_outcome: i % 3 ? "allow" : "require_approval" }),
    );

  it("stores batches of the same agents in any order, from six clients at once, without a deadlock", async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => database.connect(roles.app)));
    await Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < 15; i++)
          await client.query("select from audit.insert_receipts($1)", [JSON.stringify(some())]);
      }),
    );
    expect((await app.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 6 * 15 * 12 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("returns them as stored, keeps each agent's order, and fills in what is not given", async () => {
    const receipts = ["b", "a", "b", "a"].map((actor_id) => newReceipt({ actor_id, envelope: { n: "1.50 ☃" } }));
    const { rows } = await app.query<{ id: string; actor_id: string; chain_seq: string }>(
      "select * from audit.insert_receipts($1)",
      [JSON.stringify(receipts)],
    );
    const places = Object.fromEntries(rows.map(({ id, actor_id, chain_seq }) => [id, `${actor_id}${chain_seq}`]));
    expect(receipts.map(({ id }) => places[id])).toEqual(["b1", "a1", "b2", "a2"]);
    const bare = {
      id: randomUUID(),
      envelope_id: randomUUID(),
      status: "skipped",
      decision_outcome: "deny",
      envelope: {},
      decision: {},
    };
    const { rows: stored } = await app.query(
      "select execution_attempts, created_at = updated_at as same, created_at > now() - interval '1 minute' as now from audit.insert_receipts($1)",
      [JSON.stringify([bare])],
    );
    expect(stored).toEqual([{ execution_attempts: 0, same: true, now: true }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  const stored = (receipts: unknown, client = app) =>
    client.query<{ id: string; chain_seq: string }>("select * from audit.insert_receipts($1)", [
      JSON.stringify(receipts),
    ]);
  const of = (actor_id: string | null, many: number, values: object = {}) =>
    Array.from({ length: many }, () => newReceipt({ actor_id, ...values }));

  it("seals as one INSERT after another does, and both in turn", async () => {
    for (let round = 0; round < 3; round++) {
      await stored([
        ...of("known", 3),
        ...of(`new-${round}`, 2),
        ...of(null, 2),
        ...of("", 1),
        ...of("known", 2, { decision_outcome: "require_approval" }),
        ...of('quote " \\ \n tab\t ☃ 𝄞', 2, {
          decision_outcome: "deny",
          tool_name: null,
          envelope: { clé: "☃\u0001\\" },
        }),
      ]);
      await insertReceipts(app, [...of("known", 1), ...of(null, 1)]);
    }
    expect((await app.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 42 }]);
    expect(await chainFaults(auditor)).toEqual([]);
    const changes = await auditor.query("select max(seq)::int as last, count(*)::int as n from audit.receipt_history");
    expect(changes.rows).toEqual([{ last: 6, n: 6 }]);
  });

  it("advances each chain once, however many receipts it brings", async () => {
    await stored(["a", "b", "c"].flatMap((agent) => of(agent, 1)));
    const updates = async () => {
      const { rows } = await app.query<{ n: number }>(
        "select pg_stat_get_xact_tuples_updated('audit.chain_heads'::regclass)::int as n",
      );
      return rows[0]!.n;
    };
    await app.query("begin");
    const before = await updates();
    await stored(["a", "b", "c"].flatMap((agent) => of(agent, 100)));
    expect((await updates()) - before).toBe(3);
    await app.query("commit");
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it.each([
    ["no array", { id: "x" }, "22023", /none of it is stored: it is object/],
    ["null", null, "22023", /none of it is stored: it is null/],
    ["an item that is no object", [newReceipt(), 7], "22023", /its item 2 is number/],
    ["a misspelt column", [newReceipt(), { ...newReceipt(), toolName: "x" }], "22023", /item 2 .* the key "toolName"/],
    ["an unknown status", [newReceipt(), newReceipt({ actor_id: "b", status: "unknown" })], "23514", /"unknown"/],
    ["no envelope", [newReceipt(), { ...newReceipt(), envelope: undefined }], "23502", /envelope/],
    ["an agent of 1025 bytes", [newReceipt(), ...of("x".repeat(1025), 1)], "23514", /actor_id has 1025 bytes/],
    ["a document over a mebibyte", [newReceipt({ envelope: "x".repeat(1_048_576) })], "23514", /envelope has 1048578/],
    [
      "a receipt of last hour",
      of("a", 2, { created_at: new Date(Date.now() - 3_600_000).toISOString() }),
      "23514",
      /created at/,
    ],
    [
      "one of the next hour",
      of("a", 2, { created_at: new Date(Date.now() + 3_600_000).toISOString() }),
      "23514",
      /created at/,
    ],
    [
      "an approval that is not what the column says",
      of("a", 1, { approval: { status: "approved" } }),
      "23000",
      /approval/,
    ],
    ["the same id twice", Array(2).fill(newReceipt()), "23505", /duplicate key/],
  ])("stores nothing of a batch with %s, and the chains go on without a gap", async (_, batch, code, message) => {
    await insertReceipts(app, [...of("agent-1", 1), ...of("a", 1)]);
    await expect(stored(batch)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
    await insertReceipts(app, [...of("agent-1", 1), ...of("a", 1)]);
    expect((await app.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 4 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("stores no receipt that was dated too far ahead as it was sealed, though it no longer is as it is stored", async () => {
    await insertReceipts(app, of("0", 1, { decision_outcome: "require_approval" }));
    // What is stored first has a change to record, and waits for the one that is being recorded.
    const holder = await database.connect(roles.app);
    await holder.query("begin; update receipts set rekor_entry_id = 'x'");
    await app.query("set lock_timeout = 0");
    const allowed = Date.now() + 500;
    const ahead = newReceipt({ actor_id: "a", created_at: new Date(allowed + 300_000).toISOString() });
    const outcome = stored([...of("0", 1, { decision_outcome: "require_approval" }), ahead]).then(
      () => "stored",
      (error: unknown) => (error as pg.DatabaseError).code,
    );
    while (Date.now() <= allowed) await sleep(allowed - Date.now() + 1);
    await holder.query("commit");
    expect(["stored", "23514"]).toContain(await outcome);
    const wrong = await auditor.query("select from receipts where created_at > sealed_at + interval '5 minutes'");
    expect(wrong.rowCount).toBe(0);
  });

  it("refuses a second call with the same ids, as a retry finds out that the first was stored", async () => {
    const batch = [...of("a", 2), ...of("b", 2)];
    await stored(batch);
    await expect(stored([...of("a", 1), ...batch])).rejects.toMatchObject({ code: "23505" });
    expect((await app.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 4 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("stores receipts on both sides of a month's border in one chain, by an import", async () => {
    const owner = await database.connect(roles.owner);
    const at = (created_at: string) => newReceipt({ actor_id: "a", created_at });
    await owner.query("begin; select audit.open_import('receipts of a test')");
    await stored(
      [at("2026-01-31T23:59:59.999Z"), at("2026-02-01T00:00:00.000Z"), at("2026-01-31T23:59:59.998Z")],
      owner,
    );
    await owner.query("commit");
    expect(await chainFaults(auditor)).toEqual([]);
    const { rows } = await auditor.query("select agent, first_seq::int, last_seq::int from audit.imports");
    expect(rows).toEqual([{ agent: "a", first_seq: 1, last_seq: 3 }]);
  });

  it("takes back what a savepoint takes back, and goes on from there", async () => {
    await app.query("begin");
    for (let i = 0; i < 3; i++) {
      await stored([...of("a", 40), ...of("b", 2)]);
      await app.query("savepoint s");
      await stored([...of("a", 5), ...of("c", 5)]);
      await app.query(batch(70, 2));
      await app.query("rollback to s");
      await insertReceipts(app, of("a", 1));
    }
    await app.query("commit");
    expect((await app.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 129 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("leaves nothing behind when its session is ended in the middle, and who waited goes on", async () => {
    await stored([...of("a", 1), ...of("b", 1)]);
    const [holder, other] = [await database.connect(roles.app), await database.connect(roles.app)];
    await holder.query("begin");
    await insertReceipts(holder, of("b", 1));
    const { rows } = await app.query<{ pid: number }>("select pg_backend_pid() as pid");
    // It has the head of a, and waits for that of b.
    const ended = stored([...of("b", 3), ...of("a", 3)]).then(
      () => "done",
      () => "ended",
    );
    const admin = await database.connect();
    const waiting = "select from pg_stat_activity where pid = any ($1) and wait_event_type = 'Lock'";
    while ((await admin.query(waiting, [[rows[0]?.pid]])).rowCount === 0) await sleep(10);
    const goesOn = stored(of("a", 2), other);
    await admin.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
    expect(await ended).toBe("ended");
    await goesOn;
    await holder.query("commit");
    expect((await other.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 5 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("fails as a whole under REPEATABLE READ, if a head has moved since the transaction began", async () => {
    await stored([...of("a", 1), ...of("b", 1)]);
    await app.query("begin isolation level repeatable read; select from receipts");
    await insertReceipts(await database.connect(roles.app), of("b", 1));
    await expect(stored([...of("a", 1), ...of("b", 1)])).rejects.toMatchObject({ code: "40001" });
    await app.query("rollback");
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("is on disk when acknowledged, whatever the session was told", async () => {
    await app.query("set synchronous_commit = off; begin");
    await stored(of("a", 1));
    expect((await app.query("show synchronous_commit")).rows).toEqual([{ synchronous_commit: "on" }]);
    await app.query("commit");
  });
});

describe("a seal that comes with a receipt", () => {
  const seals = "chain_seq, chain_seal, sealed_at, receipt_hash, prev_receipt_hash";
  const forged = (receipt = newReceipt()) => `
    insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision, ${seals})
    values ('${receipt.id}', '${receipt.envelope_id}', 'pending', 'allow', 'agent-1', '{}', '{}', 4711, '\\x00', now(), 'x', 'x')`;

  it.each(["chain_seq", "chain_seal", "sealed_at"])(
    "is refused where a client names %s, whatever it has set",
    async (column) => {
      await app.query("set audit.sealed_ahead = 'on'");
      const name = `insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision, ${column})
                  values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', '{}', '{}', null)`;
      await expect(app.query(name)).rejects.toMatchObject({ code: "42501" });
      await expect(app.query(forged())).rejects.toMatchObject({ code: "42501" });
    },
  );

  it("is ignored where the owner's INSERT brings it, alone or after others", async () => {
    const owner = await database.connect(roles.owner);
    await owner.query(forged());
    await owner.query(`begin; ${forged()}; ${batch(64, 1)}; ${forged()}; commit`);
    expect((await app.query("select count(*)::int as n from receipts")).rows).toEqual([{ n: 67 }]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("lets the owner store no more with it than without", async () => {
    const owner = await database.connect(roles.owner);
    await owner.query(forged());
    await expect(owner.query(forged().replace("'{}'", "to_jsonb(repeat('x', 1048576))"))).rejects.toMatchObject({
      code: "23514",
      message: expect.stringMatching(/envelope has 1048578/) as string,
    });
  });

  it("is ignored in a batch: receipts that were read back are stored under new ids with seals of their own", async () => {
    await insertReceipts(app, [newReceipt(), newReceipt()]);
    const { rows } = await app.query<{ all: object[] }>("select json_agg(r) as all from receipts r");
    const again = rows[0]!.all.map((receipt) => ({ ...receipt, id: randomUUID() }));
    await app.query("select from audit.insert_receipts($1)", [JSON.stringify(again)]);
    expect(await chainFaults(auditor)).toEqual([]);
  });
});
