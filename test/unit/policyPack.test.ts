/** The policy pack as it is installed on its own, and started as Pulumi starts it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { credentials } from "@grpc/grpc-js";
import * as analyzer from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import type { AnalyzerInfo } from "@pulumi/pulumi/proto/analyzer_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { afterAll, expect, test } from "vitest";
import { rules } from "../../policy/rules";

const root = join(__dirname, "../..");
const pack = join(root, "policy");
const read = <T>(path: string) => JSON.parse(readFileSync(path, "utf8")) as T;

type Lock = { packages: Record<string, { version: string; dependencies?: Record<string, string> }> };
const lock = read<Lock>(join(pack, "package-lock.json"));
const { "": own, ...locked } = lock.packages;

const installed = mkdtempSync(join(tmpdir(), "policy-pack-"));
let started: ChildProcess | undefined;
afterAll(() => {
  started?.kill("SIGKILL");
  rmSync(installed, { recursive: true, force: true });
});

test("its lock file is of its package.json, and has what the rules are tested with here (npm run policy-lock)", () => {
  expect(own!.dependencies).toEqual(read<Lock["packages"][""]>(join(pack, "package.json")).dependencies);
  const tested = read<Lock>(join(root, "package-lock.json")).packages;
  const others = Object.keys(locked).filter((path) => locked[path]!.version !== tested[path]?.version);
  expect(others).toEqual([]);
});

test("offers every rule with nothing installed but what its lock file has", async () => {
  cpSync(pack, installed, { recursive: true, filter: (path) => !path.includes("node_modules") });
  for (const path of Object.keys(locked)) {
    // What is installed below another package comes with it.
    if (path.lastIndexOf("node_modules/") > 0) continue;
    mkdirSync(dirname(join(installed, path)), { recursive: true });
    symlinkSync(join(root, path), join(installed, path));
  }
  // Links stay links: a package that the lock file lacks is not found beside the one that needs it.
  const links = ["--preserve-symlinks", "--preserve-symlinks-main"];
  const program = "node_modules/@pulumi/pulumi/cmd/run-policy-pack/index.js";
  started = spawn(process.execPath, [...links, program, "127.0.0.1:1", "."], { cwd: installed });
  const said: string[] = [];
  started.stderr!.on("data", (text) => said.push(String(text)));
  const ended = once(started, "exit").then(() => Promise.reject(new Error(said.join(""))));
  const [port] = (await Promise.race([once(createInterface(started.stdout!), "line"), ended])) as [string];

  const client = new analyzer.AnalyzerClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const info = await new Promise<AnalyzerInfo>((resolve, reject) =>
    client.getAnalyzerInfo(new Empty(), (error: Error | null, answer: AnalyzerInfo) =>
      error ? reject(error) : resolve(answer),
    ),
  );
  client.close();
  expect(info.getPoliciesList().map((policy) => policy.getName())).toEqual(rules.map(({ name }) => name));
});
