/** The programs that a drill starts beside itself: those that an operator would run, as processes of their own. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

export interface Helper {
  /** The bundled program. */
  program: string;
  args?: readonly string[];
  /** Of the database that it is to work on; other settings are those of this process. */
  url: string;
  signal: AbortSignal;
  /** Each line of its standard output, as it comes. */
  onLine: (line: string) => void;
}

export interface Ended {
  code: number | null;
  /** What it said of its failure, line by line. */
  failure: string[];
}

export async function runHelper({ program, args = [], url, signal, onLine }: Helper): Promise<Ended> {
  // Not the primary's: what is undefined is not passed on.
  const elsewhere = { DATABASE_URL_FILE: undefined, REPLICA_URL: undefined, REPLICA_URL_FILE: undefined };
  const child = spawn(process.execPath, ["--no-warnings", program, ...args], {
    env: { ...process.env, ...elsewhere, DATABASE_URL: url },
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  const ended = new Promise<number | null>((resolve, reject) => child.once("close", resolve).once("error", reject));
  createInterface(child.stdout).on("line", onLine);
  const [code, stderr] = await Promise.all([ended, text(child.stderr)]);
  return { code, failure: stderr.trim().split("\n").slice(-mostLines) };
}

const mostLines = 20;

/** What a line says, where it is JSON. */
export function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
