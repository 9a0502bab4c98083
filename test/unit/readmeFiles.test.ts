import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(__dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const [, table = ""] = readme.split("### To change something, open …");
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

test("README names as tested versions what .ci/run runs, and nothing else", () => {
  const runs = readFileSync(join(root, ".ci/run"), "utf8").match(/^\.ci\/(debian|postgres|upgrade|node).*$/gm);
  const [, versions = ""] = /^Tested versions, (.*?)\n\n/ms.exec(readme) ?? [];
  const named = [...versions.matchAll(/`(\.ci\/[^`]+)`/g)].map(([, command]) => command);
  expect(named).toEqual([".ci/run", ...(runs ?? [])]);
});
