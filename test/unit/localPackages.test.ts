/** What the launcher does about npm packages, before any command: local/packages.cjs in a checkout of its own. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "packages-"));
  for (const name of ["local", "elsewhere", "bin"]) mkdirSync(join(root, name));
  copyFileSync(join(__dirname, "../../local/packages.cjs"), join(root, "local/packages.cjs"));
  write("package-lock.json", { "": {}, "node_modules/one": { version: "1.0.0" } });
});

afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, packages: object): void {
  writeFileSync(join(root, file), JSON.stringify({ packages }));
}

function install(at: string, version: string): void {
  mkdirSync(join(root, at), { recursive: true });
  write(join(at, ".package-lock.json"), { "node_modules/one": { version } });
}

/** @param npm what stands for it, a line of shell */
function launch(npm: string) {
  const program = join(root, "bin/npm");
  writeFileSync(program, `#!/bin/sh\n${npm}\n`);
  chmodSync(program, 0o755);
  const env = { ...process.env, PATH: `${join(root, "bin")}:${process.env["PATH"]}` };
  const script = 'require("./local/packages.cjs"); console.log("the command")';
  return spawnSync(process.execPath, ["-e", script], { cwd: root, env, encoding: "utf8" });
}

it("goes on without npm where the packages are those of the lock file", () => {
  install("node_modules", "1.0.0");
  expect(launch("echo asked >&2; exit 1")).toMatchObject({ status: 0, stdout: "the command\n", stderr: "" });
});

it("installs where another version is there, and leaves stdout to the command", () => {
  install("node_modules", "0.9.0");
  const { status, stdout, stderr } = launch('echo "npm $1"');
  expect({ status, stdout }).toEqual({ status: 0, stdout: "the command\n" });
  expect(stderr).toBe("installing the npm packages\nnpm ci\n");
});

it("does not go on where npm fails", () => {
  const { status, stdout, stderr } = launch("exit 7");
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toContain("error: npm ci failed, see above");
});

it("says so where there is no npm", () => {
  const env = { ...process.env, PATH: join(root, "bin") };
  const { status, stderr } = spawnSync(process.execPath, ["local/packages.cjs"], { cwd: root, env, encoding: "utf8" });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: "installing the npm packages\nerror: npm cannot be started (ENOENT): install it, then try again\n",
  });
});

it("does not have npm empty the directory behind a link", () => {
  install("elsewhere", "0.9.0");
  symlinkSync(join(root, "elsewhere"), join(root, "node_modules"));
  const { status, stderr } = launch("echo asked >&2");
  expect(status).toBe(1);
  expect(stderr).toBe(
    "error: node_modules is a link to packages that do not fit package-lock.json: run npm ci where it leads\n",
  );
});
