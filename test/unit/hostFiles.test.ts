import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { forgetAlias, wordSafe } from "../../cloud/host/alias";
import { readIfThere, writeDurably, writeWhole } from "../../cloud/host/files";

const directory = mkdtempSync(join(tmpdir(), "files test-"));
afterAll(() => rmSync(directory, { recursive: true }));
const at = (name: string) => join(directory, name);
const modeOf = (name: string) => statSync(at(name)).mode & 0o777;

describe("a file written whole", () => {
  test("has the mode that was asked for whatever the umask is, and nobody else's by default", () => {
    const before = process.umask(0o077);
    try {
      writeWhole(at("public"), "x", { mode: 0o644 });
      writeWhole(at("private"), "x");
    } finally {
      process.umask(before);
    }
    expect([modeOf("public"), modeOf("private")]).toEqual([0o644, 0o600]);
  });

  test("says whether it had another content, and is left alone where it had not", () => {
    expect(writeWhole(at("same"), "one")).toBe(true);
    const { ino } = statSync(at("same"));
    expect(writeWhole(at("same"), "one")).toBe(false);
    expect(statSync(at("same")).ino).toBe(ino);
    expect(writeWhole(at("same"), "two")).toBe(true);
    expect(readFileSync(at("same"), "utf8")).toBe("two");
  });

  test("is another file than the one that a reader has open: it never sees half of one", () => {
    writeWhole(at("replaced"), "old");
    const { ino } = statSync(at("replaced"));
    writeWhole(at("replaced"), "new");
    expect(statSync(at("replaced")).ino).not.toBe(ino);
  });

  test("replaces what a killed command has left half written, however closed that is", () => {
    writeFileSync(at("left.new"), "hal", { mode: 0o400 });
    writeWhole(at("left"), "whole", { mode: 0o400 });
    writeWhole(at("left"), "again", { mode: 0o400 });
    expect(readFileSync(at("left"), "utf8")).toBe("again");
    expect(readdirSync(directory).filter((name) => name.endsWith(".new"))).toEqual([]);
  });

  test("and kept through a power cut is for its owner only", async () => {
    await writeDurably(at("durable"), "kept");
    expect([readFileSync(at("durable"), "utf8"), modeOf("durable")]).toEqual(["kept", 0o600]);
  });
});

describe("a file read if it is there", () => {
  test("is undefined where there is none, also below something that is no directory", () => {
    expect(readIfThere(at("none"))).toBeUndefined();
    writeFileSync(at("flat"), "");
    expect(readIfThere(at("flat/below"))).toBeUndefined();
  });

  test("is an error where it is there and cannot be read: what was stored is not to be made anew over it", () => {
    symlinkSync(at("loop"), at("loop"));
    expect(() => readIfThere(at("loop"))).toThrow("ELOOP");
  });
});

describe("a directory of several words", () => {
  test("has a name of one word besides, until that is forgotten", () => {
    writeFileSync(at("inside"), "found");
    const alias = wordSafe(at("inside"), directory);
    expect(alias).toMatch(/^\/tmp\/local-cloud-[\w-]+\/inside$/);
    expect(wordSafe(at("inside"), directory)).toBe(alias);
    expect(readFileSync(alias, "utf8")).toBe("found");
    forgetAlias(directory);
    expect(readIfThere(alias)).toBeUndefined();
    forgetAlias(directory);
  });

  test("of one word stays as it is", () => {
    expect(wordSafe("/a/b-c.d", "/a")).toBe("/a/b-c.d");
  });
});
