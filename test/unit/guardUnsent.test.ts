/** What the guard answers in the database's place, and that it answers nothing else. */
import { describe, expect, test } from "vitest";
import { keyUse, newestHash } from "../../ops/guard/unsent";
import { buildGuard } from "../guarded";
import { program, sentBy } from "../serverless";

buildGuard(); // where a key's use is noted once a second

const sentTexts = async (script: string) => (await sentBy(program(script), "0")).sent;

describe("the newest receipt's hash", () => {
  test("is answered with no row and never asked for, by promise or callback, while every connection is taken", async () => {
    const { sent, printed } = await sentBy(
      program(`
        const held = await pool.connect();
        console.log(JSON.stringify((await pool.query("${newestHash}")).rows));
        console.log(JSON.stringify((await pool.query("${newestHash}", [])).rows));
        pool.query("${newestHash}", (error, { rows }) => console.log(JSON.stringify([error ?? null, rows])));
        console.log("after the call");
        await new Promise((resolve) => pool.query("${newestHash}", [], (error, { rowCount }) => resolve(console.log(rowCount))));
        held.release();`),
    );
    expect(printed).toEqual(["[]", "[]", "after the call", "[null,[]]", "0"]);
    expect(sent).toEqual([]);
  });

  test.each([
    ["another text", `${newestHash} `],
    ["a part of another statement", `select (${newestHash})`],
    ["only of one agent", newestHash.replace("ORDER", "AND actor_id = 'a' ORDER")],
  ])("is asked for where the program wants something else: %s", async (_, text) => {
    expect(await sentTexts(`await pool.query(${JSON.stringify(text)});`)).toEqual([[text]]);
  });

  test("is refused by a pool that has ended, as pg refuses it", async () => {
    const { printed } = await sentBy(
      program(`const other = open(); await other.end(); console.log(await asked(other.query("${newestHash}")));`),
    );
    expect(printed).toEqual(["Cannot use a pool after calling end on the pool"]);
  });
});

describe("the use of a key", () => {
  test("is noted at once, not again while that is fresh, and again afterwards", async () => {
    const { sent, printed } = await sentBy(
      program(`
        const use = async (key) => console.log((await pool.query("${keyUse}", [key])).rowCount);
        await use("a"); await use("a"); await use("b"); await use("a");
        await new Promise((resolve) => setTimeout(resolve, 1100));
        await use("a");
        pool.query("${keyUse}", ["a"], (error, { rowCount }) => console.log("by callback", rowCount));
        await new Promise((resolve) => setTimeout(resolve, 50));`),
      "0",
    );
    expect(sent).toEqual([
      [keyUse, "a"],
      [keyUse, "b"],
      [keyUse, "a"],
    ]);
    expect(printed).toEqual(["1", "1", "1", "1", "1", "by callback 1"]);
  });

  test("tells who notes it of an error, is noted again at the next, and no other change of a key is kept back", async () => {
    const revoked = "UPDATE api_keys SET revoked_at = now() WHERE id = $1";
    const { sent, printed } = await sentBy(
      program(
        `for (const text of ["${revoked}", "${revoked}", "${keyUse}"]) console.log(await asked(pool.query(text, ["a"])));
         console.log(await asked(open().query("${keyUse}", ["a"])));`,
        `(text) => text === "${keyUse}" && { message: "no right" }`,
      ),
      "0",
    );
    expect(printed).toEqual(["done", "done", "no right", "no right"]);
    expect(sent).toEqual([
      [revoked, "a"],
      [revoked, "a"],
      [keyUse, "a"],
      expect.anything(), // the guard's own first one
      [keyUse, "a"],
    ]);
  });
});
