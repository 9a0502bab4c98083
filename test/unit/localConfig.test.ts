import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readProject, UsageError } from "../../local/config";
import { changedPaths, covers, withIgnored } from "../../cloud/engine/diff";
import { takeLock } from "../../cloud/host/lock";
import { processMark } from "../../cloud/host/pidFile";

const directory = mkdtempSync(join(tmpdir(), "config-test-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("the configuration", () => {
  writeFileSync(
    join(directory, "Pulumi.yaml"),
    "name: p\nruntime: nodejs\nconfig:\n  zones: { type: integer, default: 2 }\n  tags: { type: object, default: {} }\n  region: { type: string }\n",
  );
  const stackFile = join(directory, "Pulumi.local.yaml");
  writeFileSync(stackFile, "config:\n  p:region: eu-west-1\n  p:tags: { team: a }\n  aws:profile: x\n");

  test("is the project's defaults, then the stack's file, then what was set, as the texts Pulumi keeps", () => {
    expect(readProject(directory, stackFile, ["zones=3"])).toEqual({
      name: "p",
      config: { "p:zones": "3", "p:tags": '{"team":"a"}', "p:region": "eu-west-1", "aws:profile": "x" },
    });
    expect(readProject(directory, stackFile, []).config["p:zones"]).toBe("2");
  });

  test("that cannot be read is wrong usage, and says which file", () => {
    expect(() => readProject(directory, join(directory, "none.yaml"), [])).toThrow(/cannot read .*none\.yaml/);
    expect(() => readProject(directory, stackFile, ["zones"])).toThrow("--set zones: expected key=value");
    expect(() => readProject(directory, stackFile, ["4"])).toThrow(/a value with spaces: .\/authensor up --set '/);
  });
});

describe("a stack's file", () => {
  const stackFile = join(directory, "Pulumi.other.yaml");
  const expected = `is not as expected: "config:", and indented by spaces below it lines such as "authensor-database:maxConnections: 150"`;
  const unlike = (line: number) => `Pulumi.other.yaml, line ${line}: ${expected}`;
  test.each([
    ["with a second colon", "config:\n  p:region: eu: west\n", unlike(2)],
    ["with a tab", "config:\n\tp:region: eu-west-1\n", unlike(2)],
    ["with a quote left open", 'config:\n  p:region: "eu-west-1\n', unlike(3)],
    ["with a brace left open", "config:\n  p:tags: {a: b\n", unlike(3)],
    ["with a lost indentation", "config:\n  p:region: a\n p:zones: 2\n", unlike(3)],
    [
      "with a key twice",
      "config:\n  p:region: a\n  p:region: b\n",
      "Pulumi.other.yaml, line 3: has a key that is there already; remove one of the two",
    ],
    ["with a lost value", "config:\n  p:region\n", `Pulumi.other.yaml ${expected}`],
    ["with a list", "config:\n  - p:region: a\n", `Pulumi.other.yaml ${expected}`],
    ["with a text", "config\n", `Pulumi.other.yaml ${expected}`],
  ])("%s is refused in one line of ours", (_, text, message) => {
    writeFileSync(stackFile, text);
    expect(() => readProject(directory, stackFile, [])).toThrow(new UsageError(message));
  });

  test.each(["", "# nothing yet\n", "config:\n", "encryptionsalt: v1:x\n"])("may set nothing: %j", (text) => {
    writeFileSync(stackFile, text);
    expect(readProject(directory, stackFile, []).config).toEqual({ "p:zones": "2", "p:tags": "{}" });
  });
});

describe("differences", () => {
  test("are the paths of the values that differ; absent and undefined are the same", () => {
    const before = { a: 1, b: { c: [1, 2] }, d: undefined };
    const after = { a: 1, b: { c: [1, 3, 4] }, e: "new" };
    expect(changedPaths(before, after)).toEqual([["b", "c", "1"], ["b", "c", "2"], ["e"]]);
  });

  test.each([
    ["a.b", ["a", "b", "c"], true],
    ["a.b.c", ["a", "b"], true],
    ["a.b", ["a", "x"], false],
    ["a[0].b", ["a", "0", "b"], true],
    ["a[*].b", ["a", "7", "b"], true],
    ['a["x.y"]', ["a", "x.y"], true],
    ["*", ["anything"], true],
  ])("%s covers %j: %s", (pattern, path, expected) => {
    expect(covers(pattern, path)).toBe(expected);
  });

  test("under an ignored path are undone, additions included", () => {
    const before = { tags: { owner: "x" }, list: [{ a: 1 }] };
    const after = { tags: { owner: "y", new: "z" }, list: [{ a: 2 }], size: 3 };
    expect(withIgnored(before, after, ["tags.*", "list[0].a"])).toEqual({ ...before, size: 3 });
  });
});

describe("the lock", () => {
  test("is had by one at a time, and given back", () => {
    const release = takeLock(directory, "make local");
    expect(() => takeLock(directory, "make down")).toThrow(/"make local" is running in .* \(process \d+\)/);
    release();
    takeLock(directory, "make down")();
  });

  test("of a dead process is taken over, also where its pid belongs to another now", () => {
    for (const holder of [`999999 gone x make local\n`, `${process.pid} an-earlier-process x make local\n`]) {
      writeFileSync(join(directory, "lock"), holder);
      takeLock(directory, "make local")();
    }
    writeFileSync(join(directory, "lock"), `${process.pid} ${processMark(process.pid)} x make local\n`);
    expect(() => takeLock(directory, "make down")).toThrow("is running in");
    rmSync(join(directory, "lock"));
  });
});
