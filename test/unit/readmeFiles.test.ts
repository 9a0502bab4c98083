import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(__dirname, "../..");
const [, table = ""] = readFileSync(join(root, "README.md"), "utf8").split("### To change something, open …");
const named = [...table.matchAll(/`([\w./]+\/[\w./]*)`/g)].map(([, path = ""]) => path);

test("README's table of what to open has entries", () => {
  expect(named.length).toBeGreaterThan(15);
});

test.each([...new Set(named)].filter((path) => !path.includes("NNN_")))(
  "README sends to a file that exists: %s",
  (path) => {
    expect(existsSync(join(root, path))).toBe(true);
  },
);
