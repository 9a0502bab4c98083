import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { builtInFindings } from "../../ops/verify/builtIns";
import { compareCatalog, readCatalog } from "../../ops/verify/catalog";
import type { Finding } from "../../ops/verify/findings";
import { partitionFindings } from "../../ops/verify/partitions";
import { inSnapshot, sessionSettings } from "../../ops/verify/session";
import { assertReadable } from "../../ops/verify/snapshot";
import { startPostgres, type TestPostgres } from "../postgres";
import { changes, readSubjects, statements, type Subjects } from "./catalogChanges";

let server: TestPostgres;
let admin: pg.Client;
let subjects: Subjects;
beforeAll(async () => {
  server = await startPostgres();
  admin = await (await server.createDatabase({ migrated: true })).connect();
  subjects = await readSubjects(admin);
});
afterAll(() => server.stop());

/** What the auditor would find after `sql`, which is then rolled back, or why he could not look; undefined where the server refuses it. */
async function findingsAfter(sql: string): Promise<(Finding | Error)[] | undefined> {
  await admin.query("begin");
  try {
    const changed = await admin.query(sql).then(
      () => true,
      () => false,
    );
    if (!changed) return undefined;
    await admin.query(`set local role ${roles.auditor}; ${sessionSettings}`);
    return [
      ...(await assertReadable(admin)),
      ...(await builtInFindings(admin)),
      ...compareCatalog(await readCatalog(admin)),
      ...(await partitionFindings(admin)),
    ];
  } catch (error) {
    return [error as Error];
  } finally {
    await admin.query("rollback");
  }
}

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
const numRuns = Number(process.env["RUNS"] ?? 60);

it(`a random change of the catalog ends in a finding (SEED=${seed})`, async () => {
  expect(await findingsAfter("select 1")).toEqual([]);
  let tried = 0;
  const change = async (kind: string, gen: fc.GeneratorValue) => {
    const sql = statements(kind, subjects, gen);
    const findings = await findingsAfter(sql);
    if (findings === undefined) return;
    tried++;
    expect([sql, findings.length > 0]).toEqual([sql, true]);
  };
  await fc.assert(fc.asyncProperty(fc.constantFrom(...Object.keys(changes)), fc.gen(), change), {
    seed,
    numRuns,
    endOnFailure: true,
  });
  // What the server refuses tries nothing.
  expect(tried).toBeGreaterThan(numRuns / 2);
});

it("a setting that PostgreSQL 17 and later know is no finding, with the value that it is given there", async () => {
  const rows = await inSnapshot(admin, readCatalog);
  const set = (login: string, fact: string) => ({ scope: "", key: `setting of ${login}: transaction_timeout`, fact });
  for (const login of [roles.app, `${roles.app}_b`, roles.telemetry, `${roles.monitor}_b`]) {
    expect(compareCatalog([...rows, set(login, "60s")])).toEqual([]);
    expect(compareCatalog([...rows, set(login, "0")])).toHaveLength(1);
  }
});

it("the extension that the monitor reads is no finding; a view called like its own is one", async () => {
  expect(await findingsAfter("create extension pg_stat_statements")).toEqual([]);
  expect(await findingsAfter("create view public.pg_stat_statements as select 1 as one")).toMatchObject([
    { kind: "guard-off", message: expect.stringContaining("public.pg_stat_statements") as string },
  ]);
});
