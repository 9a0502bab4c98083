import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { scheduledNames } from "../../components/programs/scheduledNames";
import { documentedCommands } from "./documented";

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

test("every make command of the documents is one that the Makefile knows", () => {
  const commands = documentedCommands("make");
  expect(commands.length).toBeGreaterThan(30);
  const known = new Set<string>();
  for (const { where, words } of commands) {
    const [, target = "", ...others] = words;
    const variables = others.filter((one) => one.includes("="));
    const call = [target.replace(/:$/, ""), ...variables.map((variable) => variable.replace(/=.*/, "=x"))];
    if (known.has(call.join(" "))) continue;
    const { status, stderr } = make(...call);
    expect([where, status, stderr]).toEqual([where, 0, ""]);
    known.add(call.join(" "));
  }
  const named = commands.flatMap(({ words }) => words.filter((word) => /^NAME=\w/.test(word)));
  expect(scheduledNames.map((name) => `NAME=${name}`)).toEqual(expect.arrayContaining(named));
});
