/** Which statements of a program the guard prepares, and what becomes of one that is refused. Those that it does not send: guardUnsent.test.ts. */
import { describe, expect, test } from "vitest";
import { buildGuard } from "../guarded";
import { program, sentBy } from "../serverless";

buildGuard();

const named = expect.stringMatching(/^guard_[0-9a-f]{32}$/) as string;

describe("a statement is sent without a name", () => {
  const texts = [
    "begin",
    "commit",
    "set statement_timeout = 1",
    "create table t (a int)",
    "copy t to stdout",
    "prepare mine as select 1",
    "deallocate all",
    "select 1; select 2",
    "select 1; commit",
    "with t as (select 1) select * from t; begin",
    "selects",
    "/* what */ select 2",
    // PostgreSQL takes these for the time at which it first reads them.
    "select 'now'::timestamptz",
    "select * from t where at > ' Today'",
    "select $$yesterday$$::date",
    `select 2 /* ${"x".repeat(10_000)} */`,
  ];
  test("where preparing it would change what it means, or gains nothing", async () => {
    const ask = `for (const text of ${JSON.stringify(texts)}) await pool.query(text);`;
    const { sent, told } = await sentBy(program(ask), "100");
    expect(sent).toEqual(texts.map((text) => [text]));
    expect(told).toEqual([]);
  });

  test("where the program gives it a name, or asks by an object of its own", async () => {
    const { sent } = await sentBy(
      program(`await pool.query({ name: "own", text: "select 2" }); await pool.query(new pg.Query("select 3"));`),
    );
    expect(sent).toEqual([["own", "select 2"], ["select 3"]]);
  });

  test.each([["0"], [""], ["many"]])("where %j of them may be prepared", async (prepared) => {
    const { sent } = await sentBy(
      program(`await pool.query("select 2"); await pool.query("select $1", [3]);`),
      prepared,
    );
    expect(sent).toEqual([["select 2"], ["select $1", 3]]);
  });

  test("where as many others are prepared already; one line says so, and those go on being", async () => {
    const { sent, told } = await sentBy(program(`for (const n of [2, 3, 4, 5, 2]) await pool.query("select " + n);`));
    // The pool's first was "select 1".
    expect(sent).toEqual([[named, "select 2"], [named, "select 3"], ["select 4"], ["select 5"], [named, "select 2"]]);
    expect(told).toMatchObject([
      { level: "warn", message: expect.stringContaining("more than 3 different") as string },
    ]);
  });
});

describe("any other statement is prepared", () => {
  test("with values or without, by promise or callback, under the same name on each connection", async () => {
    const { sent } = await sentBy(
      program(`
        const by = (...query) => new Promise((resolve) => pool.query(...query, resolve));
        await pool.query(" SELECT a FROM t;");
        await by(" SELECT a FROM t;");
        await pool.query("update t set a = $1", [5]);
        await by("update t set a = $1", [6]);
        await open().query(" SELECT a FROM t;");`),
    );
    expect(sent).toEqual([
      [named, " SELECT a FROM t;"],
      [named, " SELECT a FROM t;"],
      [named, "update t set a = $1", 5],
      [named, "update t set a = $1", 6],
      expect.anything(), // the guard's own first one
      [named, " SELECT a FROM t;"],
    ]);
    expect(new Set([sent[0], sent[1], sent[5]].map((one) => one![0])).size).toBe(1);
    expect(sent[2]![0]).not.toBe(sent[0]![0]);
  });
});

test("a callback that is null means a promise, as it does to pg", async () => {
  const { printed } = await sentBy(
    program(`const client = await pool.connect(); console.log(await asked(client.query("select 2", [], null)));`),
  );
  expect(printed).toEqual(["done"]);
});

/** What PostgreSQL says where it does not take a name, by its function that says so. */
const refusals = [
  ["26000", "FetchPreparedStatement", "of a name that it does not know"],
  ["42P05", "StorePreparedStatement", "of a name that it has already"],
  ["0A000", "RevalidateCachedQuery", "of a table that was altered"],
] as const;

describe("a prepared statement that is refused", () => {
  const insert = "insert into receipts values ($1)";
  const twice = `
    console.log(await asked(pool.query("${insert}", [1])));
    console.log(await new Promise((resolve) => pool.query("${insert}", [2], (error) => resolve(error?.message ?? "done"))));`;

  test.each(refusals)("because (%s, %s) %s is sent again without, once, and stays without", async (code, routine) => {
    const refusal = JSON.stringify({ code, routine, message: "not by this name" });
    const { sent, told, printed } = await sentBy(program(twice, `(text, name) => name && ${refusal}`));
    expect(printed).toEqual(["done", "done"]);
    expect(sent).toEqual([
      [named, insert, 1],
      [insert, 1],
      [insert, 2],
    ]);
    expect(told.map(({ level, error }) => [level, error])).toEqual([["warn", "not by this name"]]);
  });

  test("and is refused again without a name is given up", async () => {
    const { sent, printed } = await sentBy(
      program(
        `console.log(await asked(pool.query("${insert}", [1])));`,
        `(text) => text === "${insert}" && { code: "26000" }`,
      ),
    );
    expect(printed).toEqual(["refused"]);
    expect(sent).toEqual([
      [named, insert, 1],
      [insert, 1],
    ]);
  });

  test("is prepared on the next connection", async () => {
    const { sent } = await sentBy(
      program(
        `await pool.query("${insert}", [1]); await open().query("${insert}", [2]);`,
        `(text, name, number) => number === 1 && text === "${insert}" && { code: "0A000" }`,
      ),
    );
    expect(sent.at(-1)).toEqual([named, insert, 2]);
  });

  // What may have been done is never sent twice.
  const others = [
    { message: "a pooler's own words" },
    { code: "23505", routine: "_bt_check_unique", message: "duplicate key" },
    { code: "57P01", routine: "ProcessInterrupts", message: "terminating connection" },
    { code: "40001", routine: "heap_update", message: "could not serialize" },
    { code: "08P01", message: "server shutting down" },
    { code: "P0001", routine: "exec_stmt_raise", message: "prepared statement does not exist" },
  ];
  test("for any other reason is not sent again", async () => {
    const { sent, printed } = await sentBy(
      program(
        `const client = await pool.connect();
         for (const n of [0, 1, 2, 3, 4, 5]) console.log(await asked(client.query("${insert} -- " + n, [n])));`,
        `(text, name, number) => text.startsWith("${insert}") && ${JSON.stringify(others)}[number - 1]`,
      ),
      "100",
    );
    expect(printed).toEqual(others.map(({ message }) => message));
    expect(sent).toEqual(others.map((_, n) => [named, `${insert} -- ${n}`, n]));
  });

  // pg would parse its name again on the same connection, and PgBouncer would close that.
  test("for any other reason stays without a name on this connection, by promise or callback", async () => {
    const ask = `
      const client = await pool.connect();
      const by = (text) => new Promise((resolve) => client.query(text, (error) => resolve(error?.message ?? "done")));
      console.log(await asked(client.query("select 2")));
      console.log(await asked(client.query("select 2")));
      console.log(await by("select 3"));
      console.log(await by("select 3"));`;
    const { sent, printed, told } = await sentBy(
      program(ask, `(text, name) => text !== "select 1" && name && { message: "lock timeout" }`),
    );
    expect(printed).toEqual(["lock timeout", "done", "lock timeout", "done"]);
    expect(sent).toEqual([[named, "select 2"], ["select 2"], [named, "select 3"], ["select 3"]]);
    expect(told).toEqual([]);
  });

  test("after its program gave up waiting is not sent again", async () => {
    const { sent, printed } = await sentBy(
      program(
        `pool.options.query_timeout = 1;
         const client = await pool.connect();
         client.connectionParameters.query_timeout = 1;
         console.log(await asked(client.query("${insert}", [1])));
         await new Promise((resolve) => setTimeout(resolve, 50));`,
        `(text, name) => text === "${insert}" && name && { code: "26000" }`,
      ),
    );
    expect(printed).toEqual(["Query read timeout"]);
    expect(sent).toEqual([[named, insert, 1]]);
  });
});
