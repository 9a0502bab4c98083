import { writeFileSync } from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { Anchor } from "../../ops/anchorFormat";
import { anchorDigest } from "../../ops/anchorFormat";
import { takeManifests } from "../../ops/manifest";
import { roles } from "../../ops/roles";
import { takeAnchor } from "../../ops/takeAnchor";
import type { Report } from "../../ops/verify/report";
import type { Request } from "../../ops/verify/request";
import { verify } from "../../ops/verify/verification";
import { tile } from "../months";
import { startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt } from "../receipts";
import { runOps } from "./programs";

let server: TestPostgres;
let database: TestDatabase;
let app: pg.Client;
let owner: pg.Client;
let auditor: pg.Client;
let attacker: pg.Client;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  second = 0;
  database = await server.createDatabase({ migrated: true });
  [app, owner, auditor, attacker] = await Promise.all([
    database.connect(roles.app),
    database.connect(roles.owner),
    database.connect(roles.auditor),
    database.connect(superuser),
  ]);
  await attacker.query("set session_replication_role = replica");
});

const check = (more: Partial<Request> = {}): Promise<Report> =>
  verify({
    url: database.url(roles.auditor),
    signal: new AbortController().signal,
    anchors: [],
    connections: 2,
    chunk: 5,
    allowEmpty: false,
    ...more,
  });

const kinds = (report: Report) => report.findings.map(({ kind, agent, seq }) => [kind, agent, seq]);
const anchor = async (source: string): Promise<Anchor> => ({ ...(await takeAnchor(auditor)), source });
let second = 0;
/** Receipts a second apart, so that chunks can end between any two. */
const receipts = (count: number, values = {}) =>
  insertReceipts(
    app,
    Array.from({ length: count }, () =>
      newReceipt({ created_at: new Date(Date.now() - 600_000 + 1000 * second++).toISOString(), ...values }),
    ),
  );
const change = (text: string, parameters: unknown[] = []) =>
  app.query(`update receipts set ${text}, updated_at = clock_timestamp() where chain_seq = 2`, parameters);

it("compares documents that are too large to be put together, and many changes, one by one", async () => {
  await receipts(3);
  // More than what is put together, and with its change more than what is sent here: as large as a document may be, and not to compress.
  const large = `(select jsonb_build_object('status', 'x', 'n', i, 'text', string_agg(md5(i * 100000 + g::text::int + random()::text::float8), '')) from generate_series(1, 32766) g, (select $1::int as i) n group by i)`;
  for (let i = 1; i <= 3; i++)
    await change(
      `result = ${large.replace("random()::text::float8", "0").replace("i * 100000 + g::text::int + 0", "(i * 100000 + g)::text")}`,
      [i],
    );
  for (let i = 1; i <= 5; i++) await change(`rekor_entry_id = 'entry ${i}'`);
  expect((await check()).findings).toEqual([]);
  expect((await check({ chunk: 1000 })).findings).toEqual([]);

  await attacker.query("update receipts set result = jsonb_set(result, '{n}', '7') where chain_seq = 2");
  expect((await check()).first).toMatchObject({ kind: "altered-column", seq: 2, columns: ["result"] });
  await attacker.query("update receipts set result = jsonb_set(result, '{n}', '3'), error = '{}' where chain_seq = 2");
  expect((await check()).first).toMatchObject({ kind: "altered-column", seq: 2, columns: ["error"] });
  await attacker.query("update receipts set error = null where chain_seq = 2");
  await attacker.query("update audit.receipt_history set before = jsonb_set(before, '{result,n}', '9') where seq = 3");
  // Its seal no longer follows, which the server is asked about, and it starts from what was not there.
  const found = kinds(await check());
  expect(found).toContainEqual(["altered-history", "agent-1", 3]);
  expect((await check()).findings.map(({ message }) => message).join()).toMatch(/does not follow.*starts from what/);
  await attacker.query("update audit.receipt_history set before = jsonb_set(before, '{result,n}', '2') where seq = 3");

  // The first of a chunk, too large to be sent: whether it follows is asked of the server.
  await app.query(
    `update receipts set result = p.result, updated_at = clock_timestamp() from receipts p where receipts.chain_seq = 3 and p.chain_seq = 2`,
  );
  expect((await check({ chunk: 1 })).findings).toEqual([]);
  await attacker.query("update audit.receipt_history set changed_by = 'nobody' where seq = 9");
  expect(kinds(await check({ chunk: 1 }))).toContainEqual(["altered-history", "agent-1", 9]);
});

it("narrows down what the server cannot read, and goes on with the rest", async () => {
  await receipts(12);
  await attacker.query(`alter table ${tile("receipts", 0)} alter column result set storage external`);
  await attacker.query(
    "update receipts set result = (select jsonb_build_object('a', string_agg(md5(g::text), '')) from generate_series(1, 2000) g) where chain_seq = 7",
  );
  const toast = await attacker.query<{ name: string }>(
    "select reltoastrelid::regclass::text as name from pg_class where oid = (select tableoid from receipts where chain_seq = 7)",
  );
  // Its chunks are gone: as a lost page would leave it.
  await attacker.query(`set allow_system_table_mods = on; update pg_class set relkind = 'r' where oid = '${toast.rows[0]?.name}'::regclass;
     delete from ${toast.rows[0]?.name}; update pg_class set relkind = 't' where oid = '${toast.rows[0]?.name}'::regclass`);
  const report = await check({ chunk: 100 });
  expect(report.findings.map(({ kind }) => kind)).toContain("unreadable");
  expect(report.findings.find(({ kind }) => kind === "unreadable")?.message).toMatch(/chunk number/);
  expect(report.verified.receipts).toBe(11);
});

it("shows a month of which receipts or history were archived alone", async () => {
  await receipts(2);
  await owner.query("select audit.detach_month('receipts', audit.month_of(now()))");
  expect((await check({ allowEmpty: true })).findings).toEqual([
    expect.objectContaining({
      kind: "half-archived",
      message: expect.stringContaining("one was archived without the other") as string,
    }),
  ]);
});

it("calls archived months whole only with their manifests: else exit code 3 and their names", async () => {
  await receipts(3, { decision_outcome: "require_approval" });
  const dir = mkdtempSync(join(tmpdir(), "verify-"));
  const { rows } = await owner.query<{ month: string; name: string }>(
    "select to_char(audit.month_of(now()), 'YYYY-MM') as month, to_char(audit.month_of(now()), 'YYYY_MM') as name",
  );
  const { month = "", name = "" } = rows[0] ?? {};
  const env = { DATABASE_URL: database.url(roles.auditor) };
  const file = join(dir, "month.json");
  expect(await runOps("anchor", ["--month", month, "--output", file], env)).toMatchObject({ code: 0, stderr: "" });
  const midway = await anchor("midway");
  await receipts(2);
  await owner.query("select audit.archive_month(audit.month_of(now()))");
  await insertReceipts(app, [newReceipt({ created_at: new Date(Date.now() + 32 * 86_400_000).toISOString() })]).catch(
    () => undefined,
  );

  const without = await runOps("verify", ["--allow-empty"], env);
  expect(without).toMatchObject({ code: 3 });
  expect(without.stderr).toContain(
    `not all could be verified: receipt_history_${name}; receipts_${name}\n  Of months that have left the database give the manifests`,
  );
  // Two more receipts came after the manifest: it does not vouch for what the checkpoint says.
  const early = await runOps("verify", ["--allow-empty", "--manifests", file], env);
  expect(early).toMatchObject({ code: 1 });
  expect(early.stderr).toContain("is not what its manifest says");
  // An anchored place inside of what was archived.
  expect((await check({ allowEmpty: true, anchors: [midway] })).unverified).toContain(
    `receipt 3 of agent "agent-1", archived with receipts_${name}`,
  );
});

it("vouches with a manifest for what was archived", async () => {
  await receipts(3, { decision_outcome: "require_approval" });
  const { rows } = await owner.query<{ month: string }>("select to_char(audit.month_of(now()), 'YYYY-MM') as month");
  const manifests = await takeManifests(auditor, rows[0]?.month ?? "");
  await owner.query("select audit.archive_month(audit.month_of(now()))");
  expect(await check({ allowEmpty: true, manifests })).toMatchObject({ ok: true, unverified: [] });
  // A checkpoint that was made up, with right seals: the manifest of its month does not have it.
  await attacker.query("update audit.checkpoints set last_seal = sha256(last_seal) where chain = 'receipts'");
  const { findings } = await check({ allowEmpty: true, manifests });
  expect(findings.some(({ message }) => message.includes("is not what its manifest says"))).toBe(true);
});

it("shows anchored places before the one that was started from, and those that are gone", async () => {
  await receipts(4);
  const early = await anchor("early");
  await receipts(4);
  const late = await anchor("late");
  expect(await check({ anchors: [early], from: late })).toMatchObject({ ok: true });
  await attacker.query("delete from receipts where chain_seq = 4");
  // The daily run trusts its anchor for all before; what an earlier one names is looked for all the same.
  const hour = new Date(Date.now() + 7_200_000).toISOString();
  const later = { ...late, as_of: hour };
  expect(kinds(await check({ anchors: [early], from: later }))).toContainEqual(["not-compared", "agent-1", 4]);
});

it("says plainly that a chain forked at a promotion, and counts it no more once it is acknowledged", async () => {
  await receipts(3);
  const common = await anchor("common.json");
  await receipts(3);
  const before = await anchor("old-primary.json");
  // What the promoted server holds: the last receipts of the old one never came, and others took their places.
  const promoted: Anchor = { ...before, server: { ...before.server, timeline: before.server.timeline + 1 } };
  const chains = promoted.chains.map((chain) => ({ ...chain, seal: "ab".repeat(32) }));
  const old = { ...promoted, chains, digest: anchorDigest({ ...promoted, chains }) };
  const report = await check({ anchors: [common, old] });
  expect(kinds(report)).toEqual([["forked", "agent-1", 6]]);
  expect(report.first?.message).toMatch(
    /forked at receipt 6 or before: .*of timeline 2 and this server of timeline 1; both have the same up to receipt 3 at least/,
  );
  const acknowledgement = {
    finding: report.first?.id ?? "",
    by: "Ana",
    at: "2026-11-25",
    reason: "failover, ticket 12",
  };
  const accepted = await check({ anchors: [common, old], acknowledgements: [acknowledgement] });
  expect(accepted).toMatchObject({ ok: true, acknowledged: [{ kind: "forked", seq: 6, acknowledgement }] });
  // Another place is another finding.
  await attacker.query("update receipts set tool_name = 'x' where chain_seq = 2");
  expect(kinds(await check({ anchors: [common, old], acknowledgements: [acknowledgement] }))).toEqual([
    ["altered-column", "agent-1", 2],
  ]);

  const lost = promoted.chains.map((chain) => ({ ...chain, seq: 9 }));
  const longer = { ...promoted, chains: lost, digest: anchorDigest({ ...promoted, chains: lost }) };
  expect((await check({ anchors: [longer] })).findings.map(({ message }) => message).join()).toMatch(
    /ends at receipt 6; .* it reached 9 .* what was not replicated when this one was promoted is lost to it/,
  );
});

it("refuses a list of acknowledgements that gives no reason", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "verify-")), "known.json");
  writeFileSync(file, '[{"finding": "0123456789abcdef"}]');
  const { code, stderr } = await runOps("verify", ["--acknowledged", file], {
    DATABASE_URL: database.url(roles.auditor),
  });
  expect(code).toBe(2);
  expect(stderr).toMatch(/is no list of acknowledgements; expected \[\{"finding"/);
});

it("verifies on the replica that is given, and on the database where it does not answer", async () => {
  await receipts(1);
  const env = { DATABASE_URL: "postgresql://nobody@localhost:1/none", CONNECT_TIMEOUT_SECONDS: "1" };
  expect(await runOps("verify", [], { ...env, REPLICA_URL: database.url(roles.auditor) })).toMatchObject({ code: 0 });
  const away = await runOps("verify", [], { DATABASE_URL: database.url(roles.auditor), REPLICA_URL: env.DATABASE_URL });
  expect(away).toMatchObject({ code: 0 });
  expect(away.stderr).toContain("the replica is not used: cannot connect");
});

it("holds no snapshot for the whole run: what writers leave behind can be vacuumed meanwhile", async () => {
  await receipts(60);
  const horizons: Promise<string | undefined>[] = [];
  const horizon = async () => {
    await owner.query("select pg_current_xact_id()");
    const { rows } = await attacker.query<{ xmin: string }>(
      "select min(backend_xmin::text::int8)::text as xmin from pg_stat_activity where application_name like 'authensor-verify%'",
    );
    return rows[0]?.xmin ?? undefined;
  };
  await check({ chunk: 2, onProgress: () => void horizons.push(horizon()) });
  const seen = (await Promise.all(horizons)).filter((xmin) => xmin !== undefined);
  expect(new Set(seen).size).toBeGreaterThan(3);
});
