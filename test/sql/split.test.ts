import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitStatements } from "../../ops/migrate/split";
import { migrationsDir } from "../postgres";

const texts = (sql: string) => splitStatements(sql).map(({ text }) => text);

describe("splitting a file into statements", () => {
  it.each([
    ["statements end at semicolons", "select 1; select 2", ["select 1", "select 2"]],
    ["empty statements are none", ";; select 1;;", ["select 1"]],
    ["a file of comments has none", "-- a\n/* b; */\n", []],
    ["a semicolon in a string ends nothing", "select 'a;''b;'; select 2", ["select 'a;''b;'", "select 2"]],
    ["a backslash is a character in a plain string", "select '\\'; select 2", ["select '\\'", "select 2"]],
    ["a backslash escapes in an E string", "select E'\\';'; select 2", ["select E'\\';'", "select 2"]],
    ["a semicolon in a quoted name ends nothing", 'select 1 as "a;""b"; select 2', ['select 1 as "a;""b"', "select 2"]],
    [
      "a semicolon in a line comment ends nothing",
      "select 1 -- a;b\n+ 1; select 2",
      ["select 1 -- a;b\n+ 1", "select 2"],
    ],
    ["a quote in a comment opens nothing", "-- don't\nselect 1; /* don't */ select 2", ["select 1", "select 2"]],
    ["block comments nest", "select /* /* ; */ ; */ 1; select 2", ["select /* /* ; */ ; */ 1", "select 2"]],
    ["dollar quotes hold anything", "do $$ begin; end $$; select 2", ["do $$ begin; end $$", "select 2"]],
    ["a dollar quote ends at its own tag", "do $a$ $$ ; $b$ ; $a$; select 2", ["do $a$ $$ ; $b$ ; $a$", "select 2"]],
    ["parameters are no dollar quotes", "select $1; select $2", ["select $1", "select $2"]],
    ["names may hold dollars", "select a$b; select c$d", ["select a$b", "select c$d"]],
    [
      "the body of an SQL function keeps its semicolons",
      "create function f() begin atomic select case when a then 1 end; select 2; end; select 3",
      ["create function f() begin atomic select case when a then 1 end; select 2; end", "select 3"],
    ],
    ["a transaction's begin opens no body", "begin; select 1; end; select 2", ["begin", "select 1", "end", "select 2"]],
    ["what is never closed runs to the end", "select 'a; select 2", ["select 'a", "select 2"]],
  ])("%s", (_name, sql, expected) => {
    expect(texts(sql)).toEqual(expected);
  });

  it("numbers the line a statement starts on, after the comments before it", () => {
    const sql = "-- head\n\nselect 1;\n/* two\nlines */ select\n  2;\n-- tail\n";
    expect(splitStatements(sql)).toEqual([
      { text: "select 1", line: 3 },
      { text: "select\n  2", line: 5 },
    ]);
  });

  it("finds the statements it is given, whatever lies in their strings and comments", () => {
    const inner = fc.string({ unit: fc.constantFrom("a", ";", " ", "\n", '"', "-", "/", "*", "$", "é", "\\") });
    const piece = fc.oneof(
      inner.map((s) => `'${s}'`),
      inner.map((s) => `"${s.replaceAll('"', '""')}"`),
      inner.map((s) => `$q$${s.replaceAll("$", "")}$q$`),
      inner.map((s) => `/*${s.replaceAll("/", "")}*/`),
      inner.map((s) => `--${s.replaceAll("\n", "")}\n`),
    );
    const statement = fc.array(piece, { maxLength: 5 }).map((pieces) => `select ${pieces.join(" ")} x`);
    fc.assert(
      fc.property(fc.array(statement), (statements) => {
        expect(texts(statements.join(";\n"))).toEqual(statements);
      }),
    );
  });

  it("loses nothing of the migrations in this project", () => {
    for (const file of readdirSync(migrationsDir).filter((name) => /^\d{3}_/.test(name))) {
      const sql = readFileSync(join(migrationsDir, file), "utf8");
      const statements = splitStatements(sql);
      expect(statements.length, file).toBeGreaterThan(0);
      let rest = sql;
      for (const { text, line } of statements) {
        const at = rest.indexOf(text);
        // Between two statements there is nothing but white space, comments and the semicolon.
        expect(rest.slice(0, at).replace(/--[^\n]*|\/\*.*?\*\//gs, ""), `${file}:${line}`).toMatch(/^[\s;]*$/);
        rest = rest.slice(at + text.length);
      }
      expect(rest.replace(/--[^\n]*|\/\*.*?\*\//gs, ""), file).toMatch(/^[\s;]*$/);
    }
  });
});
