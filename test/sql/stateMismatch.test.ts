/** Whether a receipt's state is what its recorded changes made of it: everything that is altered by itself, seals aside, is told. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { stateMismatches, type StateMismatch } from "../../ops/verify/stateMismatch";
import { startPostgres, superuser, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";

let server: TestPostgres;
let root: pg.Client;
/** A receipt by how many changes it has; each has a claim, its end, what came late, and more of that. */
const ids: string[] = [];

const changes = [
  `claim_id = gen_random_uuid(), claimed_at = now(), claim_expires_at = now() + interval '1 minute', execution_attempts = 1,
   execution = '{"by": {"name": "worker", "host": "h1"}}'`,
  `status = 'executed', result = '{"rows": [1, 2], "of": {"a": 1, "b": 2}}'`,
  `rekor_entry_id = 'x', result = '{"rows": [1, 2, 3], "of": {"a": 1, "b": 2}}', error = '{"late": {"a": 1, "b": 2}}'`,
  `rekor_entry_id = 'y', error = '{"late": {"a": 1}}'`,
];

beforeAll(async () => {
  server = await startPostgres();
  const database = await server.createDatabase({ migrated: true });
  const app = await database.connect(roles.app);
  for (let many = 0; many <= changes.length; many++) {
    const receipt = newReceipt();
    ids.push(receipt.id);
    await insertReceipts(app, [receipt]);
    for (const change of changes.slice(0, many))
      await app.query(`update receipts set ${change}, updated_at = clock_timestamp() where id = $1`, [receipt.id]);
  }
  await app.end();
  root = await database.connect(superuser);
  await root.query("set session_replication_role = replica; set timezone = 'UTC'");
});
afterAll(() => server.stop());

async function mismatches(tampering?: string): Promise<Pick<StateMismatch, "id" | "problem">[]> {
  await root.query("begin");
  try {
    const { rowCount } = tampering === undefined ? { rowCount: 1 } : await root.query(tampering);
    expect(rowCount, "rows that were altered").toBe(1);
    const { rows } = await root.query<StateMismatch>(stateMismatches(undefined), ["-infinity", "infinity"]);
    return rows.map(({ id, problem }) => ({ id, problem }));
  } finally {
    await root.query("rollback");
  }
}

const columns: Record<string, string> = {
  status: "'cancelled'",
  approval: `'{"status": "approved"}'`,
  approval_status: "'approved'",
  execution: `'{"by": {"name": "worker"}}'`,
  result: `'{"rows": [1, 2], "of": {"a": 1}}'`,
  error: `'{"late": {"b": 2}}'`,
  updated_at: "updated_at + interval '1 microsecond'",
  claim_id: "gen_random_uuid()",
  claimed_at: "'2020-01-01'",
  claim_expires_at: "'2020-01-01'",
  execution_attempts: "7",
  rekor_entry_id: "'forged'",
};

/** Parts of what is recorded; numbers as text, and parts of documents, among them. */
const documents: Record<string, string> = {
  "of a column that has another value": `{"status": "failed"}`,
  "of a number that is text": `{"execution_attempts": "1"}`,
  "of a part of a document": `{"execution": {"by": {"name": "worker"}}}`,
  "of another part of one": `{"result": {"rows": [1, 2]}, "error": {"late": {"a": 1}}}`,
  "of a time": `{"updated_at": "2020-01-01T00:00:00"}`,
  "of a claim": `{"claim_id": "00000000-0000-0000-0000-000000000000", "claimed_at": "2020-01-01T00:00:00"}`,
  "of no column that there is": `{"unheard": 1}`,
};

describe("what was recorded of receipts", () => {
  it("explains those that changed not at all, once, twice and more often", async () => {
    expect(await mismatches()).toEqual([]);
  });

  describe.each([0, 1, 2, 3, 4])("of one that changed %s times", (many) => {
    it.each(Object.entries(columns))("does not explain another %s", async (column, value) => {
      const found = await mismatches(`update receipts set ${column} = ${value} where id = '${ids[many]}'`);
      expect(found).toEqual([{ id: ids[many], problem: "state" }]);
    });
    if (many === 0) return;

    const places = Array.from({ length: many }, (_, i) => i);
    const ofPlace = (place: number) =>
      `receipt_id = '${ids[many]}' and seq = (select seq from audit.receipt_history where receipt_id = '${ids[many]}' order by seq offset ${place} limit 1)`;

    describe.each(Object.entries(documents))("is not itself once it speaks %s", (_what, document) => {
      it.each(places)("in what was before change %s", async (place) => {
        const found = await mismatches(
          `update audit.receipt_history set before = before || '${document}' where ${ofPlace(place)}`,
        );
        expect(found).toEqual([{ id: ids[many], problem: many > 3 ? (expect.any(String) as string) : "before" }]);
      });

      it.each(places)("in what was after change %s", async (place) => {
        const found = await mismatches(
          `update audit.receipt_history set after = after || '${document}' where ${ofPlace(place)}`,
        );
        expect(found.map(({ id }) => id)).toEqual([ids[many]]);
      });
    });

    it.each(places)("is not itself without change %s, or with one that is no object", async (place) => {
      for (const tampering of [
        `delete from audit.receipt_history where ${ofPlace(place)}`,
        `update audit.receipt_history set after = '[]' where ${ofPlace(place)}`,
        `update audit.receipt_history set before = '5' where ${ofPlace(place)}`,
      ])
        expect((await mismatches(tampering)).map(({ id }) => id)).toEqual([ids[many]]);
    });
  });

  it("shows a change of a receipt that is not there", async () => {
    const found = await mismatches(`delete from receipts where id = '${ids[2]}'`);
    expect(found).toEqual([{ id: ids[2], problem: "orphan" }]);
  });
});
