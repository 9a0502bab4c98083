/** What the guard sends again, by a driver that answers as it is told; with a real server and pooler: test/sql/pooling.test.ts. */
import { describe, expect, test } from "vitest";
import type { Done, QueryingClient } from "../../ops/guard/driver";
import { prepareStatements } from "../../ops/guard/statements";
import { silentLog } from "../../ops/log";

const text = "select * from receipts where id = $1";
const refusal = (code?: string) => Object.assign(new Error(`refused: ${code}`), { code });

/** A client of a driver whose first answers are these; what it is asked is kept. */
function client(answers: (Error | object | undefined)[], status: string | undefined = "I", asks = text) {
  const asked: unknown[] = [];
  const prototype = {
    query(config: unknown, _values: unknown, done?: Done): unknown {
      asked.push(typeof config === "string" ? "as it is" : "prepared");
      const answer = answers.shift() ?? "rows";
      const failed = answer instanceof Error;
      if (!done) return failed ? Promise.reject(answer) : Promise.resolve(answer);
      return void setImmediate(() => (failed ? done(answer) : done(undefined, answer)));
    },
    ...(status === undefined ? {} : { getTransactionStatus: () => status }),
  };
  prepareStatements({ Pool: { prototype: {} as never }, Client: { prototype } }, 32, silentLog);
  const connection = Object.create(prototype) as QueryingClient;
  const query = () => connection.query(asks, ["a"]) as Promise<unknown>;
  return { asked, query };
}

describe("a prepared statement", () => {
  test.each([
    ["a name that the server does not know", "26000"],
    ["a name that it has already", "42P05"],
    ["a result that has other columns", "0A000"],
    ["an operator that is none for the column's new type", "42883"],
    ["a parameter that cannot be written to a column of the new type", "42804"],
    ["a value that the parameter's former type cannot hold", "22003"],
  ])("is sent again as it is when it is refused for %s", async (_, code) => {
    for (const status of ["I", undefined]) {
      const { asked, query } = client([refusal(code)], status);
      expect(await query()).toBe("rows");
      expect(asked).toEqual(["prepared", "as it is"]);
    }
  });

  test("that is wrong in itself is answered by its second error, and not sent a third time", async () => {
    const { asked, query } = client([refusal("42703"), refusal("42P01"), refusal("42P02")]);
    await expect(query()).rejects.toThrow("refused: 42P01");
    expect(asked).toHaveLength(2);
  });

  test.each([
    ["a key that there is already", "23505", "I"],
    ["a deadlock", "40P01", "I"],
    ["a connection that was lost: it may have been done", "57P01", "I"],
    ["a connection that was lost without a word", undefined, "I"],
    ["whatever reason inside a transaction, which is over by then", "42883", "T"],
  ])("is not sent again after %s", async (_, code, status) => {
    const { asked, query } = client([refusal(code)], status);
    await expect(query()).rejects.toThrow("refused");
    expect(asked).toEqual(["prepared"]);
  });
});

describe("the answer to a prepared statement", () => {
  const insert = "insert into receipts (id) values ($1) returning *";
  const stored = { command: "INSERT", rowCount: 1 };

  test.each<[string, string, object, RegExp]>([
    [
      "a SELECT that tells of a row",
      insert,
      { command: "SELECT", rowCount: 1, rows: [{}] },
      /answered INSERT by SELECT/,
    ],
    ["an INSERT that stored nothing", insert, { command: "INSERT", rowCount: 0 }, /stored no row/],
    ["a SELECT in an UPDATE's place", "update t set a = $1", { command: "SELECT", rowCount: 1 }, /UPDATE by SELECT/],
  ])("that is %s is an error, and the statement is then sent as it is", async (_what, asks, answer, error) => {
    const { asked, query } = client([answer, stored], "I", asks);
    await expect(query()).rejects.toThrow(error);
    await expect(query()).resolves.toBe(stored);
    expect(asked).toEqual(["prepared", "as it is"]);
  });

  test.each<[string, object]>([
    [insert, stored],
    ["insert into t values ($1) on conflict do nothing", { command: "INSERT", rowCount: 0 }],
    ["insert into t select $1 where false", { command: "INSERT", rowCount: 0 }],
    ["with t as (select $1) insert into u select * from t", { command: "INSERT", rowCount: 0 }],
    ["update t set a = $1", { command: "UPDATE", rowCount: 0 }],
    ["select $1", { command: "SELECT", rowCount: 0 }],
  ])("%s is handed on where it can be its own", async (asks, answer) => {
    expect(await client([answer], "I", asks).query()).toBe(answer);
  });
});
