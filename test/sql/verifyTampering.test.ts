import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Anchor } from "../../ops/anchorFormat";
import { takeAnchor } from "../../ops/takeAnchor";
import { findingId } from "../../ops/verify/acknowledgements";
import { maintenanceConnections, roles } from "../../ops/roles";
import { reporters } from "../../ops/verify/told";
import { verify } from "../../ops/verify/verification";
import { startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { madeUpReceipt } from "../madeUp";
import { inLane, insertReceipts, newReceipt } from "../receipts";
import { docsFile, tamperings, withTable, type Tampering } from "./tamperings";

let server: TestPostgres;
let filled: TestDatabase;
beforeAll(async () => {
  server = await startPostgres({ parameters: { wal_level: "logical" } });
  filled = await server.createDatabase({ migrated: true });
  await fill(filled);
  expect((await check(filled)).findings).toEqual([]);
});
afterAll(() => server.stop());

async function fill(database: TestDatabase): Promise<void> {
  const app = await database.connect(roles.app);
  const at = (i: number) => new Date(Date.now() - 600_000 + i * 1000).toISOString();
  for (const actor_id of ["a", "b"])
    await insertReceipts(
      app,
      Array.from({ length: 6 }, (_, i) => newReceipt({ actor_id, created_at: at(i) })),
    );
  for (const lane of [1, 2]) {
    const writer = await inLane(database, lane);
    await insertReceipts(
      writer,
      Array.from({ length: 6 }, (_, i) => newReceipt({ actor_id: "c", created_at: at(i) })),
    );
    await writer.end();
  }
  await app.query("update receipts set result = '{\"n\": 1.0}', updated_at = now() where chain_seq = 3");
  await app.query("update receipts set rekor_entry_id = 'x', updated_at = now() where chain_seq = 2");
  await app.end();
}

async function tamper(database: TestDatabase, { by, sql }: Tampering): Promise<void> {
  const client = await database.connect(by === "owner" ? roles.owner : superuser);
  if (by === "superuser") await client.query("set session_replication_role = replica");
  await client.query(sql);
  await client.end();
}

const check = (database: TestDatabase, anchors: Anchor[] = [], from?: Anchor) =>
  verify({
    url: database.url(roles.auditor),
    signal: new AbortController().signal,
    anchors,
    from,
    connections: 1,
    chunk: 4,
    allowEmpty: false,
    expectations: { parameters: {}, monthsAhead: 3, ssl: false, ...deployed },
  });

/** What the migrations begin with, as if a deployment had told it. */
const deployed = {
  connections: { [roles.maintenance]: maintenanceConnections },
  programs: ["drill", ...Object.keys(reporters)],
};

// What a role is or has belongs to the server: taken back after each.
const undo = `
  alter role authensor_app nobypassrls; alter role all reset session_replication_role; alter role authensor_app reset session_replication_role;
  revoke pg_write_all_data from authensor_telemetry; revoke pg_execute_server_program from rds_superuser; revoke authensor_maintenance from authensor_app;
  alter role all reset session_preload_libraries; select pg_drop_replication_slot(slot_name) from pg_replication_slots;
  drop role if exists back_door, rds_ad, rdstopmgr; revoke set on parameter session_replication_role from authensor_app`;

it.each(tamperings.map((tampering): [string, Tampering] => [`${tampering.what}, by the ${tampering.by}`, tampering]))(
  "%s",
  async (_what, tampering) => {
    const database = await server.createDatabase({ copyOf: filled });
    try {
      await tamper(database, tampering);
      const { ok, findings } = await check(database);
      if (typeof tampering.caught === "string") {
        expect(ok).toBe(false);
        expect(findings.map(({ kind }) => kind)).toContain(tampering.caught);
      } else expect(findings).toEqual([]);
    } finally {
      const admin = await database.connect();
      await admin.query(undo);
      await admin.end();
    }
  },
);

it("what alarms believe is put right as the runbook says", async () => {
  const database = await server.createDatabase({ copyOf: filled });
  const owner = await database.connect(roles.owner);
  await owner.query(`insert into audit.program_runs values ('partitions', 'infinity', 'infinity', '');
    update audit.programs set since = null where program = 'partitions'; update audit.connection_limits set connections = 40`);
  expect((await check(database)).findings).toHaveLength(4);
  const placeholders = { program: "partitions", role: roles.maintenance, number: String(maintenanceConnections) };
  const [, sql = ""] = /```sql\n(begin;.*?)```/s.exec(readFileSync("docs/runbooks/trail-broken.md", "utf8")) ?? [];
  await owner.query(sql.replace(/<(\w+)>/g, (_, name: keyof typeof placeholders) => placeholders[name]));
  expect((await check(database)).findings).toEqual([]);
});

it("rows that say they were stored an hour before an anchor that does not know them are found by it, wherever it is begun", async () => {
  const database = await server.createDatabase({ copyOf: filled });
  const auditor = await database.connect(roles.auditor);
  const anchor = { ...(await takeAnchor(auditor)), source: "anchor.json" };
  const app = await database.connect(roles.app);
  await insertReceipts(app, [newReceipt({ actor_id: "a" })]);
  await app.query(
    "update receipts set rekor_entry_id = 'y', updated_at = now() where actor_id = 'b' and chain_seq = 1",
  );
  await tamper(database, {
    what: "",
    by: "superuser",
    sql: madeUpReceipt("ghost", "now() - interval '2 hours'"),
    caught: "disordered",
  });
  const places = async (...how: [Anchor[], Anchor?]) =>
    (await check(database, ...how)).findings.map(({ kind, agent, seq }) => [kind, agent, seq]);
  expect(await places([anchor])).toEqual([["disordered", "ghost", 1]]);
  expect(await places([], anchor)).toEqual([["disordered", "ghost", 1]]);
  // The same anchor, had it been taken later: what came after it would have been stored before it.
  const later = { ...anchor, as_of: new Date(Date.now() + 70 * 60_000).toISOString() };
  const all = [
    ["disordered", "a", 7],
    ["disordered", "b", 3],
    ["disordered", "ghost", 1],
  ];
  expect((await places([later])).sort()).toEqual(all);
  expect(await places([{ ...later, archive: { complete: false } }]), "a manifest without room for all").toEqual([]);
});

it("an alteration that was acknowledged is another finding once the same place is altered again", async () => {
  const database = await server.createDatabase({ copyOf: filled });
  const alter = (decision: string) =>
    tamper(database, {
      what: "",
      by: "superuser",
      sql: `update receipts set decision = '${decision}' where actor_id = 'a' and chain_seq = 4`,
      caught: "altered-column",
    });
  const ids = async () => (await check(database)).findings.map(findingId);
  await alter('{"x": 1}');
  const known = await ids();
  expect(await ids()).toEqual(known);
  await alter('{"x": 2}');
  expect(await ids()).not.toEqual(known);
});

it("a random tampering with any column of any row of the trail ends in a finding", async () => {
  const database = await server.createDatabase({ copyOf: filled });
  const attacker = await database.connect(superuser);
  await attacker.query("set session_replication_role = replica");
  const targets = {
    receipts: [
      "id",
      "envelope_id",
      "tool_name",
      "envelope",
      "decision",
      "sealed_at",
      "chain_seal",
      "receipt_hash",
      "updated_at",
      "error",
      "claim_id",
    ],
    "audit.receipt_history": ["changed_at", "changed_by", "application", "before", "after", "seal", "receipt_id"],
    "audit.chain_heads": ["seq", "seal", "receipt_hash"],
    "audit.history_heads": ["seq", "seal"],
  };
  const value = (column: string) =>
    /id$/.test(column)
      ? "gen_random_uuid()"
      : /_at$/.test(column)
        ? `coalesce(${column}, now()) + interval '1 ms'`
        : /seal$/.test(column)
          ? `sha256(${column})`
          : column === "seq"
            ? "seq + 1"
            : /envelope|decision|error|before|after/.test(column)
              ? `coalesce(${column}, '{}') || '{"forged": 1}'`
              : `coalesce(${column}, '') || 'x'`;
  const tampering = fc
    .constantFrom(
      ...Object.entries(targets).flatMap(([table, columns]) => columns.map((column) => [table, column] as const)),
    )
    .chain(([table, column]) =>
      fc.record({ table: fc.constant(table), column: fc.constant(column), row: fc.nat({ max: 11 }) }),
    );
  const find = async ({ table, column, row }: { table: string; column: string; row: number }) => {
    const { rows } = await attacker.query<{ at: string }>(
      `select ctid::text as at from ${table} order by 1 offset ${row} limit 1`,
    );
    if (!rows[0]) return;
    await attacker.query(`drop table if exists pg_temp.kept; create temp table kept as table ${table}`);
    const where =
      table === "receipts" ? `and tableoid = (select tableoid from receipts where ctid = '${rows[0].at}' limit 1)` : "";
    await attacker.query(`update ${table} set ${column} = ${value(column)} where ctid = '${rows[0].at}' ${where}`);
    const { ok } = await check(database);
    await attacker.query(`delete from ${table}; insert into ${table} select * from pg_temp.kept`);
    expect([table, column, ok]).toEqual([table, column, false]);
  };
  await fc.assert(fc.asyncProperty(tampering, find), { seed: 4711, numRuns: 40 });
  expect((await check(database)).ok).toBe(true);
});

it("docs/verification.md lists every one of them; if not, run `npm run tamperings`", () => {
  const docs = readFileSync(docsFile, "utf8");
  expect(docs).toBe(withTable(docs));
});
