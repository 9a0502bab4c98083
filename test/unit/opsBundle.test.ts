import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundleOps, readMigrations } from "../../components/opsBundle";

const root = join(__dirname, "../..");
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "ops-bundle-"));
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** A project of its own with one program and this one's packages. */
function project(name: string, source: string): string {
  const directory = join(scratch, name);
  mkdirSync(join(directory, "ops"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  writeFileSync(join(directory, "ops/hello.ts"), source);
  return directory;
}
const hello = 'import pg from "pg";\nconst kind: string = typeof pg.Client;\nconsole.log("käse", kind);\n';

describe("a bundle", () => {
  test("is one file that runs on Node alone, with its packages in it", () => {
    const directory = project("alone", hello);
    const file = join(scratch, "alone.js");
    writeFileSync(file, bundleOps("ops/hello.ts", directory));
    // Elsewhere, so that no node_modules can be found above it.
    expect(execFileSync(process.execPath, [file], { cwd: "/", encoding: "utf8", env: {} })).toBe("käse function\n");
  });

  test("is the same text wherever the same source lies", () => {
    const [here, there] = [project("here", hello), project("there/deeper", hello)];
    const text = bundleOps("ops/hello.ts", here);
    expect(bundleOps("ops/hello.ts", there)).toBe(text);
    expect(bundleOps("ops/hello.ts", here)).toBe(text);
    expect(text).not.toContain(scratch);
  });

  test("changes with the source", () => {
    const changed = project("changed", hello.replace("käse", "brot"));
    expect(bundleOps("ops/hello.ts", changed)).not.toBe(bundleOps("ops/hello.ts", project("unchanged", hello)));
  });

  test("that would not fit into a ConfigMap is refused with its size", () => {
    const large = project("large", `console.log(${JSON.stringify("x".repeat(1024 * 1024))});\n`);
    expect(() => bundleOps("ops/hello.ts", large)).toThrow(
      /ops\/hello\.ts: 10\d{5} bytes do not fit into a ConfigMap, which holds at most 1048576/,
    );
  });

  test("of a program that does not exist, or does not compile, fails and says why", () => {
    expect(() => bundleOps("ops/nothing.ts", root)).toThrow(/Could not resolve "ops\/nothing\.ts"/);
    const broken = project("broken", 'import "not-a-package";');
    expect(() => bundleOps("ops/hello.ts", broken)).toThrow(/Could not resolve "not-a-package"/);
  });

  test.each(["migrate", "partitions"])("of ops/%s.ts runs on Node alone and explains itself", (command) => {
    const file = join(scratch, `${command}.js`);
    writeFileSync(file, bundleOps(`ops/${command}.ts`, root));
    const help = execFileSync(process.execPath, [file, "--help"], { cwd: "/", encoding: "utf8", env: {} });
    expect(help).toMatch(/DATABASE_URL/);
  });
});

describe("the migrations of a directory", () => {
  const write = (name: string, files: Record<string, string>) => {
    const directory = join(scratch, name);
    mkdirSync(directory);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text);
    return directory;
  };

  test("are its numbered files, in order; a dump or a note beside them is not one", () => {
    const directory = write("some", {
      "002_b.sql": "b",
      "001_a.sql": "a",
      "schema.sql": "x",
      "README.md": "y",
      "3_c.sql": "z",
    });
    const { files, hash } = readMigrations(directory);
    expect(Object.entries(files)).toEqual([
      ["001_a.sql", "a"],
      ["002_b.sql", "b"],
    ]);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test("have a hash that follows names and contents, and nothing else", () => {
    const hash = (name: string, files: Record<string, string>) => readMigrations(write(name, files)).hash;
    const original = hash("h0", { "001_a.sql": "a", "002_b.sql": "b" });
    expect(hash("h1", { "002_b.sql": "b", "001_a.sql": "a", "notes.txt": "n" })).toBe(original);
    const different = [
      hash("h2", { "001_a.sql": "a", "002_b.sql": "c" }),
      hash("h3", { "001_a.sql": "a", "002_c.sql": "b" }),
      hash("h4", { "001_a.sql": "a" }),
      hash("h5", { "001_a.sql": "ab", "002_b.sql": "" }),
    ];
    expect(new Set([original, ...different]).size).toBe(5);
  });

  test("must be there, and must fit into one ConfigMap together", () => {
    expect(() => readMigrations(write("none", { "schema.sql": "x" }))).toThrow(/no migrations/);
    const half = "-".repeat(600 * 1024);
    expect(() => readMigrations(write("much", { "001_a.sql": half, "002_b.sql": half }))).toThrow(
      /001_a\.sql, 002_b\.sql: 12\d{5} bytes do not fit/,
    );
  });

  test("of this project are all there", () => {
    const names = Object.keys(readMigrations(join(root, "sql")).files);
    expect(names.map((name) => Number(name.slice(0, 3)))).toEqual(names.map((_, index) => index + 1));
  });
});
