import { once } from "node:events";
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { roles } from "../../ops/roles";
import { TestPooler } from "../pgbouncer";
import { migrationsDir, startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { runOps, startOps, type Result } from "./programs";

let server: TestPostgres;
let database: TestDatabase;
let admin: pg.Client;
let dir: string;
const expectations = join(mkdtempSync(join(tmpdir(), "expectations-")), "expectations.json");

beforeAll(async () => {
  writeFileSync(expectations, JSON.stringify({ ssl: false }));
  // Autovacuum takes transaction ids of its own; a test below counts them.
  server = await startPostgres({ untouched: true, parameters: { autovacuum: "off" } });
});
afterAll(async () => {
  await server.stop();
  rmSync(join(expectations, ".."), { recursive: true });
});

beforeEach(async () => {
  database = await server.createDatabase();
  admin = await database.connect();
  dir = mkdtempSync(join(tmpdir(), "migrations-"));
  return () => rmSync(dir, { recursive: true, force: true });
});

/** Migrations of a test's own. A run with them exits 1 in the end: there is no schema to make partitions for. */
function write(files: Record<string, string>): void {
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(dir, name), sql);
}

const env = (extra: Record<string, string> = {}) => ({
  DATABASE_URL: database.ownerUrl,
  EXPECTATIONS_FILE: expectations,
  MIGRATIONS_DIR: dir,
  ...extra,
});
const up = (extra: Record<string, string> = {}, ...args: string[]): Promise<Result> =>
  runOps("migrate", ["up", ...args], env(extra));
const real = { MIGRATIONS_DIR: migrationsDir };

async function rows<T extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<T[]> {
  return (await admin.query<T>(sql, values)).rows;
}
const ledger = async () =>
  (await rows<{ n: string }>("select number || ' ' || slug as n from audit.migrations order by number")).map(
    ({ n }) => n,
  );
const exists = async (relation: string) =>
  (await rows<{ oid: string | null }>("select to_regclass($1)::text as oid", [relation]))[0]?.oid !== null;
/** The next transaction id: where it is the same as before, nothing whatever was written. */
const nextXid = async () =>
  (await rows<{ xid: string }>("select pg_snapshot_xmax(pg_current_snapshot())::text as xid"))[0]?.xid;

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(50)) if (await condition()) return;
  throw new Error("it did not come about in 20 s");
}
const sleeping = () =>
  rows(
    "select from pg_stat_activity where query ~ 'pg_sleep' and pid <> pg_backend_pid() and state = 'active' and datname = current_database()",
  );

describe("migrate", () => {
  it("installs everything into an empty database, and a second run changes nothing", async () => {
    const files = readdirSync(migrationsDir).filter((name) => /^\d{3}_/.test(name));
    const first = await up(real);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.lines.filter(({ message }) => message === "applied").map(({ file }) => file)).toEqual(files);
    expect(await ledger()).toHaveLength(files.length);

    const before = await nextXid();
    const second = await up(real);
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(second.lines.map(({ message }) => message)).toEqual([
      "schema is up to date",
      "the server agrees with the deployed configuration",
    ]);
    // But for the lock's own row.
    expect(await nextXid()).toBe(String(Number(before) + 1));
  });

  it("applies each migration once when twenty start at the same moment", async () => {
    const files = readdirSync(migrationsDir).filter((name) => /^\d{3}_/.test(name));
    const results = await Promise.all(Array.from({ length: 20 }, () => up(real)));
    expect(results.map(({ code, stderr }) => ({ code, stderr }))).toEqual(results.map(() => ({ code: 0, stderr: "" })));
    const applied = results.flatMap(({ lines }) =>
      lines.filter(({ message }) => message === "applied").map(({ file }) => file),
    );
    expect(applied.sort()).toEqual(files);
    const waited = results
      .flatMap(({ lines }) => lines.map(({ message }) => String(message)))
      .filter((message) => message.startsWith("waiting for authensor-migrate"));
    expect(waited.length).toBeGreaterThan(0);
  });

  it("leaves nothing of a file whose runner was killed in the middle, and the next run does not wait for its ghost", async () => {
    write({
      "001_first.sql": "create table first ();",
      "002_slow.sql": "create table second (); select pg_sleep(60);",
    });
    const { child, result } = await startOps("migrate", ["up"], env());
    await until(async () => (await sleeping()).length === 1);
    child.kill("SIGKILL");
    expect((await result).signal).toBe("SIGKILL");

    write({ "002_slow.sql": "create table second ();" });
    const next = await up();
    expect(next.lines.map(({ message, file }) => [message, file])).toContainEqual(["applied", "002_slow.sql"]);
    expect(next.milliseconds).toBeLessThan(15_000);
    expect(await ledger()).toEqual(["1 first", "2 slow"]);
    expect(await exists("second")).toBe(true);
  });

  it("rolls back, says so and exits 1 when it is told to stop", async () => {
    write({
      "001_first.sql": "create table first ();",
      "002_slow.sql": "create table second (); select pg_sleep(60);",
    });
    const { child, result } = await startOps("migrate", ["up"], env());
    await until(async () => (await sleeping()).length === 1);
    child.kill("SIGTERM");
    const stopped = await result;
    expect(stopped).toMatchObject({ code: 1, stderr: "migrate: stopped by SIGTERM\n" });
    expect(await sleeping()).toEqual([]);
    expect(await ledger()).toEqual(["1 first"]);
    expect(await exists("second")).toBe(false);
  });
});

describe("migrate refuses, changing nothing,", () => {
  beforeEach(async () => {
    write({ "001_a.sql": "create table a ();", "002_b.sql": "create table b ();", "003_c.sql": "create table c ();" });
    await up();
    expect(await ledger()).toEqual(["1 a", "2 b", "3 c"]);
  });

  const cases: [string, () => void, RegExp][] = [
    [
      "an applied file that was edited",
      () => write({ "002_b.sql": "create table b (n int);" }),
      /002_b\.sql was edited after it was applied/,
    ],
    ["an applied file that is missing", () => rmSync(join(dir, "001_a.sql")), /number 1 is missing before it/],
    [
      "an applied file that was renamed",
      () => renameSync(join(dir, "002_b.sql"), join(dir, "002_other.sql")),
      /002_b\.sql is applied here but its file is now named 002_other\.sql/,
    ],
    [
      "a gap in the numbers",
      () => write({ "005_e.sql": "create table e ();" }),
      /005_e\.sql: number 4 is missing before it/,
    ],
    [
      "a number taken twice",
      () => write({ "003_d.sql": "create table d ();" }),
      /003_d\.sql: number 3 is taken by 003_c\.sql/,
    ],
    [
      "a file whose name says no number",
      () => write({ "extra.sql": "create table d ();" }),
      /extra\.sql: not named NNN_slug\.sql, for example/,
    ],
    ["a file without a statement", () => write({ "004_d.sql": "-- nothing\n" }), /004_d\.sql: contains no statement/],
    [
      "a database newer than the code",
      () => rmSync(join(dir, "003_c.sql")),
      /003_c\.sql is applied here but unknown to this code: the database is newer/,
    ],
    ["an empty directory", () => readdirSync(dir).forEach((name) => rmSync(join(dir, name))), /no migrations in/],
  ];
  it.each(cases)("%s", async (_name, change, message) => {
    change();
    // What would be next in line must not be applied either.
    if (!readdirSync(dir).some((name) => name.startsWith("004")))
      write(readdirSync(dir).length === 3 ? { "004_next.sql": "create table next ();" } : {});
    const before = await nextXid();
    const result = await up();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/nothing was changed/);
    expect(result.stderr).toMatch(message);
    expect(await nextXid()).toBe(before);
    expect(await exists("next")).toBe(false);
  });

  it("a file that was slipped in below what is applied", async () => {
    await admin.query("delete from audit.migrations where number = 2");
    const before = await nextXid();
    const result = await up();
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toMatch(/002_b\.sql is not applied here although later ones are/);
    expect(await nextXid()).toBe(before);
  });

  it("everything that is wrong at once", async () => {
    write({ "001_a.sql": "create table a (n int);", "002_b.sql": "create table b (n int);" });
    expect((await up()).stderr).toMatch(/001_a\.sql was edited[^]*002_b\.sql was edited/);
  });

  it("but takes line ends for what they are", async () => {
    write({
      "001_a.sql": "create table a ();",
      "002_b.sql": "create table b ();",
      "003_c.sql": "create table c ();",
      "004_d.sql": "create table d (\n);\n",
    });
    await up();
    write({ "004_d.sql": "create table d (\r\n);\r\n" });
    expect((await up()).stderr).not.toMatch(/edited/);
  });
});

describe("an error in a migration", () => {
  it("is reported with file, line, statement, and what the server says, and leaves nothing behind", async () => {
    write({
      "001_a.sql": "create table a (n int);",
      "002_b.sql": "-- a comment\ncreate table b ();\n\ninsert into a (n)\n  values (1), ('x');\n",
    });
    const result = await up();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^migrate: 002_b\.sql, line 5: invalid input syntax for type integer: "x" \(SQLSTATE 22P02\)\n {2}statement: values \(1\), \('x'\)/,
    );
    expect(await ledger()).toEqual(["1 a"]);
    expect(await exists("b")).toBe(false);
  });

  it("names the statement where the server names no line, and carries its detail and hint", async () => {
    write({
      "001_a.sql": "create table a (n int primary key);\ninsert into a values (1);\n\ninsert into a\n  values (1);\n",
    });
    const duplicate = await up();
    expect(duplicate.stderr).toMatch(
      /001_a\.sql, statement 3: duplicate key[^]*detail: Key \(n\)=\(1\) already exists\./,
    );
    write({ "001_a.sql": "create table a (number int);\nselect numbr from a;\n" });
    expect((await up()).stderr).toMatch(/001_a\.sql, line 2: column "numbr" does not exist[^]*hint: Perhaps you meant/);
  });
});

describe("while another holds what it needs, migrate", () => {
  it("gives up after the limit, and names the one who holds the lock", async () => {
    write({ "001_slow.sql": "select pg_sleep(60);" });
    const holder = await startOps("migrate", ["up"], env());
    await until(async () => (await sleeping()).length === 1);
    const [pid] = await rows<{ pid: number }>(
      "select pid from pg_stat_activity where query ~ 'pg_sleep' and pid <> pg_backend_pid()",
    );
    const late = await up({ LOCK_WAIT_SECONDS: "1" });
    expect(late.code).toBe(1);
    expect(late.stderr).toMatch(
      /^migrate: waited \d s for authensor-migrate of authensor_owner \(server process \d+, from (::1|127\.0\.0\.1), connected since 20\d\d-.*\), which still holds the maintenance lock; nothing was changed/,
    );
    expect(late.stderr).toContain(`server process ${pid?.pid}`);
    holder.child.kill("SIGTERM");
    await holder.result;
  });

  it("tries again for a table in use, keeping others waiting only briefly", async () => {
    write({ "001_a.sql": "create table a (n int);" });
    await up();
    await admin.query("begin; lock table a in access share mode");
    write({ "002_b.sql": "alter table a add column m int;" });
    const running = await startOps("migrate", ["up"], env({ LOCK_TIMEOUT_MS: "100" }));
    await Promise.race([once(running.child.stdout ?? running.child, "data"), sleep(10_000)]);
    await sleep(500);
    // The reader can read again although a change waits: it waits in short attempts.
    const reader = await database.connect();
    const started = Date.now();
    await reader.query("select * from a");
    expect(Date.now() - started).toBeLessThan(500);
    await admin.query("commit");
    const result = await running.result;
    expect(result.lines.map(({ message }) => message)).toContain("a table is in use; trying again");
    expect(await ledger()).toEqual(["1 a", "2 b"]);
  });

  it("gives up on a table in use after the limit, and says which statement wanted it", async () => {
    write({ "001_a.sql": "create table a (n int);" });
    await up();
    await admin.query("begin; lock table a in access share mode");
    write({ "002_b.sql": "alter table a add column m int;" });
    const result = await up({ LOCK_TIMEOUT_MS: "50", LOCK_PATIENCE_SECONDS: "1" });
    await admin.query("rollback");
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toMatch(
      /002_b\.sql, statement 1: canceling statement due to lock timeout \(SQLSTATE 55P03\); a table was in use at each of \d+ attempts within 1 s/,
    );
  });
});

it("migrate and partitions refuse to work through a pooler, on which their lock and settings would stay behind", async () => {
  // The roles are the server's, and come with the first database that is migrated.
  await server.createDatabase({ migrated: true });
  const pooler = await TestPooler.start(server);
  try {
    await admin.query(`grant connect on database ${database.name} to ${roles.app}`);
    const through = { DATABASE_URL: pooler.url(roles.app, database.name), ...real };
    for (const program of ["migrate", "partitions"]) {
      const result = await runOps(program, [], env(through));
      expect(result.stderr).toBe(
        `${program}: the database's URL names a pooler: it must name the server itself; nothing was changed\n`,
      );
      expect(result.code).toBe(1);
    }
    expect(await exists("audit.migrations")).toBe(false);
  } finally {
    await pooler.stop();
  }
});

describe("migrate's other commands and settings", () => {
  it("a dry run says what would be applied, and changes nothing, not even the ledger", async () => {
    write({ "001_a.sql": "create table a ();", "002_b.sql": "create table b ();" });
    const result = await up({}, "--dry-run");
    expect(result).toMatchObject({ code: 0 });
    expect(result.lines).toMatchObject([
      { message: "would apply", file: "001_a.sql" },
      { message: "would apply", file: "002_b.sql" },
      { message: "nothing was changed", pending: 2 },
    ]);
    expect(await exists("audit.migrations")).toBe(false);
  });

  it("status lists what is applied and what is pending", async () => {
    write({ "001_a.sql": "create table a ();" });
    await up();
    write({ "002_b.sql": "create table b ();" });
    const result = await runOps("migrate", ["status"], env());
    expect(result).toMatchObject({ code: 0 });
    expect(result.lines).toMatchObject([
      { message: "applied", number: 1, slug: "a", by: "authensor_owner" },
      { message: "pending", number: 2, slug: "b" },
      { message: "status", applied: 1, pending: 1 },
    ]);
  });

  it.each<[string, string[], Record<string, string>, RegExp]>([
    ["an unknown option", ["--wrong"], {}, /unknown option '--wrong'/],
    ["an unknown command", ["down"], {}, /too many arguments|unknown command/],
    ["no database", [], { DATABASE_URL: "" }, /no database is named: set DATABASE_URL_FILE .*or DATABASE_URL/],
    ["a URL that is none", [], { DATABASE_URL: "localhost" }, /the database's URL is not a URL; expected postgresql:/],
    [
      "a URL and a file with one",
      [],
      { DATABASE_URL_FILE: "/nowhere/url" },
      /DATABASE_URL and DATABASE_URL_FILE are both set: set only one of them/,
    ],
    [
      "a URL's file that is not there",
      [],
      { DATABASE_URL: "", DATABASE_URL_FILE: "/nowhere/url" },
      /DATABASE_URL_FILE: cannot read \/nowhere\/url/,
    ],
    [
      "a URL's file with nothing in it",
      [],
      { DATABASE_URL: "", DATABASE_URL_FILE: "/dev/null" },
      /DATABASE_URL_FILE: \/dev\/null is empty; it must contain postgresql:/,
    ],
    [
      "a directory that is not there",
      [],
      { MIGRATIONS_DIR: "/nowhere" },
      /MIGRATIONS_DIR: cannot read the directory \/nowhere/,
    ],
    [
      "a limit that is no number",
      [],
      { LOCK_WAIT_SECONDS: "soon" },
      /LOCK_WAIT_SECONDS must be a whole number, not "soon"/,
    ],
    [
      "expectations that are not there",
      [],
      { EXPECTATIONS_FILE: "/nowhere.json" },
      /EXPECTATIONS_FILE: cannot read \/nowhere\.json/,
    ],
    [
      "passwords that are not there",
      [],
      { ROLE_PASSWORDS_DIR: "/nowhere" },
      /ROLE_PASSWORDS_DIR: cannot read the directory/,
    ],
  ])("%s is wrong usage: exit code 2", async (_name, args, extra, message) => {
    const result = await runOps("migrate", args, env({ ...real, ...extra }));
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
  });

  it("the URL is read from a file, and is then in neither the environment nor the output", async () => {
    write({ "001_a.sql": "create table a ();", url: `${database.ownerUrl}\n` });
    const { child, result } = await startOps("migrate", ["status"], {
      MIGRATIONS_DIR: dir,
      DATABASE_URL_FILE: join(dir, "url"),
    });
    expect(child.spawnargs.join(" ")).not.toContain("postgresql:");
    const { code, lines, stdout, stderr } = await result;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(lines.at(-1)).toMatchObject({ message: "status", applied: 0, pending: 1 });
    expect(stdout).not.toContain("postgresql:");
  });

  it("--help lists the commands and the settings, and exits 0", async () => {
    const result = await runOps("migrate", ["--help"], {});
    expect(result).toMatchObject({ code: 0, stderr: "" });
    for (const word of [
      "up",
      "status",
      "check",
      "DATABASE_URL",
      "DATABASE_URL_FILE",
      "ROLE_PASSWORDS_DIR",
      "EXPECTATIONS_FILE",
    ])
      expect(result.stdout).toContain(word);
  });

  it("a server that cannot be reached is named, without the password", async () => {
    const result = await up({
      ...real,
      DATABASE_URL: "postgresql://authensor_owner:hunter2@localhost:1/authensor",
      CONNECT_TIMEOUT_SECONDS: "0",
    });
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toMatch(
      /^migrate: cannot connect to localhost:1\/authensor as authensor_owner: .*ECONNREFUSED/,
    );
    expect(result.stdout + result.stderr).not.toContain("hunter2");
  });
});
