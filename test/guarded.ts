/** The guard as it is deployed: the bundle, loaded by Node before programs that know nothing of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { bundleOps } from "../components/programs/opsBundle";

const root = join(__dirname, "..");
let directory: string;

/** For a file of tests: it is there before the first and gone after the last. */
export function buildGuard(): void {
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "guard-"));
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
    cpSync(join(root, "ops"), join(directory, "ops"), { recursive: true });
    // Shorter in the source: what is built from it has the numbers where the names were.
    const limits = join(directory, "ops/guard/limits.ts");
    const short = readFileSync(limits, "utf8")
      .replace(/(?<=const farewell = )\d+/, "1")
      .replace(/(?<=const lastAnswers = )\d+/, "4")
      .replace(/(?<=const noteKeyUse = )\d+/, "1");
    expect(short).toMatch(/farewell = 1;.*lastAnswers = 4;.*noteKeyUse = 1;/s);
    writeFileSync(limits, short);
    writeFileSync(join(directory, "guard.cjs"), (await bundleOps(["guard"], directory)).guard);
  });
  afterAll(() => rmSync(directory, { recursive: true }));
}

export interface Program {
  /** What it has written so far. */
  output: { stdout: string; stderr: string };
  printed: (text: string) => Promise<void>;
  kill: (signal: NodeJS.Signals) => void;
  end: Promise<number | null>;
}

let programs = 0;
/** Starts an ES module, as the control plane is one, whose only package is what `place` can import. */
export function start(source: string, { guarded = true, place = directory, env: more = {} } = {}): Program {
  const file = join(place, `program-${programs++}.mjs`);
  writeFileSync(file, source);
  const env = { ...process.env, ...more, NODE_OPTIONS: guarded ? `--require=${join(directory, "guard.cjs")}` : "" };
  const child = spawn(process.execPath, [file], { env, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  const end = once(child, "close").then(([code]) => code as number | null);
  const printed = async (text: string) => {
    while (!output.stdout.includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended without "${text}": ${output.stdout}${output.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { output, printed, kill: (signal) => void child.kill(signal), end };
}

export const lines = (text: string) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { level: string; message: string; error?: string });
