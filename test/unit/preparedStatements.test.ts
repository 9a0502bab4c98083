/** What the guard sends again, by a driver that answers as it is told; with a real server and pooler: test/sql/pooling.test.ts. */
import { describe, expect, test } from "vitest";
import type { Done, QueryingClient } from "../../ops/guard/driver";
import { prepareStatements } from "../../ops/guard/statements";
import { silentLog } from "../../ops/log";

const text = "select * from receipts where id = $1";
const refusal = (code?: string) => Object.assign(new Error(`refused: ${code}`), { code });

/** A client of a driver whose first answers are these; what it is asked is kept. */
function client(answers: (Error | undefined)[], status: string | undefined = "I") {
  const asked: unknown[] = [];
  const prototype = {
    query(config: unknown, _values: unknown, done?: Done): unknown {
      asked.push(typeof config === "string" ? "as it is" : "prepared");
      const error = answers.shift();
      if (!done) return error ? Promise.reject(error) : Promise.resolve("rows");
      return void setImmediate(() => (error ? done(error) : done(undefined, "rows")));
    },
    ...(status === undefined ? {} : { getTransactionStatus: () => status }),
  };
  prepareStatements({ Pool: { prototype: {} as never }, Client: { prototype } }, 32, silentLog);
  const query = () => (Object.create(prototype) as QueryingClient).query(text, ["a"]) as Promise<unknown>;
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
