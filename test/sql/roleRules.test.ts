/** What the login roles and the database may be: every kind of difference is repaired by the next run, and said. */
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../ops/log";
import { deploy } from "../../ops/migrate/up";
import { createdRoles, roles, secondLogin } from "../../ops/roles";
import { migrationsDir, startPostgres, superuser, type TestDatabase, type TestPostgres } from "../postgres";
import { runOps } from "./programs";

let server: TestPostgres;
let database: TestDatabase;
let admin: pg.Client;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  database = await server.createDatabase({ migrated: true });
  admin = await database.connect();
});

const differences = async () =>
  (await admin.query<{ what: string }>("select * from audit.role_differences()")).rows.map(({ what }) => what);
const runAs = (role: string) => runOps("partitions", [], { DATABASE_URL: database.url(role) });

test.each(createdRoles)("the second login of %s may do what the role may, and is set as it is", async (role) => {
  const { rows } = await admin.query<{ login: string; settings: string[]; may: boolean }>(
    `select l.login, pg_has_role(l.login, $1, 'usage') as may,
            array(select c from pg_db_role_setting s, unnest(setconfig) c
                   where s.setrole = l.login::regrole and s.setdatabase = (select oid from pg_database where datname = $2)
                   order by c) as settings
       from unnest($3::text[]) l (login)`,
    [role, database.name, [role, secondLogin(role)]],
  );
  expect(rows.map(({ may }) => may)).toEqual([true, true]);
  expect(rows[1]?.settings).toEqual(rows[0]?.settings);
  expect((await database.connect(secondLogin(role)).then((client) => client.query("select 1"))).rowCount).toBe(1);
});

test("the daily run reports itself by either login, and by no other role's", async () => {
  for (const login of [roles.maintenance, secondLogin(roles.maintenance)])
    expect(await runAs(login)).toMatchObject({ code: 0, stderr: "" });
  const { rows } = await admin.query("select program, succeeded_at = finished_at as succeeded from audit.program_runs");
  expect(rows).toEqual([{ program: "partitions", succeeded: true }]);
  const other = await database.connect(secondLogin(roles.monitor));
  await expect(other.query("select audit.report_run('partitions', true, 'x')")).rejects.toMatchObject({
    code: "42501",
  });
});

test("nothing differs once the migrations have run", async () => {
  expect(await differences()).toEqual([]);
});

const app = roles.app;
const second = secondLogin(app);
const tampering: [sql: string, as: string, what: string][] = [
  [`alter role ${app} set synchronous_commit = off`, app, `synchronous_commit of ${app} in every database`],
  [`alter role ${app} in database DB set synchronous_commit = off`, app, `synchronous_commit of ${app}`],
  [`alter role ${app} in database DB reset lock_timeout`, app, `lock_timeout of ${app}`],
  [`alter role ${app} in database DB set search_path = pg_temp, public`, app, `search_path of ${app}`],
  [
    `begin read write; alter role ${roles.auditor} in database DB set default_transaction_read_only = off; commit`,
    roles.auditor,
    `default_transaction_read_only of ${roles.auditor}`,
  ],
  ["alter database DB set synchronous_commit = off", roles.owner, "synchronous_commit of the database"],
  ["alter database DB set search_path = audit", roles.owner, "search_path of the database"],
  ["alter database DB reset search_path", roles.owner, "search_path of the database"],
  [`alter role ${app} createdb`, superuser, `createdb of ${app}`],
  [`alter role ${app} createrole`, superuser, `createrole of ${app}`],
  [`alter role ${app} nologin`, superuser, `login of ${app}`],
  [`alter role ${app} noinherit`, superuser, `inherit of ${app}`],
  [`alter role ${app} valid until '2001-01-01'`, superuser, `expiry of ${app}`],
  [`alter role ${app} connection limit 1`, superuser, `connection limit of ${app}`],
  [`alter role ${roles.maintenance} connection limit -1`, superuser, `connection limit of ${roles.maintenance}`],
  [`grant pg_monitor to ${app}`, roles.owner, `${app} is a member of pg_monitor`],
  [`grant ${roles.owner} to ${app}`, roles.owner, `${app} is a member of ${roles.owner}`],
  [`grant ${app} to ${roles.telemetry}`, roles.owner, `${roles.telemetry} is a member of ${app}`],
  [`revoke ${app} from ${second}`, roles.owner, `${second} is a member of ${app}`],
  [`grant ${app} to ${second} with admin option`, roles.owner, `${second} is a member of ${app}`],
  [`grant pg_monitor to ${second}`, roles.owner, `${second} is a member of pg_monitor`],
  [`alter role ${second} in database DB set synchronous_commit = off`, second, `synchronous_commit of ${second}`],
  [
    `alter role ${secondLogin(roles.maintenance)} connection limit -1`,
    superuser,
    `connection limit of ${secondLogin(roles.maintenance)}`,
  ],
  [`revoke pg_monitor from ${roles.monitor}`, roles.owner, `${roles.monitor} is a member of pg_monitor`],
  [`grant pg_monitor to ${roles.monitor} with admin option`, roles.owner, `${roles.monitor} is a member of pg_monitor`],
  [`revoke ${roles.auditor} from ${roles.verifier}`, roles.owner, `${roles.verifier} is a member of ${roles.auditor}`],
  [`grant ${roles.archiver} to ${roles.verifier}`, roles.owner, `${roles.verifier} is a member of ${roles.archiver}`],
  ["grant temporary on database DB to public", roles.owner, "TEMPORARY on the database for everyone"],
  ["grant connect on database DB to public", roles.owner, "CONNECT on the database for everyone"],
  [`grant create on database DB to ${app}`, roles.owner, `CREATE on the database for ${app}`],
  [`revoke connect on database DB from ${app}`, roles.owner, `CONNECT on the database for ${app}`],
  ["grant create on schema public to public", roles.owner, "CREATE on schema public for everyone"],
  [`grant create on schema audit to ${app}`, roles.owner, `CREATE on schema audit for ${app}`],
  [`revoke usage on schema public from ${app}`, roles.owner, `USAGE on schema public for ${app}`],
];

test.each(tampering)("%s (as %s): the daily run repairs it and says so", async (sql, as, what) => {
  const client = await database.connect(as);
  const { rows } = await client.query<{ major: number }>(
    "select current_setting('server_version_num')::int / 10000 as major",
  );
  if (sql.startsWith(`grant ${roles.owner}`) && rows[0]!.major >= 16) {
    // Nobody may grant his own role any more.
    await expect(client.query(sql)).rejects.toMatchObject({ code: "42501" });
    return;
  }
  await client.query(sql.replace("DB", database.name));
  expect(await differences()).toContain(what);
  const result = await runAs(roles.maintenance);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(result.lines.filter(({ message }) => message === "repaired")).toEqual(
    expect.arrayContaining([expect.objectContaining({ what, level: "warn" })]),
  );
  expect(await differences()).toEqual([]);
});

test("in a new database, where TEMP and CONNECT are open to everyone, a deployment closes both", async () => {
  const copy = await server.createDatabase();
  const owner = await copy.connect(roles.owner);
  const { rows: open } = await owner.query(
    `select has_database_privilege('${app}', current_database(), 'temporary') as temporary`,
  );
  expect(open).toEqual([{ temporary: true }]);
  await deploy(await copy.connect(roles.owner), {
    ...{ url: copy.ownerUrl, dir: migrationsDir, log: silentLog, monthsAhead: 0 },
  });
  const { rows: shut } = await owner.query(
    `select has_database_privilege('${app}', current_database(), 'temporary') as temporary`,
  );
  expect(shut).toEqual([{ temporary: false }]);
});

test("what the run may not repair fails it, by name", async () => {
  await admin.query(`alter role ${app} superuser`);
  const client = await database.connect(app);
  await client.query("select lo_create(0)");
  const result = await runAs(roles.maintenance);
  await admin.query(`alter role ${app} nosuperuser`);
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/superuser of authensor_app: expected no, is yes/);
  expect(result.stderr).toMatch(/large objects of authensor_app: expected none, is 1/);
});

test.each(createdRoles.filter((role) => role !== roles.maintenance))(
  "%s repairs nothing and reads no lock",
  async (role) => {
    const client = await database.connect(role);
    for (const sql of [
      "select audit.repair_roles()",
      "select audit.begin_maintenance()",
      "select audit.lock_holders()",
      "do $$ begin lock table audit.maintenance_run in access share mode; end $$",
      "select * from audit.maintenance_run",
      "begin read write; update audit.connection_limits set connections = 1",
    ])
      await expect(client.query(sql), sql).rejects.toMatchObject({ code: "42501" });
  },
);

test("no key that another role takes keeps migrations or the partitions job from their work", async () => {
  const client = await database.connect(app);
  // What was their lock: a pair of numbers that every role can read in pg_locks, and take.
  await client.query("select pg_advisory_lock(1635087464, 1886151022)");
  await client.query("begin; select count(*) from receipts");
  const made = await runOps("partitions", ["--months-ahead", "0"], {
    DATABASE_URL: database.url(roles.maintenance),
    LOCK_WAIT_SECONDS: "1",
  });
  expect(made).toMatchObject({ code: 0, stderr: "" });
});
