import { chownSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { builtInFindings } from "../../ops/verify/builtIns";
import { type CatalogRow, compareCatalog, readCatalog } from "../../ops/verify/catalog";
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

it("the version that 17.12 and later give each column themselves is no finding, an option beside it is one", async () => {
  const options = (list: string) =>
    `update pg_attribute set attoptions = '${list}' where attrelid = 'receipts'::regclass and attname = 'id'`;
  expect(await findingsAfter(options("{pg_attver=26465712}"))).toEqual([]);
  expect(await findingsAfter(options("{n_distinct=7}"))).toHaveLength(1);
  expect(await findingsAfter(options("{pg_attver=1,n_distinct=7}"))).toHaveLength(1);
});

const informationSchema = "(select oid from pg_namespace where nspname = 'information_schema')";

it("the number that initdb gives information_schema, by the collations it finds on the machine, is no finding", async () => {
  const sql = [
    ["pg_class", "relnamespace"],
    ["pg_type", "typnamespace"],
    ["pg_proc", "pronamespace"],
    ["pg_constraint", "connamespace"],
    ["pg_init_privs", "objoid"],
    ["pg_depend", "refobjid"],
    ["pg_namespace", "oid"],
  ]
    .map(([catalog, column]) => `update ${catalog} set ${column} = 15999 where ${column} = ${informationSchema};`)
    .join(" ");
  expect(await findingsAfter(sql)).toEqual([]);
  expect(await findingsAfter(`${sql} update pg_proc set prosrc = 'select 1' where pronamespace = 15999`)).toMatchObject(
    [{ kind: "guard-off", message: expect.stringContaining("functions that PostgreSQL") as string }],
  );
});

it("the extension that the monitor reads is no finding; a view called like its own is one", async () => {
  expect(await findingsAfter("create extension pg_stat_statements")).toEqual([]);
  const extension = "create extension pg_stat_statements;";
  const named = "' FROM pg_stat_statements() pg_stat_statements(x)' as x";
  const columns = "from pg_stat_statements(true) pg_stat_statements(userid)";
  const views = [
    "create view public.pg_stat_statements as select 1 as one",
    `create view public.pg_stat_statements as select r.*, ${named} from receipts r; grant select on pg_stat_statements to public`,
    `${extension} create or replace view public.pg_stat_statements_info as select (select count(*) from receipts) as dealloc, stats_reset from pg_stat_statements_info()`,
    `${extension} grant update on public.pg_stat_statements to ${roles.telemetry}`,
    `${extension} alter extension pg_stat_statements drop view pg_stat_statements_info`,
    `${extension} alter view public.pg_stat_statements rename to shadow; create view public.pg_stat_statements as select userid ${columns}; grant select on pg_stat_statements to public`,
  ];
  for (const sql of views)
    expect([sql, await findingsAfter(sql)]).toEqual([
      sql,
      expect.arrayContaining([
        expect.objectContaining({
          kind: "guard-off",
          message: expect.stringContaining("public.pg_stat_statements") as string,
        }),
      ]),
    ]);
});

describe("a tablespace", () => {
  let directory: string;
  let rows: CatalogRow[];
  beforeAll(async () => {
    directory = join(server.dir, "elsewhere");
    mkdirSync(directory);
    const { uid, gid } = statSync(server.dataDir);
    chownSync(directory, uid, gid);
    await admin.query(`create tablespace elsewhere owner rds_superuser location '${directory}'`);
    await admin.query("grant all on tablespace elsewhere to public");
    rows = await inSnapshot(admin, readCatalog);
  });
  afterAll(() => admin.query("drop tablespace elsewhere"));

  it("of RDS' for temporary files is no finding, in its own place and with its own owner", () => {
    // RDS' directory cannot be made here.
    const onRds = (from: string, to: string) =>
      rows.map(({ scope, key, fact }) => ({
        scope,
        key: key.replace("tablespace elsewhere", "tablespace rds_temp_tablespace"),
        fact: fact.replace(directory, "/rdsdbdata/tmp/rds_temp_tablespace").replace(from, to),
      }));
    expect(compareCatalog(onRds("", ""))).toEqual([]);
    expect(compareCatalog(onRds("/rdsdbdata/tmp/", "/rdsdbdata/db/"))).toHaveLength(1);
    expect(compareCatalog(onRds("owner rds_superuser", "owner authensor_owner"))).toHaveLength(1);
  });

  it("that somebody made is a finding that says where it is", () => {
    expect(compareCatalog(rows)).toMatchObject([
      { kind: "guard-off", message: expect.stringContaining(`tablespace elsewhere`) as string },
    ]);
    expect(compareCatalog(rows)[0]?.message).toContain(`location ${directory}; everyone may CREATE`);
  });
});
