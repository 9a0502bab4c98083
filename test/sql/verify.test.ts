import { randomUUID } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { parseAnchors, type Anchor } from "../../ops/anchorFormat";
import type { Report } from "../../ops/verify/report";
import type { Request } from "../../ops/verify/request";
import { verify } from "../../ops/verify/verification";
import { roles } from "../../ops/roles";
import { takeAnchor } from "../../ops/takeAnchor";
import { month, monthName, tile } from "../months";
import { startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";

// Read and hashed each time for a third of the time that a verification takes here, and altered by none of these tests: verifyCatalog.test.ts.
vi.mock("../../ops/verify/builtIns", async (importActual) => ({
  ...(await importActual<object>()),
  builtInFindings: () => Promise.resolve([]),
}));

let server: TestPostgres;
let database: TestDatabase;
let app: pg.Client;
/** The attacker: a superuser for whom no trigger fires. */
let attacker: pg.Client;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

async function freshDatabase(): Promise<void> {
  database = await server.createDatabase({ migrated: true });
  app = await database.connect(roles.app);
  attacker = await database.connect(superuser);
  await attacker.query("set session_replication_role = replica");
}

async function leave(): Promise<void> {
  await Promise.all([app.end(), attacker.end()]);
}

const check = (more: Partial<Request> = {}): Promise<Report> =>
  verify({
    url: database.url(roles.auditor),
    signal: new AbortController().signal,
    anchors: [],
    connections: 2,
    chunk: 7,
    allowEmpty: false,
    ...more,
  });

const kinds = (report: Report) => report.findings.map(({ kind, agent, seq }) => [kind, agent, seq]);

async function anchor(): Promise<Anchor> {
  const auditor = await database.connect(roles.auditor);
  const [parsed] = parseAnchors(JSON.stringify(await takeAnchor(auditor)), "anchor");
  await auditor.end();
  if (!parsed) throw new Error("no anchor");
  return parsed;
}

const start = Date.parse("2026-11-05T00:00:00Z");
const minute = 60_000;

/** `count` receipts for each agent, a minute apart, agents taking turns. */
async function fill(agents: (string | null)[], count: number, since = start): Promise<void> {
  const receipts = Array.from({ length: count }, (_, i) =>
    agents.map((actor_id, a) => newReceipt({ actor_id, created_at: new Date(since + i * minute + a).toISOString() })),
  );
  await insertReceipts(app, receipts.flat());
}

/** A claim, then its execution, as the control plane writes them. */
async function execute(agent: string, seq: number): Promise<void> {
  const where = "where actor_id = $1 and chain_seq = $2";
  await app.query(
    `update receipts set claim_id = gen_random_uuid(), claimed_at = now(), claim_expires_at = now() + interval '30 s', updated_at = now() ${where}`,
    [agent, seq],
  );
  await app.query(
    `update receipts set status = 'executed', execution = '{"durationMs": 12.50, "nested": {"a": [1, null]}}', result = '{"ok": true}',
       claim_id = null, claimed_at = null, claim_expires_at = null, execution_attempts = execution_attempts + 1, updated_at = now() ${where}`,
    [agent, seq],
  );
}

const oneOf = "where actor_id = 'a' and chain_seq =";

describe("a whole trail", () => {
  beforeEach(freshDatabase);
  afterEach(leave);

  it("is found whole, whatever the agents are called and however the months and clocks lie", async () => {
    const agents = ["a", null, "", "quote \" ' \\ \n\t", "Ünïcødé ☃ 𝄞", "x".repeat(900), "%_", "{}"];
    await fill(agents, 20);
    // Dated back before the first month, ahead beyond the last, and the clock going backwards.
    for (const days of [-400, 4000, -3, 40, -2000])
      await insertReceipts(app, [
        newReceipt({ actor_id: "a", created_at: new Date(start + days * 86_400_000).toISOString() }),
      ]);
    await fill(["a"], 5, start - 60 * minute);
    await insertReceipts(app, [
      newReceipt({ actor_id: "a", decision_outcome: "require_approval" }),
      newReceipt({ decision_outcome: "deny" }),
    ]);
    for (const seq of [1, 2, 9]) await execute("a", seq);
    for (const chunk of [1, 3, 1000]) {
      const report = await check({ chunk, anchors: [await anchor()] });
      expect(report.findings).toEqual([]);
      expect(report.verified).toMatchObject({ receipts: 20 * 8 + 5 + 5 + 2, changes: 7 });
    }
    expect((await check({ agent: "" })).verified.receipts).toBe(40);
    expect((await check({ agent: "quote \" ' \\ \n\t" })).verified.receipts).toBe(20);
  });

  it("is found whole in every time range, its first row followed from the one before the range", async () => {
    await fill(["a", "b", null], 30);
    await insertReceipts(app, [
      newReceipt({ actor_id: "a", created_at: new Date(start + 3 * minute + 30).toISOString() }),
    ]);
    await execute("a", 4);
    await execute("a", 20);
    await execute("a", 5);
    for (const [from, to] of [
      [0, 5],
      [3, 10],
      [10, 11],
      [4, 40],
    ] as const) {
      const report = await check({
        since: new Date(start + from * minute).toISOString(),
        until: new Date(start + to * minute).toISOString(),
      });
      expect(report.findings).toEqual([]);
      expect(report.verified.receipts).toBe((Math.min(to, 30) - from) * 3 + (from <= 3 ? 1 : 0));
    }
  });

  it("is found whole while writers are at work", async () => {
    await fill(["a", "b"], 5);
    let stop = false;
    let errors = 0;
    const writers = ["a", "b", "c"].map(async (actor_id) => {
      const client = await database.connect(roles.app);
      for (let i = 0; !stop; i++) {
        const [row] = await insertReceipts(client, [
          newReceipt({ actor_id, created_at: new Date(start + (i % 50) * minute).toISOString() }),
        ]);
        if (i % 3 === 0)
          await client
            .query("update receipts set rekor_entry_id = 'x', updated_at = now() where id = $1", [row?.id])
            .catch(() => errors++);
      }
    });
    for (let i = 0; i < 3; i++) {
      const before = await anchor();
      expect((await check({ chunk: 20, anchors: [before] })).findings).toEqual([]);
      expect((await check({ chunk: 20, from: before })).findings).toEqual([]);
    }
    stop = true;
    await Promise.all(writers);
    expect(errors).toBe(0);
    expect((await check()).findings).toEqual([]);
  });

  it("is found whole after its old months were archived, and only then", async () => {
    const [old, oldName, current] = [month(-1), monthName(-1), month(0).getTime()];
    const late = old.getTime() + 27 * 86_400_000;
    const owner = await database.connect(roles.owner);
    // Months before the first are made by cutting them off the past; here they are tiles of a table that began earlier.
    await owner.query("begin");
    for (const table of ["receipts", "audit.receipt_history"]) {
      await owner.query(`alter table ${table} detach partition ${table}_past`);
      await owner.query("select audit.create_partition($1, $2, $3)", [
        table,
        oldName.replace("-", "_"),
        [
          "autovacuum_vacuum_insert_scale_factor=0.05",
          "autovacuum_analyze_scale_factor=0.02",
          ...(table === "receipts" ? ["fillfactor=90"] : []),
        ],
      ]);
      await owner.query(
        `alter table ${table} attach partition ${table}_past for values from (minvalue) to ('${old.toISOString()}')`,
      );
      await owner.query("select audit.bound_past($1, (audit.future_partition($2)).key, $3)", [
        `${table}_past`,
        table,
        old,
      ]);
      const { rows } = await owner.query<{ since: string }>(
        "select since::text from audit.partitions where parent = $1::regclass and kind = 'month' limit 1",
        [table],
      );
      await owner.query(
        `alter table ${table} attach partition ${tile(table, -1)} for values from ('${old.toISOString()}') to ('${rows[0]?.since}')`,
      );
    }
    await owner.query("commit");
    await fill(["a", "b"], 5, late);
    await execute("a", 2);
    await fill(["a", "b", "c"], 5, current);
    // Out of order: one more for the month that leaves, sealed later.
    await fill(["a"], 1, late + 90 * minute);
    await fill(["a"], 5, current + 90 * minute);
    await execute("a", 8);
    const before = await anchor();
    expect((await check({ anchors: [before] })).findings).toEqual([]);

    await owner.query("begin");
    for (const table of ["audit.receipt_history", "receipts"]) {
      const { rows } = await owner.query<{ month: string }>("select audit.detach_month($1, $2)::text as month", [
        table,
        `${oldName}-01`,
      ]);
      await owner.query("select audit.checkpoint($1::regclass)", [rows[0]?.month]);
      await owner.query(`drop table ${rows[0]?.month}`);
    }
    await owner.query("commit");
    const after = await anchor();
    const report = await check({ anchors: [before, after] });
    expect(report.findings).toEqual([]);
    expect(report.verified.checkpoints).toBeGreaterThan(3);
    expect((await check({ since: new Date(current).toISOString() })).findings).toEqual([]);

    await attacker.query("delete from audit.checkpoints where chain = 'receipts' and agent = 'b'");
    expect(kinds(await check({ agent: "b" }))).toContainEqual(["removed-row", "b", 1]);
    expect(kinds(await check({ anchors: [after] }))).toContainEqual(["altered-checkpoint", undefined, undefined]);
  });
});

describe("tampering by a superuser", () => {
  const tables = ["receipts", "audit.receipt_history", "audit.chain_heads", "audit.history_heads", "audit.chains"];
  const each = (statement: (table: string, copy: string) => string) =>
    tables.map((table) => statement(table, `pg_temp.saved_${table.replace(/.*\./, "")}`)).join(";");

  beforeAll(async () => {
    await freshDatabase();
    await fill(["a", "b"], 20);
    await execute("a", 3);
    await execute("a", 5);
    await execute("b", 3);
    expect((await check()).findings).toEqual([]);
    await attacker.query(each((table, copy) => `create table ${copy} as table ${table}`));
  });
  afterAll(leave);
  beforeEach(() =>
    attacker.query(each((table, copy) => `delete from ${table}; insert into ${table} select * from ${copy}`)),
  );

  const alterations: Record<string, string> = {
    id: "gen_random_uuid()",
    envelope_id: "gen_random_uuid()",
    parent_receipt_id: "gen_random_uuid()",
    decision_outcome: "'deny', status = 'skipped'",
    tool_name: "tool_name || ' '",
    envelope: `jsonb_set(envelope, '{n}', '1.50')`,
    decision: `decision || '{"reason": null}'`,
    created_at: "created_at + interval '1 microsecond'",
    chain_seal: "sha256(chain_seal)",
    sealed_at: "sealed_at - interval '1 microsecond'",
    receipt_hash: "encode(sha256(chain_seal), 'hex')",
    prev_receipt_hash: "encode(sha256(chain_seal), 'hex')",
  };
  it.each(Object.entries(alterations))("shows an altered %s, and where", async (column, value) => {
    await attacker.query(`update receipts set ${column} = ${value} ${oneOf} 11`);
    const report = await check();
    expect(report.ok).toBe(false);
    expect([...new Set(report.findings.map(({ kind }) => kind))]).toEqual(["altered-column"]);
    expect(report.first).toMatchObject({ kind: "altered-column", agent: "a", seq: 11 });
    expect(kinds(await check({ agent: "a" }))[0]).toEqual(["altered-column", "a", 11]);
    expect((await check({ agent: "b" })).findings).toEqual([]);
  });

  it("shows an agent's name that was altered: a gap where it was, a stranger where it is", async () => {
    await attacker.query(`update receipts set actor_id = 'c' ${oneOf} 11`);
    const found = kinds(await check());
    expect(found).toContainEqual(["removed-row", "a", 11]);
    expect(found.some(([, agent]) => agent === "c")).toBe(true);
  });

  const states: Record<string, string> = {
    status: "'failed'",
    approval: "'{}'",
    approval_status: "'approved'",
    execution: "null",
    result: `'{"ok": false}'`,
    error: "'{}'",
    updated_at: "updated_at + interval '1 microsecond'",
    rekor_entry_id: "'x'",
    execution_attempts: "7",
  };
  it.each(Object.entries(states))("shows a mutable %s that no recorded change explains", async (column, value) => {
    await attacker.query(`update receipts set ${column} = ${value} ${oneOf} 5`);
    const report = await check();
    expect(report.first).toMatchObject({ kind: "altered-column", agent: "a", seq: 5, columns: [column] });
  });

  it("shows a plain receipt that was quietly executed", async () => {
    await attacker.query(`update receipts set status = 'executed' ${oneOf} 9`);
    expect((await check()).first).toMatchObject({ kind: "altered-column", agent: "a", seq: 9, columns: ["status"] });
  });

  it("shows a row that was removed", async () => {
    await attacker.query(`delete from receipts ${oneOf} 11`);
    expect(kinds(await check())).toEqual([["removed-row", "a", 11]]);
  });

  it("shows removed rows with their places, and changes of a receipt that is gone", async () => {
    await attacker.query("delete from receipts where actor_id = 'a' and chain_seq between 2 and 6");
    const report = await check();
    expect(report.findings).toContainEqual(expect.objectContaining({ kind: "removed-row", seq: 2, lastSeq: 6 }));
    expect(report.findings.filter(({ receipt }) => receipt !== undefined)).toHaveLength(2);
  });

  it("shows a removed row whose successors were renumbered", async () => {
    await attacker.query(`delete from receipts ${oneOf} 11`);
    await attacker.query("update receipts set chain_seq = chain_seq - 1 where actor_id = 'a' and chain_seq > 11");
    expect((await check()).first).toMatchObject({ kind: "removed-row", agent: "a", seq: 11 });
  });

  const insertCopy = (seq: string, seal: string, more = "") => `
    insert into receipts (id, envelope_id, status, decision_outcome, tool_name, actor_id, envelope, decision, created_at, updated_at,
                          chain_seq, sealed_at, chain_seal, receipt_hash, prev_receipt_hash)
    select $1, envelope_id, status, decision_outcome, tool_name, actor_id, envelope, decision, created_at, updated_at,
           ${seq}, sealed_at, ${seal}, audit.authensor_hash($1, envelope_id, created_at, decision_outcome, prev_receipt_hash), prev_receipt_hash
      from receipts ${oneOf} 11 ${more}`;
  /** The seal that a copy of receipt 11 would rightly have: the attacker knows the rules. */
  const forgedSeal = `(select audit.chain_seal(p.chain_seal, receipts.chain_seq, receipts.sealed_at,
       audit.receipt_content($1, receipts.envelope_id, receipts.parent_receipt_id, receipts.created_at, receipts.decision_outcome,
                             receipts.tool_name, receipts.actor_id, receipts.envelope, receipts.decision), receipts.prev_receipt_hash)
       from receipts p where p.actor_id = 'a' and p.chain_seq = 10)`;

  it("shows a row that was inserted with a place that is taken", async () => {
    const id = randomUUID();
    await attacker.query(insertCopy("chain_seq", "sha256(chain_seal)"), [id]);
    const report = await check();
    expect(report.findings).toHaveLength(1);
    expect(report.first).toMatchObject({ kind: "inserted-row", agent: "a", seq: 11, receipt: id });
  });

  it("shows a fork: two receipts that both follow from the one before", async () => {
    await attacker.query(insertCopy("chain_seq", forgedSeal), [randomUUID()]);
    expect(kinds(await check())).toEqual([["forked", "a", 11]]);
  });

  it("shows a row that was inserted with a right seal, and all after it renumbered", async () => {
    const id = randomUUID();
    await attacker.query(`${insertCopy("-1", forgedSeal)}`, [id]);
    await attacker.query("update receipts set chain_seq = chain_seq + 1 where actor_id = 'a' and chain_seq >= 11");
    await attacker.query("update receipts set chain_seq = 11 where id = $1", [id]);
    await attacker.query("update audit.chain_heads set seq = seq + 1 where agent = 'a'");
    const report = await check();
    expect(report.findings).toContainEqual(expect.objectContaining({ kind: "inserted-row", seq: 11, receipt: id }));
    expect(report.first).toMatchObject({ agent: "a", seq: 11 });
  });

  it("shows a row that was inserted beyond the head", async () => {
    await attacker.query(insertCopy("21", "sha256(chain_seal)"), [randomUUID()]);
    expect(kinds(await check())).toContainEqual(["inserted-row", "a", 21]);
  });

  it.each([
    [11, 12],
    [4, 17],
  ])("shows rows %i and %i that changed places", async (one, other) => {
    await attacker.query(
      `update receipts set chain_seq = case chain_seq when ${one} then ${other} else ${one} end where actor_id = 'a' and chain_seq in (${one}, ${other})`,
    );
    const report = await check();
    expect(report.first).toMatchObject({ kind: "reordered", agent: "a", seq: one });
    expect(
      report.findings.filter(({ kind }) => kind === "reordered").map(({ seq, belongsAt }) => [seq, belongsAt]),
    ).toEqual([
      [one, other],
      [other, one],
    ]);
  });

  it("shows a row that was moved to another place: one finding, not a gap as well", async () => {
    await attacker.query(`update receipts set chain_seq = 7 ${oneOf} 11`);
    const report = await check();
    expect(kinds(report)).toEqual([["reordered", "a", 7]]);
  });

  it("shows a tail that was cut off, by its head", async () => {
    await attacker.query("delete from receipts where actor_id = 'a' and chain_seq > 17");
    const report = await check();
    expect(report.findings).toHaveLength(1);
    expect(report.first).toMatchObject({ kind: "cut-off-tail", agent: "a", seq: 18, lastSeq: 20 });
  });

  it("shows a tail that was cut off together with its head, by an anchor", async () => {
    const kept = await anchor();
    await attacker.query("delete from receipts where actor_id = 'a' and chain_seq > 17");
    await attacker.query(
      `update audit.chain_heads h set seq = 17, sealed_at = r.sealed_at, seal = r.chain_seal, receipt_hash = r.receipt_hash, prev_receipt_hash = r.prev_receipt_hash
         from receipts r where r.actor_id = 'a' and r.chain_seq = 17 and h.agent = 'a'`,
    );
    // They were imported: that is known as well.
    expect(kinds(await check())).toEqual([["altered-import", undefined, undefined]]);
    const report = await check({ anchors: [kept] });
    expect(report.findings).toHaveLength(2);
    expect(report.findings[1]).toMatchObject({ kind: "cut-off-tail", agent: "a", seq: 18, lastSeq: 20 });
    expect(kinds(await check({ from: kept }))).toContainEqual(["cut-off-tail", "a", 18]);
  });

  it("shows an agent that is gone without a trace, by an anchor", async () => {
    const kept = await anchor();
    for (const table of [
      "audit.chain_heads where agent",
      "audit.history_heads where agent",
      "audit.receipt_history where agent",
      "audit.chains where agent",
      "receipts where actor_id",
    ])
      await attacker.query(`delete from ${table} = 'b'`);
    expect(kinds(await check())).toEqual([["altered-import", undefined, undefined]]);
    expect(kinds(await check({ anchors: [kept] }))).toEqual([
      ["altered-import", undefined, undefined],
      ["cut-off-tail", "b", 1],
      ["altered-history", "b", 1],
    ]);
  });

  it("shows a chain that was rewritten with right seals throughout, by an anchor", async () => {
    const kept = await anchor();
    await attacker.query(`update receipts set tool_name = 'harmless' ${oneOf} 11`);
    await attacker.query(`
      do $$
      declare r receipts; head audit.chain_heads;
      begin
        select actor_id, chain_seq, chain_seal, receipt_hash into head.agent, head.seq, head.seal, head.receipt_hash
          from receipts ${oneOf} 10;
        for r in select * from receipts where actor_id = 'a' and chain_seq > 10 order by chain_seq loop
          r.chain_seal := audit.chain_seal(head.seal, r.chain_seq, r.sealed_at,
            audit.receipt_content(r.id, r.envelope_id, r.parent_receipt_id, r.created_at, r.decision_outcome, r.tool_name, r.actor_id, r.envelope, r.decision),
            head.receipt_hash);
          update receipts set chain_seal = r.chain_seal where id = r.id;
          head.prev_receipt_hash := head.receipt_hash;
          head.seq := r.chain_seq; head.seal := r.chain_seal; head.receipt_hash := r.receipt_hash;
        end loop;
        update audit.chain_heads set seal = head.seal where agent = 'a';
      end $$`);
    expect((await check()).findings).toEqual([]);
    for (const report of [
      await check({ anchors: [kept] }),
      await check({ from: kept }),
      await check({ agent: "a", anchors: [kept] }),
    ])
      expect(kinds(report)).toEqual([["rewritten", "a", 20]]);
  });

  it("shows an altered head, and one that is gone", async () => {
    await attacker.query("update audit.chain_heads set seal = sha256(seal) where agent = 'a'");
    expect(kinds(await check())).toEqual([["altered-head", "a", 20]]);
    await attacker.query("delete from audit.chain_heads where agent = 'a'");
    expect(kinds(await check())).toEqual([["altered-head", "a", 20]]);
  });

  const histories: Record<string, string> = {
    "an altered 'after'": `update audit.receipt_history set after = after || '{"status": "failed"}' where agent = 'a' and seq = 2`,
    "an altered 'before'": `update audit.receipt_history set before = before || '{"status": "skipped"}' where agent = 'a' and seq = 2`,
    "an altered time":
      "update audit.receipt_history set changed_at = changed_at - interval '1 day' where agent = 'a' and seq = 2",
    "another's name": "update audit.receipt_history set changed_by = 'somebody' where agent = 'a' and seq = 2",
    "an altered application": "update audit.receipt_history set application = 'x' where agent = 'a' and seq = 2",
    "a removed change": "delete from audit.receipt_history where agent = 'a' and seq = 2",
    "a removed last change": "delete from audit.receipt_history where agent = 'a' and seq = 4",
    "an added change": `insert into audit.receipt_history select agent, seq + 3, receipt_id, receipt_created_at, changed_at, changed_by, application, after, before, seal
                          from audit.receipt_history where agent = 'a' and seq = 2`,
    "changed places":
      "update audit.receipt_history set seq = case seq when 2 then 3 else 2 end where agent = 'a' and seq in (2, 3)",
    "an altered seal": "update audit.receipt_history set seal = sha256(seal) where agent = 'a' and seq = 2",
    "an altered head": "update audit.history_heads set seal = sha256(seal) where agent = 'a'",
    "a head that is gone": "delete from audit.history_heads where agent = 'a'",
  };
  it.each(Object.entries(histories))("shows altered history: %s", async (_what, tampering) => {
    await attacker.query(tampering);
    const report = await check();
    expect(report.findings).toContainEqual(expect.objectContaining({ kind: "altered-history", agent: "a" }));
    expect(report.findings.every(({ agent }) => agent === "a")).toBe(true);
    expect((await check({ agent: "a" })).ok).toBe(false);
    expect((await check({ agent: "b" })).findings).toEqual([]);
  });

  it("shows a change that was made behind the triggers, also after a rightful one followed", async () => {
    await attacker.query(`update receipts set rekor_entry_id = 'forged' ${oneOf} 9`);
    await app.query(
      "update receipts set rekor_entry_id = 'rightful', updated_at = now() where actor_id = 'a' and chain_seq = 9",
    );
    expect(kinds(await check())).toEqual([["altered-history", "a", 5]]);
  });

  it("shows triggers that were switched off, on the table or on one partition", async () => {
    await attacker.query("alter table receipts disable trigger check_change");
    const report = await check();
    expect(report.first?.kind).toBe("guard-off");
    await attacker.query("alter table receipts enable trigger check_change");
    await attacker.query("alter table receipts_future disable trigger seal");
    const { findings } = await check();
    await attacker.query("alter table receipts_future enable trigger seal");
    expect(findings).toEqual([
      expect.objectContaining({ kind: "guard-off", message: expect.stringContaining("receipts_future") as string }),
    ]);
  });

  it("is not deceived by altered functions", async () => {
    await attacker.query(
      "alter function audit.chain_seal(bytea, bigint, timestamptz, bytea, text) rename to chain_seal_saved",
    );
    await attacker.query(`create function audit.chain_seal(previous_seal bytea, seq bigint, sealed_at timestamptz, content bytea, prev_receipt_hash text) returns bytea
      language sql stable as 'select chain_seal from public.receipts where chain_seq = $2 limit 1'`);
    await attacker.query(`update receipts set tool_name = 'harmless' ${oneOf} 11`);
    const { findings } = await check();
    expect(findings.filter(({ kind }) => kind !== "guard-off").map(({ kind, seq }) => [kind, seq])).toEqual([
      ["altered-column", 11],
    ]);
    expect(findings.some(({ kind }) => kind === "guard-off")).toBe(true);
    await attacker.query("drop function audit.chain_seal(bytea, bigint, timestamptz, bytea, text)");
    await attacker.query(
      "alter function audit.chain_seal_saved(bytea, bigint, timestamptz, bytea, text) rename to chain_seal",
    );
  });

  it("names the earliest broken place first, and counts what it does not list", async () => {
    await attacker.query("update receipts set tool_name = 'x' where actor_id = 'b' and chain_seq = 6");
    await attacker.query("update receipts set tool_name = 'x' where actor_id = 'a' and chain_seq in (19, 8)");
    const report = await check();
    expect(kinds(report)).toEqual([
      ["altered-column", "b", 6],
      ["altered-column", "a", 8],
      ["altered-column", "a", 19],
    ]);
    await attacker.query("update receipts set tool_name = 'x'");
    const all = await check();
    expect(all.findings.length + all.more).toBeGreaterThanOrEqual(40);
  });

  it("shows an anchor that was altered, and refuses what is none", async () => {
    const kept = await anchor();
    const forged = { ...kept, chains: kept.chains.filter(({ agent }) => agent !== "a") };
    expect(kinds(await check({ anchors: [forged] }))).toEqual([["altered-anchor", undefined, undefined]]);
    expect(() => parseAnchors('{"version": 2}', "f")).toThrow(/item 1 is not an anchor/);
    expect(() => parseAnchors("", "f")).toThrow(/no anchor|neither/);
    expect(() => parseAnchors("nonsense", "f")).toThrow(/neither JSON/);
  });
});

describe("what cannot be verified", () => {
  beforeEach(freshDatabase);
  afterEach(leave);

  it("is never reported as whole: nothing there, an unknown agent, an empty time", async () => {
    expect((await check()).findings[0]?.kind).toBe("nothing-verified");
    // Nor where something else was found, and is acknowledged.
    const altered = { ...(await anchor()), digest: "ab".repeat(32) };
    const [{ id: finding } = { id: "" }] = (await check({ anchors: [altered] })).findings;
    const acknowledgements = [{ finding, by: "test", at: "2026-11-30", reason: "looked into" }];
    expect((await check({ anchors: [altered], acknowledgements })).findings[0]?.kind).toBe("nothing-verified");
    await fill(["a"], 2);
    expect((await check({ agent: "nobody" })).first?.message).toMatch(/no receipt of agent "nobody"/);
    expect((await check({ until: "2020-01-01" })).first?.message).toMatch(/in this time/);
    expect((await check({ until: "2020-01-01", allowEmpty: true })).ok).toBe(true);
  });

  it("fails with a clear line by a login that may not read the trail", async () => {
    await fill(["a"], 2);
    await expect(check({ url: database.url(roles.monitor) })).rejects.toThrow(/cannot be verified: permission denied/);
  });

  it.each([
    ["rows behind a policy", "alter table receipts enable row level security", /row-level security/],
    ["a right taken away", "revoke select on audit.receipt_history from authensor_auditor", /permission denied/],
    [
      "what answers for a head is no table",
      `create foreign data wrapper w; create server s foreign data wrapper w;
       create foreign table public.elsewhere () inherits (audit.chain_heads) server s`,
      /^audit.chain_heads is not the table it should be/,
    ],
    ["a renamed table", "alter table receipts rename to gone", /^there is no table public.receipts here/],
    ["a moved table", "alter table receipts set schema audit", /^there is no table public.receipts here/],
    [
      "a moved table of heads",
      "alter table audit.history_heads set schema public",
      /^there is no table audit.history_heads/,
    ],
    [
      "a renamed table of imports",
      "alter table audit.imports rename to exports",
      /^there is no table audit.imports here/,
    ],
    ["a renamed schema", "alter schema audit rename to old", /^there is no table audit.receipt_history here/],
    [
      "a view in a table's place",
      "alter table receipts rename to gone; create view receipts as select * from gone where false; grant select on receipts to public",
      /^public.receipts is not the partitioned table it should be/,
    ],
  ])("is a finding where somebody has hidden the trail: %s", async (_, sql, message) => {
    await fill(["a"], 2);
    await attacker.query(sql);
    const { ok, findings } = await check();
    expect(ok).toBe(false);
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: "guard-off", message: expect.stringMatching(message) as unknown }),
    );
  });
});

describe("an interrupted verification", () => {
  beforeEach(freshDatabase);
  afterEach(leave);

  it("goes on where it was, and sees what was written and tampered with since", async () => {
    await fill(["a", "b"], 40);
    const resumeFile = join(mkdtempSync(join(tmpdir(), "verify-")), "state");
    const abort = new AbortController();
    await expect(
      check({
        resumeFile,
        chunk: 10,
        signal: abort.signal,
        onProgress: ({ receipts }) => (receipts >= 30 ? abort.abort(new Error("stopped")) : undefined),
      }),
    ).rejects.toThrow();
    const seen: number[] = [];
    // Into time that is already done: found by the place it took.
    await insertReceipts(app, [newReceipt({ actor_id: "a", created_at: new Date(start + 30).toISOString() })]);
    await execute("a", 1);
    const report = await check({ resumeFile, chunk: 10, onProgress: ({ receipts }) => seen.push(receipts) });
    expect(report.findings).toEqual([]);
    expect(seen[0]).toBeGreaterThan(10);
    expect((await check({ resumeFile })).verified.receipts).toBe(81);
  });

  it("refuses a resume file that belongs to another question, or is none", async () => {
    await fill(["a"], 2);
    const resumeFile = join(mkdtempSync(join(tmpdir(), "verify-")), "state");
    writeFileSync(resumeFile, "{");
    await expect(check({ resumeFile })).rejects.toThrow(/not the resume file/);
    writeFileSync(resumeFile, JSON.stringify({ version: 4, question: { agent: "b" }, saved: {} }));
    await expect(check({ resumeFile })).rejects.toThrow(/another verification/);
  });
});

describe("what a superuser does to be overlooked", () => {
  beforeEach(async () => {
    await freshDatabase();
    await fill(["a", "b"], 12);
    await execute("a", 5);
    await execute("a", 7);
  });
  afterEach(leave);

  const forge = (sql: string) => attacker.query(sql);
  const insertForged = (columns: string, values: string) =>
    forge(
      `insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision, receipt_hash, chain_seal, sealed_at, ${columns})
       values (gen_random_uuid(), gen_random_uuid(), 'skipped', 'deny', 'a', '{}', '{}', repeat('0', 64), sha256(''), now(), ${values})`,
    );

  it.each([
    [
      "takes a seal away and alters the row",
      "alter table receipts alter chain_seal drop not null; update receipts set chain_seal = null, tool_name = 'forged' where actor_id = 'a' and chain_seq = 4",
    ],
    [
      "takes a receipt's sealed_at away and alters the row",
      "alter table receipts alter sealed_at drop not null; update receipts set sealed_at = null, tool_name = 'forged' where actor_id = 'a' and chain_seq = 4",
    ],
    [
      "takes a change's seal away and says another made it",
      "alter table audit.receipt_history alter seal drop not null; update audit.receipt_history set seal = null, changed_by = 'nobody' where agent = 'a' and seq = 2",
    ],
    [
      "takes a status away",
      "alter table receipts alter status drop not null; update receipts set status = null where actor_id = 'a' and chain_seq = 4",
    ],
  ])("%s", async (_how, sql) => {
    await forge(sql);
    const restored =
      "alter table receipts alter chain_seal set not null; alter table receipts alter sealed_at set not null; alter table receipts alter status set not null; alter table audit.receipt_history alter seal set not null";
    // The finding is the row itself, not only the constraint that is gone (which cannot be put back while the row is there).
    await expect(forge(restored)).rejects.toThrow(/contains null values/);
    for (const more of [{}, { agent: "a" }, { since: "2020-01-01" }, { chunk: 3 }]) {
      const { findings } = await check(more);
      expect(findings.filter(({ kind, agent }) => kind !== "guard-off" && agent === "a")).not.toEqual([]);
    }
  });

  it("adds a receipt in front of the first place", async () => {
    await insertForged("chain_seq", "-1");
    for (const more of [{}, { chunk: 3 }, { agent: "a" }]) expect((await check(more)).ok).toBe(false);
    await forge("update receipts set chain_seq = 0 where chain_seq = -1");
    expect((await check()).ok).toBe(false);
    // Of an agent of whom nothing else is known, and with the hash that Authensor would give it.
    await forge(`update receipts set actor_id = 'stranger', chain_seq = -1, updated_at = created_at,
        receipt_hash = audit.authensor_hash(id, envelope_id, created_at, decision_outcome, prev_receipt_hash) where chain_seq = 0`);
    expect(kinds(await check())).toContainEqual(["altered-column", "stranger", -1]);
  });

  it("adds a receipt at no place", async () => {
    await forge("alter table receipts alter chain_seq drop not null");
    await insertForged("chain_seq", "null");
    for (const more of [{}, { chunk: 3 }]) {
      const { findings } = await check(more);
      expect(findings.filter(({ kind }) => kind !== "guard-off")).not.toEqual([]);
    }
  });

  it("adds a receipt after the end of time, where no range reaches", async () => {
    await insertForged("chain_seq, created_at", "500, 'infinity'");
    const { findings } = await check();
    expect(findings).toEqual([
      expect.objectContaining({
        kind: "inserted-row",
        message: expect.stringContaining("1 row of public.receipts") as string,
      }),
    ]);
  });

  it("cuts off the newest receipts, seen from a time range too", async () => {
    await forge("delete from receipts where actor_id = 'a' and chain_seq > 9");
    const report = await check({ since: "2020-01-01" });
    expect(kinds(report)).toContainEqual(["cut-off-tail", "a", 10]);
    const late = await check({ since: new Date(start + 11 * minute - 1).toISOString() });
    expect(kinds(late)).toContainEqual(["cut-off-tail", "a", 12]);
  });

  it("removes the last receipts of a time range", async () => {
    await forge("delete from receipts where actor_id = 'b' and chain_seq in (6, 7)");
    const report = await check({ until: new Date(start + 6.5 * minute).toISOString() });
    expect(kinds(report)).toContainEqual(["removed-row", "b", 6]);
  });

  it("makes up a checkpoint of a month that is still here", async () => {
    await forge("update receipts set status = 'executed' where actor_id = 'a' and chain_seq = 4");
    await forge(`insert into audit.checkpoints
      select 1, 'history', 'zzz', 1, 1, sha256(''), null, '${tile("receipt_history", 0)}', now(),
             audit.checkpoint_seal('', 1, 'history', 'zzz', 1, 1, sha256(''), null, '${tile("receipt_history", 0)}', now())`);
    const report = await check();
    expect(report.findings.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["altered-checkpoint", "altered-column"]),
    );
  });

  it.each([
    [
      "drops receipts on the way in",
      "create function public.f() returns trigger language plpgsql as 'begin return null; end'; create trigger a_drop before insert on receipts for each row execute function public.f()",
    ],
    [
      "discards them by rule",
      "create rule r as on insert to receipts where new.decision_outcome = 'deny' do instead nothing",
    ],
    [
      "lets every change pass",
      "create or replace function audit.check_change() returns trigger language plpgsql as 'begin return new; end'",
    ],
    [
      "checks changes only sometimes",
      "drop trigger check_change on receipts; create trigger check_change before update on receipts for each row when (false) execute function audit.check_change()",
    ],
    [
      "adds a check that a month's rows fit better",
      `create function audit.check_state(r public.${tile("receipts", 0)}) returns void language sql as 'select null::void'`,
    ],
    ["lets the application delete", "grant delete on receipts to authensor_app"],
    ["lets maintenance write receipts", "grant insert on receipts to authensor_maintenance"],
    ["lets the application write heads", "grant update on audit.chain_heads to authensor_app"],
  ])("opens a guard: %s", async (_how, sql) => {
    expect((await check()).findings).toEqual([]);
    await forge(sql);
    expect((await check()).findings.map(({ kind }) => kind)).toContain("guard-off");
  });
});
