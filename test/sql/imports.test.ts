/** Which receipts may be dated long before or after they were sealed, as a verification sees it. */
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { anchorDigest, type Anchor } from "../../ops/anchorFormat";
import { roles } from "../../ops/roles";
import { takeAnchor } from "../../ops/takeAnchor";
import type { Acknowledgement } from "../../ops/verify/acknowledgements";
import { earliness, importFindings, lateness, misdatedReceipts } from "../../ops/verify/imports";
import { readServer } from "../../ops/verify/server";
import { verify } from "../../ops/verify/verification";
import { startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt, storeReceipts } from "../receipts";

let server: TestPostgres;
let database: TestDatabase;
let app: pg.Client;
let owner: pg.Client;
let auditor: pg.Client;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  [app, owner, auditor] = await Promise.all([
    database.connect(roles.app),
    database.connect(roles.owner),
    database.connect(roles.auditor),
  ]);
});

const check = (anchors: Anchor[], acknowledgements: Acknowledgement[] = []) =>
  verify({
    url: database.url(roles.auditor),
    signal: new AbortController().signal,
    anchors,
    connections: 1,
    chunk: 4,
    allowEmpty: false,
    acknowledgements,
  });
const findings = async (anchors: Anchor[] = []) => (await check(anchors)).findings;

const aged = (interval: number, agent: string | null = "a") =>
  newReceipt({ actor_id: agent, created_at: new Date(Date.now() - interval).toISOString() });
const [second, minute, day] = [1000, 60_000, 86_400_000];

/** As if the bound had been opened, and closed again. */
async function dateBack(...receipts: ReturnType<typeof aged>[]): Promise<void> {
  const bound = (interval: string) =>
    owner.query(`create or replace function audit.max_lateness() returns interval
                   language sql immutable parallel safe return '${interval}'::interval`);
  await bound("60 days");
  await storeReceipts(owner, receipts);
  await bound("15 minutes");
}

it("the verification has the bounds that the database has", async () => {
  const { rows } = await owner.query("select audit.max_lateness() = $1 as late, audit.max_earliness() = $2 as early", [
    lateness,
    earliness,
  ]);
  expect(rows).toEqual([{ late: true, early: true }]);
});

it("what was imported is whole, of many agents and of none, in one import or several", async () => {
  for (let i = 0; i < 2; i++)
    await insertReceipts(app, [
      ...["a", "b", null].flatMap((agent) => [aged(30 * day, agent), aged(0, agent), aged(-day, agent)]),
      ...Array.from({ length: 20 }, () => aged(400 * day)),
    ]);
  await storeReceipts(app, [aged(14 * minute), aged(-4 * minute), aged(0, null)]);
  expect(await findings()).toEqual([]);
});

it("of many imports each costs the same, of one agent and of several", async () => {
  const imports = 300;
  await owner.query(`do $$ begin for i in 1..${imports} loop
    perform audit.open_import('one of very many imports');
    insert into receipts (id, envelope_id, status, decision_outcome, actor_id, envelope, decision, created_at, updated_at)
    values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', case when i % 3 = 0 then 'b' else 'a' end, '{}', '{}',
            now() - interval '9 days', now() - interval '9 days');
    commit; end loop; end $$`);
  const client = await database.connect(superuser);
  await client.query("analyze receipts; analyze audit.imports");
  const read = async () => {
    await auditor.query("select pg_stat_force_next_flush()");
    const { rows } = await client.query<{ read: number }>(
      "select sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)::int as read from pg_stat_user_tables where relname ~ '^(receipts_|imports)'",
    );
    return rows[0]!.read;
  };
  const before = await read();
  expect(await importFindings(auditor, [], await readServer(auditor))).toEqual([]);
  expect(await misdatedReceipts(auditor, { since: "-infinity", until: "infinity" }, undefined)).toMatchObject({
    findings: [],
  });
  expect((await read()) - before).toBeLessThan(12 * imports);
});

it("each receipt that is dated otherwise is a finding that names it, and an import of others explains none", async () => {
  await insertReceipts(app, [aged(30 * day), aged(30 * day, "b")]);
  await storeReceipts(app, [aged(0)]);
  await dateBack(aged(20 * minute), aged(40 * day, null));
  await storeReceipts(app, [aged(0)]);
  expect(await findings()).toEqual([
    expect.objectContaining({
      kind: "misdated",
      agent: "",
      seq: 1,
      message: expect.stringMatching(
        /^receipt 1 of no agent is dated \S+ \S+, more than 15 minutes before it was sealed, at \S+ \S+, and no import is recorded that brought it$/,
      ) as unknown,
    }),
    expect.objectContaining({ kind: "misdated", agent: "a", seq: 3 }),
  ]);
});

it("of thousands all are counted", async () => {
  await dateBack(...Array.from({ length: 150 }, () => aged(40 * day)));
  const report = await verify({
    url: database.url(roles.auditor),
    signal: new AbortController().signal,
    anchors: [],
    connections: 1,
    chunk: 20_000,
    allowEmpty: false,
  });
  expect(report.findings.length + report.more).toBe(150);
});

it("a receipt that waited for its chain is sealed later than it came, and is no finding for that", async () => {
  await owner.query("begin");
  await storeReceipts(owner, [aged(0)]);
  const waiting = storeReceipts(app, [aged(15 * minute - second / 2)]);
  await new Promise((resolve) => setTimeout(resolve, 1.2 * second));
  await storeReceipts(owner, [aged(0)]);
  await owner.query("commit");
  const [late] = await waiting;
  const { rows } = await owner.query(
    "select sealed_at - created_at > $2::interval as late from receipts where id = $1",
    [late?.id, lateness],
  );
  expect(rows).toEqual([{ late: true }]);
  expect(await findings()).toEqual([]);
});

it("an import that is added later says so itself, whoever adds it", async () => {
  await dateBack(aged(40 * day), aged(40 * day, null));
  await new Promise((resolve) => setTimeout(resolve, 1.2 * second));
  await owner.query(
    "insert into audit.imports (reason, agent, first_seq) values ('receipts of a test', 'a', 1), ('another', '', 1)",
  );
  expect((await findings()).map(({ kind, message }) => [kind, message.replace(/\d{4}-\S+ \S+/g, "T")])).toEqual([
    ["altered-import", 'import 1 began at T after receipt 1 of agent "a" was sealed, at T'],
    ["altered-import", "import 2 began at T after receipt 1 of no agent was sealed, at T"],
  ]);
});

it("an anchor knows the imports there were: one altered consistently, removed, or made up before it is found", async () => {
  await insertReceipts(app, [aged(30 * day)]);
  const anchor = { ...(await takeAnchor(auditor)), source: "anchor.json" };
  expect(anchor.imports).toEqual({ seq: 1, seal: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown });
  expect(await findings([anchor])).toEqual([]);

  const admin = await database.connect(superuser);
  await admin.query("set session_replication_role = replica");
  const reseal = `update audit.imports i set seal = audit.import_seal(
      coalesce((select p.seal from audit.imports p where p.seq = i.seq - 1), ''), i.seq, i.reason, i.opened_by, i.application, i.opened_at,
      i.agent, i.first_seq, i.last_seq, i.sealed_at) where seq = $1`;
  await admin.query(`insert into audit.imports select 2, reason, opened_by, application, opened_at, agent, first_seq, last_seq,
                       sealed_at + interval '1 ms', '' from audit.imports`);
  await admin.query(reseal, [2]);
  const later = { ...anchor, as_of: new Date(Date.now() + 2 * 3_600_000).toISOString() };
  expect(await findings()).toEqual([]);
  expect((await findings([later])).map(({ message }) => message)).toContainEqual(
    expect.stringMatching(
      /^import 2 says that it was recorded before .*, when an anchor was made that does not know it/,
    ),
  );
  await admin.query("delete from audit.imports where seq = 2; update audit.imports set reason = 'something harmless'");
  await admin.query(reseal, [1]);
  expect(await findings()).toEqual([]);
  expect((await findings([anchor])).map(({ message }) => message)).toEqual([
    expect.stringMatching(/^import 1 is not the one that was anchored at .* \(anchor.json\)$/),
  ]);
  await admin.query("delete from audit.imports");
  expect((await findings([anchor])).map(({ kind, message }) => [kind, message])).toEqual(
    expect.arrayContaining([["altered-import", expect.stringMatching(/^import 1 is gone that was anchored/)]]),
  );
});

it("imports that a failover lost are told as a fork of their chain, which counts no more once it is acknowledged", async () => {
  await insertReceipts(app, [aged(30 * day)]);
  const anchor = { ...(await takeAnchor(auditor)), source: "old-primary.json" };
  /** As of another server that had this one's imports up to a place, and then its own. */
  const other = (seq: number, source = "old-primary.json", timeline = anchor.server.timeline + 1): Anchor => {
    const there = {
      ...anchor,
      source,
      server: { ...anchor.server, timeline },
      imports: { seq, seal: "ab".repeat(32) },
    };
    return { ...there, digest: anchorDigest(there) };
  };
  const report = await check([other(1), other(2)]);
  expect(report.findings.map(({ kind, seq }) => [kind, seq])).toEqual(
    expect.arrayContaining([
      ["forked", 1],
      ["altered-import", 2],
    ]),
  );
  expect(report.findings.map(({ message }) => message).join("\n")).toMatch(
    /^the chain of imports forked at import 1 or before: .*of timeline 2 and this server of timeline 1$/m,
  );
  expect(report.findings.map(({ message }) => message).join("\n")).toMatch(/^import 2 is gone .*is lost to it$/m);

  const known = report.findings.map(({ id }) => ({ finding: id, by: "Ana", at: "2026-11-25", reason: "failover" }));
  expect(await check([other(1), other(2)], known)).toMatchObject({ ok: true, findings: [] });
  const another = { ...anchor, source: "another.json" };
  expect(await check([other(1, "another.json"), another], known), "whichever anchor says it").toMatchObject({
    ok: true,
  });
  expect((await check([other(1, "old-primary.json", anchor.server.timeline)])).findings).toMatchObject([
    { kind: "altered-import", seq: 1 },
  ]);
});
