import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readMigrations } from "../../ops/migrate/files";

const sql = join(__dirname, "../../sql");

test("no line of the migrations is longer than 120 characters", () => {
  const long = readMigrations(sql).flatMap(({ file }) =>
    readFileSync(join(sql, file), "utf8")
      .split("\n")
      .flatMap((line, index) => (line.length > 120 ? [`${file}:${index + 1}`] : [])),
  );
  expect(long).toEqual([]);
});
