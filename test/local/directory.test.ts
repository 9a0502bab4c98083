import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";

const directory = mkdtempSync(join(tmpdir(), "authensor-directory-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = join(directory, "file");
writeFileSync(file, "");

test.each([
  ["is a file", file, `${file} is not a directory`],
  ["is below a file", join(file, "local"), `${file} is not a directory`],
  ["cannot be made", "/proc/authensor", "/proc/authensor cannot be made"],
])("a local directory that %s is refused at once, in one line, with 2", (_what, path, says) => {
  const { status, stderr } = spawnSync(resolve(__dirname, "../../authensor"), ["status"], {
    env: { ...process.env, AUTHENSOR_LOCAL_DIR: path },
    encoding: "utf8",
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  expect(status).toBe(2);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toContain(`error: AUTHENSOR_LOCAL_DIR: ${says}`);
});
