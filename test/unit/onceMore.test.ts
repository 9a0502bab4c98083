/** What ONCE_MORE=1 makes of tests that fail (test/run.sh), on a project of four small rooms. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const root = resolve(__dirname, "../..");
let directory: string;

function write(path: string, text: string): void {
  mkdirSync(join(directory, path, ".."), { recursive: true });
  writeFileSync(join(directory, path), text);
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "once-more-"));
  const projects = ["unit", "sql", "local", "waiting"].map((name) => {
    write(`test/${name}/fine.test.ts`, 'test("fine", () => {});');
    return { test: { name, globals: true, include: [`test/${name}/*.test.ts`], globalSetup: "test/servers.ts" } };
  });
  write("vitest.config.mjs", `export default ${JSON.stringify({ test: { maxWorkers: 2, projects } })}`);
  write("test/servers.ts", "export default () => {};");
  write(
    "test/sql/late.test.ts",
    'import { existsSync, writeFileSync } from "node:fs"; test("late", () => { if (existsSync("was")) return; writeFileSync("was", ""); throw new Error("late"); });',
  );
});
afterEach(() => rmSync(directory, { recursive: true }));

function run(): { code: number | null; says: string[] } {
  // As from a shell: what this run of vitest tells its workers is not that one's.
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV|TEST$|MODE$|DEV$|PROD$)/.test(name));
  const PATH = [join(root, "node_modules/.bin"), process.env["PATH"]].join(delimiter);
  const { status, stdout } = spawnSync("sh", [join(root, "test/run.sh")], {
    cwd: directory,
    env: { ...Object.fromEntries(own), PATH, ONCE_MORE: "1" },
    encoding: "utf8",
  });
  return { code: status, says: stdout.split("\n").filter((line) => line.includes("once more")) };
}

test("a file that fails once, and not when run once more, alone, is green and named", () => {
  const file = "test/sql/late.test.ts";
  expect(run()).toEqual({
    code: 0,
    says: [`once more, alone: ${file}`, `passed only when run once more, alone: ${file}`],
  });
});

test("a file that fails again is red, beside one that does not", () => {
  write("test/waiting/never.test.ts", 'test("never", () => { throw new Error("never"); });');
  expect(run()).toEqual({ code: 1, says: ["once more, alone: test/sql/late.test.ts test/waiting/never.test.ts"] });
});

test.each([
  [
    "a process that runs tests dies",
    "test/local/dies.test.ts",
    'test("dies", () => { process.kill(process.pid, "SIGKILL"); });',
  ],
  [
    "an error reaches no test",
    "test/unit/rejects.test.ts",
    'test("rejects", async () => { void Promise.reject(new Error("nobody hears")); await new Promise((passed) => setTimeout(passed, 50)); });',
  ],
  [
    "servers cannot be set up, so that tests are not run",
    "test/servers.ts",
    'export default ({ name }) => { if (name === "waiting") throw new Error("no server"); };',
  ],
])("it is red where %s, whatever else would pass once more", (_, path, text) => {
  write(path, text);
  expect(run()).toEqual({
    code: 1,
    says: ["nothing is run once more: not only tests failed, see the errors above"],
  });
});
