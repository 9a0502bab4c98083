import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const make = (...words: string[]) => {
  // As from a shell: a "make test" around this one must not pass its own variables on.
  const { MAKEFLAGS, MAKEOVERRIDES, MAKELEVEL, ...env } = process.env;
  void [MAKEFLAGS, MAKEOVERRIDES, MAKELEVEL];
  return spawnSync("make", ["--dry-run", ...words], { encoding: "utf8", env });
};

test("make refuses a mistyped variable, which it would ignore in silence, and names the right ones", () => {
  const { status, stderr } = make("cron", "NAM=partitions");
  expect(status).toBe(2);
  expect(stderr).toMatch(/unknown variable NAM; known: .*NAME/);
});

test("make passes the variables on that it knows", () => {
  expect(make("cron", "NAME=partitions").stdout.trim()).toBe("./authensor cron partitions");
  expect(make("local", "SET=a=1 b=2").stdout.trim()).toBe("./authensor up --set 'a=1' --set 'b=2'");
});
