/** Every error that a writer of receipts can meet, tried; docs/chain.md has this table, row by row. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { chainFaults, insertReceipts, newReceipt, storeReceipts } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let app: pg.Client;

beforeAll(async () => {
  server = await startPostgres({ parameters: { max_connections: "300", deadlock_timeout: "100ms" } });
});
afterAll(() => server.stop());
beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  app = await database.connect(roles.app);
});

/** Settles to the SQLSTATE of an error, or "none". */
const code = (query: Promise<unknown>): Promise<string> =>
  query.then(
    () => "none",
    (error: unknown) => (error instanceof pg.DatabaseError ? (error.code ?? "?") : String(error)),
  );

const insert = (envelope: string, more: Record<string, string> = {}) =>
  app.query(
    `insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision${Object.keys(more)
      .map((name) => `, ${name}`)
      .join("")})
     values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', $1, '{}'${Object.keys(more)
       .map((_, i) => `, $${i + 2}`)
       .join("")})`,
    [envelope, ...Object.values(more)],
  );

/** Another transaction that holds the head of agent-1. */
async function holdHead(): Promise<pg.Client> {
  const holder = await database.connect(roles.app);
  await holder.query("begin");
  await storeReceipts(holder, [newReceipt()]);
  return holder;
}

const asked = (approval: object) => newReceipt({ decision_outcome: "require_approval", approval });

interface ClientError {
  codes: string[];
  when: string;
  then: string;
  /** Meets each of the codes, in their order. */
  meet: () => Promise<string[]>;
}

const errors: ClientError[] = [
  {
    codes: ["40P01"],
    when: "two transactions write receipts of the same two agents in opposite order; an unsorted batch is enough (`audit.insert_receipts` never does)",
    then: "nothing is half done: send the whole transaction again, with the same ids, a batch by `audit.insert_receipts` or sorted by `actor_id`",
    meet: async () => {
      await storeReceipts(app, [newReceipt({ actor_id: "x" }), newReceipt({ actor_id: "y" })]);
      const other = await database.connect(roles.app);
      await app.query("begin");
      await other.query("begin");
      await storeReceipts(app, [newReceipt({ actor_id: "x" })]);
      await storeReceipts(other, [newReceipt({ actor_id: "y" })]);
      const met = await Promise.all([
        code(storeReceipts(app, [newReceipt({ actor_id: "y" })]).finally(() => app.query("commit"))),
        code(storeReceipts(other, [newReceipt({ actor_id: "x" })]).finally(() => other.query("commit"))),
      ]);
      return met.filter((state) => state !== "none");
    },
  },
  {
    codes: ["40001"],
    when: "REPEATABLE READ or SERIALIZABLE, and a head that moved",
    then: "the same",
    meet: async () => {
      await storeReceipts(app, [newReceipt()]);
      await app.query("begin isolation level repeatable read; select from receipts");
      await storeReceipts(await database.connect(roles.app), [newReceipt()]);
      const met = await code(storeReceipts(app, [newReceipt()]));
      await app.query("rollback");
      return [met];
    },
  },
  {
    codes: ["55P03"],
    when: "another transaction has held the agent's head, or the receipt, for longer than `lock_timeout`",
    then: "the same, a little later; should it last, look for who holds it (`pg_blocking_pids`)",
    meet: async () => {
      const holder = await holdHead();
      await app.query("set lock_timeout = '50ms'");
      const met = await code(storeReceipts(app, [newReceipt()]));
      await holder.query("rollback");
      return [met];
    },
  },
  {
    codes: ["57014"],
    when: "the statement took longer than `statement_timeout`, or was cancelled",
    then: "nothing is stored: retry",
    meet: async () => {
      const holder = await holdHead();
      await app.query("set lock_timeout = 0; set statement_timeout = '50ms'");
      const met = await code(storeReceipts(app, [newReceipt()]));
      await holder.query("rollback");
      await app.query("set statement_timeout = 0");
      return [met];
    },
  },
  {
    codes: ["25P03"],
    when: "the transaction was left idle for longer than `idle_in_transaction_session_timeout`; the connection is closed",
    then: "nothing of it is stored: retry on a new connection",
    meet: async () => {
      const idle = await database.connect(roles.app);
      const ended = new Promise<string>((resolve) =>
        idle.once("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message)),
      );
      await idle.query("set idle_in_transaction_session_timeout = '50ms'; begin");
      return [await ended];
    },
  },
  {
    codes: ["57P01"],
    when: "the server is restarted, or an administrator ends the connection",
    then: "it is not known whether a COMMIT on its way was done: look for the id (`find_receipt`), then retry with the same one",
    meet: async () => {
      const { rows } = await app.query<{ pid: number }>("select pg_backend_pid() as pid");
      const met = code(app.query("select pg_sleep(10)"));
      await (await database.connect()).query("select pg_terminate_backend($1)", [rows[0]?.pid]);
      app = await database.connect(roles.app);
      return [await met];
    },
  },
  {
    codes: ["53200"],
    when: "the server has no lock left: some session holds tens of thousands ([roles.md](roles.md))",
    then: "nothing is stored: retry a second or two later; the monitor ends who holds them",
    meet: async () => {
      const hoarder = await database.connect(roles.auditor);
      await code(hoarder.query("select pg_advisory_lock(g) from generate_series(1, 1000000) g"));
      const met = await code(storeReceipts(app, [newReceipt()]));
      await hoarder.query("select pg_advisory_unlock_all()");
      return [met];
    },
  },
  {
    codes: ["53300"],
    when: "the role, or the server, has no connection left",
    then: "retry later; the pools are sized so that it does not happen (`components/pooling/connectionBudget.ts`)",
    meet: async () => {
      const admin = await database.connect();
      await admin.query(`alter role ${roles.app} connection limit 1`);
      const met = await code(database.connect(roles.app));
      await admin.query(`alter role ${roles.app} connection limit -1`);
      return [met];
    },
  },
  {
    codes: ["25006"],
    when: "the server is a standby, or the session is read only",
    then: "connect to the primary",
    meet: async () => {
      await app.query("set default_transaction_read_only = on");
      const met = await code(storeReceipts(app, [newReceipt()]));
      await app.query("set default_transaction_read_only = off");
      return [met];
    },
  },
  {
    codes: ["23505"],
    when: "the id is taken: a retry that had succeeded before, or another receipt under the same id",
    then: "compare with the one that is stored: the same is done, another is denied",
    meet: async () => {
      const receipt = newReceipt();
      await storeReceipts(app, [receipt]);
      return [await code(storeReceipts(app, [{ ...receipt, tool_name: "other" }]))];
    },
  },
  {
    codes: ["55000", "42P10"],
    when: "`INSERT … ON CONFLICT`, without and with columns: it would seal a row and then skip it, which is a gap; the key is deferrable for this reason",
    then: "a plain INSERT",
    meet: async () => {
      await storeReceipts(app, [newReceipt()]);
      const columns = "id, envelope_id, status, decision_outcome, envelope, decision";
      const again = `insert into receipts (${columns}) select ${columns} from receipts`;
      return [
        await code(app.query(`${again} on conflict do nothing`)),
        await code(app.query(`${again} on conflict (id) do nothing`)),
      ];
    },
  },
  {
    codes: ["23514"],
    when: "an unknown outcome, status or approval status, negative attempts, a claim without `claim_expires_at`, an expiry without `claimed_at`",
    then: "deny",
    meet: async () => [await code(storeReceipts(app, [newReceipt({ status: "unknown" })]))],
  },
  {
    codes: ["23514"],
    when: "`actor_id` or `tool_name` of more than 1024 bytes of UTF-8: they are in indexes, whose rows are bounded. The error names column, length and bound. Nothing is ever cut off to fit: it would no longer be what was decided",
    then: "deny",
    meet: async () => [await code(storeReceipts(app, [newReceipt({ tool_name: "x".repeat(1025) })]))],
  },
  {
    codes: ["23514"],
    when: "`actor_id` with the control character U+001F, which stands in the name of a lane before its number",
    then: "deny",
    meet: async () => [await code(insert("{}", { actor_id: "agent-1\u001f1" }))],
  },
  {
    codes: ["23514"],
    when: "a document (`envelope`, `decision`, `approval`, `execution`, `result`, `error`) of more than 1,048,576 bytes as PostgreSQL prints it; the error names column, size and bound",
    then: "deny; a result or an error is to be cut by who reports it",
    meet: async () => [await code(storeReceipts(app, [newReceipt({ envelope: { a: "x".repeat(1_048_576) } })]))],
  },
  {
    codes: ["23514"],
    when: "`created_at` more than 15 minutes before or 5 minutes after it is sealed, without `audit.open_import`",
    then: "deny; set the client's clock",
    meet: async () => [await code(storeReceipts(app, [newReceipt({ created_at: "2019-01-01T00:00:00Z" })]))],
  },
  {
    codes: ["23502"],
    when: "a required column is NULL",
    then: "deny",
    meet: async () => [
      await code(
        app.query(
          "insert into receipts (id, envelope_id, status, decision_outcome, envelope) values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', '{}')",
        ),
      ),
    ],
  },
  {
    codes: ["23000"],
    when: "`approval ->> 'status'` is not `approval_status`; or an update that a receipt's life does not allow (below)",
    then: "deny",
    meet: async () => [await code(storeReceipts(app, [asked({ status: "approved" })]))],
  },
  {
    codes: ["22007", "22008"],
    when: "`approval ->> 'expiresAt'` is not a time",
    then: "deny",
    meet: async () => [
      await code(storeReceipts(app, [asked({ status: "pending", expiresAt: "never" })])),
      await code(storeReceipts(app, [asked({ status: "pending", expiresAt: "2026-13-45T00:00:00Z" })])),
    ],
  },
  {
    codes: ["42501"],
    when: "a write that the role has no right to: an update of a sealed column, an INSERT that names `chain_seq`, `chain_seal` or `sealed_at`, a DELETE",
    then: "deny",
    meet: async () => [await code(app.query("update receipts set envelope = '{}'"))],
  },
  {
    codes: ["22023"],
    when: "a batch that is no JSON array of objects, or an object with a key that is no column of receipts; the error names the item and the key",
    then: "mend the program that makes the batch; deny",
    meet: async () => [await code(app.query(`select from audit.insert_receipts('[{"toolName": "x"}]')`))],
  },
  {
    codes: ["22021"],
    when: "text with a zero byte",
    then: "deny",
    meet: async () => [await code(insert("{}", { actor_id: "a\0b" }))],
  },
  {
    codes: ["22P05"],
    when: "JSON with `\\u0000`",
    then: "deny",
    meet: async () => [await code(insert(String.raw`{"a": "\u0000"}`))],
  },
  {
    codes: ["22P02"],
    when: "JSON with half a surrogate pair (`\\ud800`), or that is none; an id that is no uuid",
    then: "deny",
    meet: async () => [await code(insert(String.raw`{"a": "\ud800"}`))],
  },
  {
    codes: ["22003"],
    when: "JSON with a number beyond `numeric` (`1e999999`)",
    then: "deny",
    meet: async () => [await code(insert('{"a": 1e999999}'))],
  },
  {
    codes: ["54001"],
    when: "JSON nested deeper than `max_stack_depth` allows (some thousands of levels)",
    then: "deny",
    meet: async () => [await code(insert(`${"[".repeat(1e6)}${"]".repeat(1e6)}`))],
  },
];

describe("a writer meets, and leaves the chains whole:", () => {
  it.each(errors.map((error) => [error.codes.join(", "), error.when, error] as const))(
    "%s, %s",
    async (_codes, _when, error) => {
      expect(await error.meet()).toEqual(error.codes);
      await insertReceipts(app, [newReceipt({ id: randomUUID() })]);
      expect(await chainFaults(await database.connect(roles.auditor))).toEqual([]);
    },
  );
});

it("docs/chain.md has the same table", () => {
  const doc = readFileSync(join(__dirname, "../../docs/chain.md"), "utf8");
  const [, after] = doc.split("**Errors a client can meet.**");
  const table = (after ?? "")
    .split("\n")
    .filter(
      (line, i, lines) =>
        line.startsWith("| `") && lines.slice(0, i).every((before) => before === "" || before.startsWith("|")),
    );
  expect(table).toEqual(
    errors.map(({ codes, when, then }) => `| ${codes.map((state) => `\`${state}\``).join(", ")} | ${when} | ${then} |`),
  );
});
