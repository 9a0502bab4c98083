import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import {
  type HistoryRow,
  type NewReceipt,
  chainFaults,
  expectedHistorySeal,
  historyRows,
  insertReceipts,
  newReceipt,
} from "../receipts";

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

/** What Authensor's control plane sends (packages/control-plane/src/services). */
const statements = {
  claim: `update receipts set claim_id = $2, claimed_at = now(), claim_expires_at = now() + $3::interval, updated_at = now()
           where id = $1 and status = 'pending' and (claim_id is null or claim_expires_at < now()) returning *`,
  update: `update receipts
              set status = $2, approval = $3::jsonb, approval_status = $4, execution = $5::jsonb, result = $6::jsonb, error = $7::jsonb,
                  claim_id = case when $2 in ('executed','failed') then null else claim_id end,
                  claimed_at = case when $2 in ('executed','failed') then null else claimed_at end,
                  claim_expires_at = case when $2 in ('executed','failed') then null else claim_expires_at end,
                  execution_attempts = case when $2 in ('executed','failed') then execution_attempts + 1 else execution_attempts end,
                  updated_at = now()
            where id = $1 returning *`,
  expire: `update receipts
              set status = 'cancelled', approval_status = 'expired',
                  approval = approval || jsonb_build_object('status', 'expired', 'expiredAt', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
                  updated_at = now()
            where decision_outcome = 'require_approval' and status = 'pending' and approval_status = 'pending'
              and approval->>'expiresAt' is not null and (approval->>'expiresAt')::timestamptz <= now()`,
  rekor: "update receipts set rekor_entry_id = $2, updated_at = now() where id = $1",
};

interface Change {
  status?: string;
  approval?: Record<string, unknown> | null;
  approvalStatus?: string | null;
  execution?: unknown;
  result?: unknown;
  error?: unknown;
}

const claim = (id: string, ttl = "30 s", client = app) => client.query(statements.claim, [id, randomUUID(), ttl]);

const update = async (id: string, change: Change, client = app) => {
  const { rows } = await client.query<Record<string, unknown>>("select * from receipts where id = $1", [id]);
  const row = rows[0] ?? {};
  const json = (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value));
  return client.query(statements.update, [
    id,
    change.status ?? row["status"],
    json(change.approval === undefined ? row["approval"] : change.approval),
    change.approvalStatus === undefined ? row["approval_status"] : change.approvalStatus,
    json(change.execution ?? row["execution"]),
    json(change.result ?? row["result"]),
    json(change.error ?? row["error"]),
  ]);
};

const answer = (id: string, status: string, cancel = status !== "approved") =>
  update(id, {
    ...(cancel ? { status: "cancelled" } : {}),
    approval: { status, respondedAt: "2026-11-02T00:00:00.000Z" },
    approvalStatus: status,
  });

const stored = async (values: Partial<NewReceipt> = {}): Promise<string> => {
  const [receipt] = await insertReceipts(app, [newReceipt(values)]);
  return receipt?.id ?? "";
};

const message = (query: Promise<unknown>): Promise<string> =>
  query.then(
    () => "accepted",
    (error: unknown) => (error instanceof pg.DatabaseError && error.code === "23000" ? error.message : String(error)),
  );

/** Every fault in the chains of changes and in the states they lead to, found without a function of the database's. */
async function historyFaults(): Promise<string[]> {
  const { rows: changes } = await auditor.query<HistoryRow>(`${historyRows} order by agent, seq`);
  const faults: string[] = [];
  const ends = new Map<string, { seq: bigint; seal: Buffer }>();
  const states = new Map<string, Record<string, unknown>>();
  const { rows: receipts } = await auditor.query<{
    id: string;
    birth: Record<string, unknown>;
    now: Record<string, unknown>;
  }>(
    `select id, audit.birth_state(decision_outcome, created_at) as birth,
            audit.receipt_state(status, approval, approval_status, execution, result, error, updated_at,
                                claim_id, claimed_at, claim_expires_at, execution_attempts, rekor_entry_id) as now
       from receipts`,
  );
  for (const receipt of receipts) states.set(receipt.id, receipt.birth);
  for (const change of changes) {
    const last = ends.get(change.agent) ?? { seq: 0n, seal: Buffer.alloc(0) };
    if (BigInt(change.seq) !== last.seq + 1n) faults.push(`${change.agent} ${change.seq}: follows ${last.seq}`);
    if (!change.seal.equals(expectedHistorySeal(change, last.seal))) faults.push(`${change.agent} ${change.seq}: seal`);
    ends.set(change.agent, { seq: BigInt(change.seq), seal: change.seal });
    const state = states.get(change.receipt_id) ?? {};
    const [before, after] = [JSON.parse(change.before), JSON.parse(change.after)] as Record<string, unknown>[];
    for (const [column, value] of Object.entries(before ?? {}))
      if (JSON.stringify(value) !== JSON.stringify(state[column]))
        faults.push(`${change.seq}: ${column} was otherwise`);
    states.set(change.receipt_id, { ...state, ...after });
  }
  for (const receipt of receipts)
    for (const [column, value] of Object.entries(receipt.now))
      if (JSON.stringify(value) !== JSON.stringify(states.get(receipt.id)?.[column]))
        faults.push(`receipt ${receipt.id}: ${column} is not what its changes lead to`);
  const { rows: heads } = await auditor.query<{ agent: string; seq: string; seal: Buffer }>(
    "select * from audit.history_heads",
  );
  for (const head of heads)
    if (BigInt(head.seq) !== (ends.get(head.agent)?.seq ?? 0n)) faults.push(`${head.agent}: head`);
  return faults;
}

// Whatever a test does, both chains are whole after it, and explain the state of every receipt.
afterEach(async () => {
  expect(await chainFaults(auditor)).toEqual([]);
  expect(await historyFaults()).toEqual([]);
});

const history = async () =>
  (
    await auditor.query<{ changed_by: string; application: string; before: object; after: Record<string, unknown> }>(
      "select changed_by, application, before, after from audit.receipt_history order by agent, seq",
    )
  ).rows;

describe("the record", () => {
  it("says who changed what from what to what, and only what changed", async () => {
    const client = await database.connect(roles.app);
    await client.query("set application_name = 'control-plane-7'");
    const id = await stored({ created_at: "2026-11-01T00:00:00.000Z" });
    await client.query(
      "update receipts set rekor_entry_id = 'r-1', updated_at = '2026-11-02T00:00:00Z' where id = $1",
      [id],
    );
    await client.query("update receipts set execution = $2 where id = $1", [id, { a: [1, null] }]);
    expect(await history()).toEqual([
      {
        changed_by: roles.app,
        application: "control-plane-7",
        before: { rekor_entry_id: null, updated_at: "2026-11-01T00:00:00" },
        after: { rekor_entry_id: "r-1", updated_at: "2026-11-02T00:00:00" },
      },
      {
        changed_by: roles.app,
        application: "control-plane-7",
        before: { execution: null },
        after: { execution: { a: [1, null] } },
      },
    ]);
  });

  it("names the role that logged in, even behind SET ROLE", async () => {
    const id = await stored();
    const root = await database.connect(superuser);
    await root.query(`set role ${roles.app}`);
    await root.query(statements.rekor, [id, "x"]);
    expect((await history()).map((row) => row.changed_by)).toEqual([superuser]);
  });

  it.each([
    ["execution_attempts", 2],
    ["rekor_entry_id", "entry-1"],
  ])("has a first row of a receipt that is born with nothing unusual but its %s", async (column, value) => {
    await app.query("select from audit.insert_receipts($1)", [JSON.stringify([{ ...newReceipt(), [column]: value }])]);
    expect((await history()).map(({ after }) => after)).toEqual([{ [column]: value }]);
  });

  it("is never of an earlier time than the one before it, where the server's clock has gone back", async () => {
    const [receipt] = await insertReceipts(app, [newReceipt()]);
    await claim(receipt!.id);
    const owner = await database.connect(roles.owner);
    await owner.query("update audit.history_heads set changed_at = now() + interval '1 hour'");
    await update(receipt!.id, { result: { late: true } });
    const { rows } = await auditor.query(
      "select seq::int, changed_at > now() + interval '59 minutes' as ahead from audit.receipt_history order by seq",
    );
    expect(rows).toEqual([
      { seq: 1, ahead: false },
      { seq: 2, ahead: true },
    ]);
    expect(await chainFaults(auditor)).toEqual([]);
  });

  it("is silent about a receipt born plain and about an update that changes nothing", async () => {
    await stored();
    await stored({ decision_outcome: "deny" });
    await app.query("update receipts set status = status, approval = approval");
    expect(await history()).toEqual([]);
  });

  it("begins with the approval that was asked for, and with the past of an imported receipt", async () => {
    await stored({ decision_outcome: "require_approval" });
    await stored({ status: "executed" });
    expect((await history()).map((row) => row.after)).toEqual([
      { approval: { status: "pending", requestedAt: "2026-11-01T00:00:00.000Z" }, approval_status: "pending" },
      { status: "executed" },
    ]);
  });

  it("is sealed the same under any encoding and time zone", async () => {
    const id = await stored();
    const client = await database.connect(roles.app);
    await client.query("set client_encoding = latin1; set timezone = 'America/St_Johns'; set datestyle = 'sql, dmy'");
    await client.query(
      `update receipts set result = jsonb_build_object('a', U&'\\2603'), claim_id = gen_random_uuid(), claimed_at = now(), claim_expires_at = 'infinity'`,
    );
    await claim(id);
    expect(await history()).toHaveLength(1);
  });

  it.each([
    ["adds", "insert into audit.receipt_history select * from audit.receipt_history"],
    ["changes", "update audit.receipt_history set after = '{}'"],
    ["removes", "delete from audit.receipt_history"],
    ["empties", "truncate audit.receipt_history"],
    ["moves the head of", "update audit.history_heads set seq = 0"],
  ])("the application %s nothing in the history", async (_, sql) => {
    await stored({ decision_outcome: "require_approval" });
    await expect(app.query(sql)).rejects.toMatchObject({ code: "42501" });
  });
});

describe("a receipt's life", () => {
  it("runs from claim to executed, and to failed", async () => {
    for (const status of ["executed", "failed"]) {
      const id = await stored();
      expect((await claim(id)).rowCount).toBe(1);
      await update(id, { status, execution: { durationMs: 1 }, result: { ok: true } });
    }
    expect((await history()).map((row) => row.after["status"])).toEqual([undefined, "executed", undefined, "failed"]);
  });

  it("with an approval: approved, re-evaluated at claim time, claimed, executed", async () => {
    const id = await stored({ decision_outcome: "require_approval" });
    await answer(id, "approved");
    await answer(id, "approved");
    expect((await claim(id)).rowCount).toBe(1);
    await update(id, {
      approval: { status: "approved", respondedAt: "2026-11-02T00:00:00.000Z", reEvaluatedAt: "now" },
    });
    await update(id, { status: "executed" });
    expect(await history()).toHaveLength(6);
  });

  it("rejected and expired come with cancelled; an approved one may be cancelled, claimed or not", async () => {
    await answer(await stored({ decision_outcome: "require_approval" }), "rejected");
    await answer(await stored({ decision_outcome: "require_approval" }), "expired");
    const approved = await stored({ decision_outcome: "require_approval" });
    await answer(approved, "approved");
    await claim(approved);
    await update(approved, { status: "cancelled", approval: { status: "approved", toctouReason: "policy changed" } });
    await update(await stored(), { status: "cancelled" });
    expect((await app.query("select status from receipts where status <> 'cancelled'")).rows).toEqual([]);
  });

  it("the background expiry, also where somebody has put an impossible value into a sealed column", async () => {
    const expired = { status: "pending", expiresAt: "2026-11-01T00:00:00.000Z" };
    const id = await stored({ decision_outcome: "require_approval", approval: expired });
    await stored({ decision_outcome: "require_approval", approval: expired, actor_id: "agent-2" });
    const attacker = await database.connect(superuser);
    await attacker.query("set session_replication_role = replica");
    const tamper = (tool: string) => attacker.query("update receipts set tool_name = $2 where id = $1", [id, tool]);
    await tamper("x".repeat(2000));
    expect((await app.query(statements.expire)).rowCount).toBe(2);
    await tamper("http.request"); // as the chain has it
  });

  it("passes an expired claim on, releases one, extends one", async () => {
    const id = await stored();
    await claim(id, "-1 s");
    expect((await claim(id)).rowCount).toBe(1);
    await app.query("update receipts set claim_expires_at = claim_expires_at + interval '1 min' where id = $1", [id]);
    await app.query("update receipts set claim_id = null, claimed_at = null, claim_expires_at = null where id = $1", [
      id,
    ]);
    expect((await claim(id)).rowCount).toBe(1);
  });

  it("the transparency log answers whenever it likes, and results may come late", async () => {
    for (const outcome of ["allow", "deny", "rate_limited", "require_approval"]) {
      const id = await stored({ decision_outcome: outcome });
      await app.query(statements.rekor, [id, "entry-1"]);
      if (outcome === "allow") await update(id, { status: "cancelled" });
      await app.query(statements.rekor, [id, "entry-2"]);
      await update(id, { result: { late: true } });
    }
    expect((await app.query("select from receipts where rekor_entry_id = 'entry-2'")).rowCount).toBe(4);
  });

  it("the background loop expires 300 approvals of 30 agents in one statement", async () => {
    await insertReceipts(
      app,
      Array.from({ length: 300 }, (_, i) =>
        newReceipt({
          decision_outcome: "require_approval",
          actor_id: `agent-${(i * 7) % 30}`,
          approval: { status: "pending", expiresAt: "2026-11-01T00:00:00.000Z" },
        }),
      ),
    );
    expect((await app.query(statements.expire)).rowCount).toBe(300);
    expect((await history()).filter((row) => row.after["status"] === "cancelled")).toHaveLength(300);
  });

  it("no receipt can stand in the way of that statement: column and JSON agree, and an expiry is a time", async () => {
    const past = "2026-11-01T00:00:00.000Z";
    const pending = { status: "pending", expiresAt: past };
    const asked = { decision_outcome: "require_approval", approval: pending };
    const problems: [string, unknown, string | null][] = [
      ["its approval says approved, its approval_status is pending", { ...pending, status: "approved" }, "pending"],
      ["its approval says expired, its approval_status is pending", { ...pending, status: "expired" }, "pending"],
      ["its approval says pending, its approval_status is none", pending, null],
      ["its approval says pending, its approval_status is approved", pending, "approved"],
      ["its approval says waiting, its approval_status is pending", { status: "waiting" }, "pending"],
      ['invalid input syntax for type timestamp with time zone: "soon"', { ...pending, expiresAt: "soon" }, "pending"],
    ];
    for (const [problem, approval, approval_status] of problems) {
      const born = insertReceipts(app, [newReceipt({ ...asked, approval, approval_status })]);
      await expect(born, problem).rejects.toThrow(problem);
      if (approval_status === null) continue;
      const changed = update(await stored(asked), {
        approval: approval as Record<string, unknown>,
        approvalStatus: approval_status,
      });
      await expect(changed, problem).rejects.toThrow(problem);
    }
    const alone = "update receipts set approval_status = 'approved' where id = $1";
    expect(await message(app.query(alone, [await stored(asked)]))).toMatch(/its approval says pending/);

    // Answers of several, one by one: the status stays pending in both until the last.
    const id = await stored(asked);
    for (const given of [1, 2]) await update(id, { approval: { ...pending, responses: Array(given).fill("approve") } });
    // An approval without a status, or none, is one the control plane reads from the column.
    await stored({ ...asked, approval: { expiresAt: past } });
    await stored({ ...asked, approval: null });
    const { rows } = await app.query<{ n: number }>(
      "select count(*)::int as n from receipts where approval ->> 'expiresAt' is not null",
    );
    expect((await app.query(statements.expire)).rowCount).toBe(rows[0]?.n);
    expect(await message(update(await stored(), { approval: { status: "approved" } }))).toMatch(
      /approval_status is none/,
    );
  });

  it("final states stay final", async () => {
    for (const end of ["executed", "failed", "cancelled"]) {
      for (const next of ["pending", "executed", "failed", "cancelled", "skipped"]) {
        if (next === end) continue;
        const id = await stored();
        await claim(id);
        await update(id, { status: end });
        expect(await message(update(id, { status: next }))).toBe(
          `the change of receipt ${id} is refused: it is ${end}, which is final: it cannot become ${next}`,
        );
      }
    }
  });

  it("what was denied never runs", async () => {
    for (const decision_outcome of ["deny", "rate_limited"]) {
      const id = await stored({ decision_outcome });
      for (const status of ["pending", "executed", "failed", "cancelled"])
        expect(await message(update(id, { status }))).toMatch(/it is skipped, which is final/);
      expect((await claim(id)).rowCount).toBe(0);
      expect(
        await message(
          app.query("update receipts set claim_id = id, claimed_at = now(), claim_expires_at = now() where id = $1", [
            id,
          ]),
        ),
      ).toMatch(/only a pending receipt can be claimed/);
    }
    const odd = await stored({ decision_outcome: "deny", status: "pending" });
    await claim(odd);
    expect(await message(update(odd, { status: "executed" }))).toMatch(/its decision is deny/);
  });

  it("nothing runs without a claim, nor without the approval that was required", async () => {
    const id = await stored();
    expect(await message(update(id, { status: "executed" }))).toMatch(/nobody holds its claim/);
    expect(await message(update(id, { status: "skipped" }))).toMatch(
      /becomes executed, failed or cancelled, not skipped/,
    );
    const asked = await stored({ decision_outcome: "require_approval" });
    await claim(asked);
    for (const status of ["executed", "failed"])
      expect(await message(update(asked, { status }))).toMatch(/its approval is pending: it cannot become/);
  });

  it("an answer is not taken back, in the column or in the JSON that the control plane reads", async () => {
    for (const given of ["approved", "rejected", "expired"]) {
      for (const next of ["pending", "approved", "rejected", "expired", null]) {
        if (next === given) continue;
        const id = await stored({ decision_outcome: "require_approval" });
        await answer(id, given);
        const column = app.query("update receipts set approval_status = $2 where id = $1", [id, next]);
        expect(await message(column)).toBe(
          `the change of receipt ${id} is refused: its approval is ${given}, which is final: it cannot become ${next ?? "none"}`,
        );
        expect(await message(update(id, { approval: next === null ? null : { status: next } }))).toMatch(
          /its approval says \w+, which is final/,
        );
      }
    }
    const pending = await stored({ decision_outcome: "require_approval" });
    expect(await message(app.query("update receipts set approval_status = null where id = $1", [pending]))).toMatch(
      /cannot become none/,
    );
  });

  it("a rejection that leaves the receipt running is refused", async () => {
    for (const status of ["rejected", "expired"]) {
      const id = await stored({ decision_outcome: "require_approval" });
      expect(await message(answer(id, status, false))).toMatch(/cancels the receipt/);
    }
  });

  it("a claim that is still held passes to nobody", async () => {
    const id = await stored();
    await claim(id);
    expect((await claim(id)).rowCount).toBe(0);
    expect(await message(app.query("update receipts set claim_id = gen_random_uuid() where id = $1", [id]))).toMatch(
      /its claim is held by another until/,
    );
    expect(
      await message(
        app.query("update receipts set execution_attempts = 3; update receipts set execution_attempts = 2"),
      ),
    ).toMatch(/cannot go back from 3 to 2/);
  });

  it("one illegal row refuses the whole statement", async () => {
    const [a, b] = [await stored({ created_at: "2026-11-01T00:00:00.000Z" }), await stored()];
    await update(b, { status: "cancelled" });
    await expect(app.query("update receipts set status = 'pending', rekor_entry_id = 'x'")).rejects.toMatchObject({
      code: "23000",
    });
    expect((await app.query("select from receipts where rekor_entry_id = 'x'")).rowCount).toBe(0);
    expect(a).not.toBe(b);
  });

  it.each([
    "id = gen_random_uuid()",
    "envelope_id = gen_random_uuid()",
    "decision_outcome = 'deny'",
    "tool_name = 'x'",
    "tool_name = null",
    "actor_id = 'x'",
    "actor_id = null",
    "envelope = '{}'",
    "decision = '{}'",
    "created_at = created_at + interval '1 us'",
    "created_at = created_at - interval '1 year'",
    "parent_receipt_id = gen_random_uuid()",
    "chain_seq = 9",
    "chain_seal = '\\x00'",
    "sealed_at = created_at",
    "receipt_hash = repeat('0', 64)",
    "prev_receipt_hash = repeat('0', 64)",
  ])("even the owner does not rewrite what is sealed: %s", async (assignment) => {
    const id = await stored();
    const owner = await database.connect(roles.owner);
    expect(await message(owner.query(`update receipts set ${assignment}`))).toBe(
      `the change of receipt ${id} is refused: what was decided and sealed never changes`,
    );
    const { rows } = await owner.query<{ tile: string }>("select tableoid::regclass::text as tile from receipts");
    expect(await message(owner.query(`update ${rows[0]?.tile ?? ""} set ${assignment}`))).toMatch(
      /never changes|partition constraint/,
    );
  });
});

describe("at once", () => {
  it("two expiry loops, approvals and claims on the same receipts end in no deadlock", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 120; i++)
      ids.push(
        await stored({
          decision_outcome: "require_approval",
          actor_id: `agent-${i % 6}`,
          approval: { status: "pending", expiresAt: i % 2 ? "2026-11-01T00:00:00.000Z" : "2036-11-01T00:00:00.000Z" },
        }),
      );
    const clients = await Promise.all(Array.from({ length: 8 }, () => database.connect(roles.app)));
    const problems: string[] = [];
    const attempt = (query: Promise<unknown>) =>
      query.catch((error: unknown) => {
        const code = error instanceof pg.DatabaseError ? error.code : String(error);
        // Refused because it expired meanwhile: as it should be.
        if (code !== "23000") problems.push(String(code));
      });
    await Promise.all([
      ...clients.slice(0, 3).map((client) => attempt(client.query(statements.expire))),
      ...clients.slice(3).map(async (client, c) => {
        for (let i = c; i < ids.length; i += 5) {
          const id = ids[i] ?? "";
          await attempt(update(id, { approval: { status: "approved" }, approvalStatus: "approved" }, client));
          await attempt(claim(id, "30 s", client));
          await attempt(update(id, { status: "executed" }, client));
        }
      }),
    ]);
    expect(problems).toEqual([]);
    expect((await app.query("select from receipts where approval_status = 'pending'")).rowCount).toBe(0);
  });

  it("of many that answer, claim or finish the same receipt, one wins", async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => database.connect(roles.app)));
    const id = await stored();
    const claims = await Promise.all(clients.map((client) => claim(id, "30 s", client)));
    expect(claims.filter((result) => result.rowCount === 1)).toHaveLength(1);
    await Promise.allSettled(clients.map((client, i) => update(id, { status: i % 2 ? "executed" : "failed" }, client)));
    const ends = (await history()).filter((row) => "status" in row.after);
    expect(ends).toHaveLength(1);
  });
});
