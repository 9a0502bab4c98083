/** Runs the ops programs as production does: bundled, in a process of their own. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, renameSync, writeFileSync } from "node:fs";
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
const bundles = new Map<string, Promise<string>>();

/** Unless another file of tests has done it, or does it now: then the last one's text, which is the same, takes the others' place. */
async function bundle(program: string): Promise<string> {
  const path = join(process.env["TEST_PROGRAMS_DIR"]!, `${program}.js`);
  if (existsSync(path)) return path;
  const text = (await bundleOps([program], root))[program]!;
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
  return path;
}

/** Where a program is, bundled. */
export function bundled(program: string): Promise<string> {
  if (!bundles.has(program)) bundles.set(program, bundle(program));
  return bundles.get(program)!;
}

/** Starts a program; of this process' environment it inherits PATH alone. */
export async function startOps(program: string, args: string[], env: Record<string, string>): Promise<Running> {
  const file = await bundled(program);
  const started = Date.now();
  const child = spawn(process.execPath, [file, ...args], {
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

export async function runOps(program: string, args: string[], env: Record<string, string>): Promise<Result> {
  return (await startOps(program, args, env)).result;
}
