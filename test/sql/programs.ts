/** Runs the ops programs as production does: bundled, in a process of their own. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bundleOps } from "../../components/programs/opsBundle";
import { migrationsDir } from "../postgres";

export interface Result {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Standard output's lines, parsed. */
  lines: Record<string, unknown>[];
  stdout: string;
  stderr: string;
  milliseconds: number;
}

export interface Running {
  child: ChildProcess;
  result: Promise<Result>;
}

const root = dirname(dirname(__dirname));
const bundles = new Map<string, string>();
const dir = mkdtempSync(join(tmpdir(), "ops-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

function bundle(program: string): string {
  let path = bundles.get(program);
  if (path === undefined) {
    path = join(dir, `${program}.js`);
    writeFileSync(path, bundleOps([program], root)[program]!);
    bundles.set(program, path);
  }
  return path;
}

/** Starts a program; of this process' environment it inherits PATH alone. */
export function startOps(program: string, args: string[], env: Record<string, string>): Running {
  const started = Date.now();
  const child = spawn(process.execPath, [bundle(program), ...args], {
    env: { PATH: process.env["PATH"], MIGRATIONS_DIR: migrationsDir, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const result = new Promise<Result>((resolve) =>
    child.once("close", (code, signal) => {
      const json = stdout.split("\n").filter((line) => line.startsWith("{"));
      const lines = json.map((line) => JSON.parse(line) as Record<string, unknown>);
      resolve({ code, signal, lines, stdout, stderr, milliseconds: Date.now() - started });
    }),
  );
  return { child, result };
}

export function runOps(program: string, args: string[], env: Record<string, string>): Promise<Result> {
  return startOps(program, args, env).result;
}
