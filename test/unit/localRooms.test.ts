import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const cloud = join(__dirname, "../../cloud");
const files = readdirSync(cloud, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));

// Imports are the linter's to refuse; names of this project's own things, its commands and its variables are not imports.
test.each(files)("the local cloud names nothing of this project: %s", (file) => {
  const lines = readFileSync(join(cloud, file), "utf8").split("\n");
  const ours = /authensor|pgbouncer|control.?plane|receipt|partitions|\bmake (local|status|down|clean|cron)\b/i;
  expect(lines.filter((line) => ours.test(line))).toEqual([]);
});

test("there is a local cloud to look at", () => {
  expect(files.length).toBeGreaterThan(50);
});
