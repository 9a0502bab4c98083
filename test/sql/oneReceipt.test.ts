/** One receipt and its proof: whole as it is stored, and each tampering named. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { readReceipt } from "../../ops/verify/oneReceipt";
import { startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let auditor: pg.Client;
const ids: string[] = [];

beforeAll(async () => {
  server = await startPostgres();
  database = await server.createDatabase({ migrated: true });
  const app = await database.connect(roles.app);
  for (const actor_id of ["a", null])
    for (let i = 0; i < 3; i++) {
      const receipt = newReceipt({
        actor_id,
        envelope: { action: { resource: "<img onerror>" }, big: 12345678901234567890n.toString() },
      });
      ids.push(receipt.id);
      await insertReceipts(app, [receipt]);
    }
  await app.query("update receipts set rekor_entry_id = 'x', updated_at = now() where id = $1", [ids[1]]);
  await app.query("update receipts set rekor_entry_id = 'y', updated_at = now() where id = $1", [ids[1]]);
  await app.end();
  auditor = await database.connect(roles.auditor);
});
afterAll(async () => {
  await auditor.end();
  await server.stop();
});

const proof = async (id: string) => {
  const found = await readReceipt(auditor, id);
  return Object.fromEntries(found!.checks.map(({ of, holds }) => [of, holds]));
};
const whole = { seal: true, link: true, state: true };

/** As the superuser, whom nothing stops; taken back after `look`. */
async function tampered(sql: string, look: () => Promise<void>): Promise<void> {
  const root = await database.connect(superuser);
  await root.query("set session_replication_role = replica");
  await root.query("create table public.kept as select * from public.receipts");
  await root.query("create table public.kept_history as select * from audit.receipt_history");
  try {
    await root.query(sql);
    await look();
  } finally {
    await root.query("delete from public.receipts; insert into public.receipts select * from public.kept");
    await root.query(
      "delete from audit.receipt_history; insert into audit.receipt_history select * from public.kept_history",
    );
    await root.query("drop table public.kept, public.kept_history");
    await root.end();
  }
}

describe("a receipt", () => {
  it("is whole at the beginning, in the middle and at the end of its chain, of an agent and of none", async () => {
    for (const id of ids) expect(await proof(id)).toEqual(whole);
  });

  it("comes with every column as text, and with its changes in their order", async () => {
    const found = await readReceipt(auditor, ids[1]!);
    expect(found?.columns["envelope"]).toContain('"12345678901234567890"');
    expect(found?.columns).toMatchObject({ id: ids[1], actor_id: "a", chain_seq: "2" });
    const ends = found?.changes.map(({ after, holds }) => [
      (JSON.parse(after) as Record<string, unknown>)["rekor_entry_id"],
      holds,
    ]);
    expect(ends).toEqual([
      ["x", true],
      ["y", true],
    ]);
    expect(found?.checks.at(-1)?.says).toBe("Its 2 recorded changes explain the state it is in.");
  });

  it("that is not here is not found", async () => {
    expect(await readReceipt(auditor, "00000000-0000-0000-0000-000000000000")).toBeUndefined();
  });

  it.each([
    [
      "its document was altered",
      `update public.receipts set envelope = '{}' where id = '$1'`,
      { ...whole, seal: false },
    ],
    [
      "its outcome was altered",
      `update public.receipts set decision_outcome = 'deny', status = 'skipped' where id = '$1'`,
      { ...whole, seal: false },
    ],
    [
      "its state was altered past the history",
      `update public.receipts set status = 'executed' where id = '$1'`,
      { ...whole, state: false },
    ],
    [
      "it was sealed again alone",
      `update public.receipts set chain_seal = sha256('x') where id = '$1'`,
      { ...whole, seal: false, link: false },
    ],
    [
      "the one before it was altered and sealed again",
      `update public.receipts set chain_seal = sha256('x') where actor_id = 'a' and chain_seq = 1`,
      { ...whole, seal: false },
    ],
    [
      "the one after it was taken away",
      `delete from public.receipts where actor_id = 'a' and chain_seq = 3`,
      { ...whole, link: false },
    ],
    [
      "the one before it was taken away",
      `delete from public.receipts where actor_id = 'a' and chain_seq = 1`,
      { ...whole, seal: undefined },
    ],
  ])("is not whole, and says where: %s", async (_, sql, expected) => {
    await tampered(sql.replaceAll("$1", ids[1]!), async () => expect(await proof(ids[1]!)).toEqual(expected));
    expect(await proof(ids[1]!)).toEqual(whole);
  });

  it("whose change was altered shows which change", async () => {
    await tampered(
      `update audit.receipt_history set changed_by = 'somebody' where receipt_id = '${ids[1]}' and seq = 2`,
      async () => {
        const found = await readReceipt(auditor, ids[1]!);
        expect(found?.changes.map(({ holds }) => holds)).toEqual([true, false]);
      },
    );
  });
});
