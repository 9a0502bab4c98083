import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(__dirname, "../..");
const text = (file: string) => readFileSync(join(root, file), "utf8");

// The linter keeps the order of the folders that it knows, and nothing else in components/.
test("every component is in a folder whose place in the order is known to the linter and to README", () => {
  const [, listed = ""] = /const concepts = \[(.*?)\n\];/s.exec(text("eslint.config.mjs")) ?? [];
  const order = [...listed.matchAll(/"(\w+)"/g)].map(([, folder = ""]) => folder);
  const [, told = ""] = /those\s+before it: ([\w,\s]+?)\n +sql\//.exec(text("README.md")) ?? [];
  expect([...order].sort()).toEqual(readdirSync(join(root, "components")).sort());
  expect(told.trim().split(/,\s+/)).toEqual(order);
});
