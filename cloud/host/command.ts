/** Programs that end by themselves, and the environment that every program of the local cloud starts from. */
import { spawn } from "node:child_process";
import type { ServiceUser } from "./user";

export function baseEnvironment(user?: ServiceUser): Record<string, string> {
  // Another user's HOME is not ours, and libpq fails on a ~/.postgresql that it may not read.
  const kept = ["PATH", ...(user ? [] : ["HOME"]), "LANG", "LC_ALL", "TMPDIR", "TZ"];
  return Object.fromEntries(kept.flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]]])));
}

export interface CommandOptions {
  user?: ServiceUser;
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Runs a command that ends by itself and returns what it printed; a failure says what it wrote to stderr. */
export function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      cwd: options.cwd ?? "/",
      env: { ...baseEnvironment(options.user), ...options.env },
      timeout: options.timeoutMs,
      signal: options.signal,
      ...(options.user && { uid: options.user.uid, gid: options.user.gid }),
    });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.once("error", (error) => reject(new Error(`${command}: ${error.message}`, { cause: error })));
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(out);
      const how = signal ? `was ended by ${signal}` : `exited with ${code}`;
      reject(new Error(`${command} ${how}: ${(err.trim() || out.trim()).split("\n").slice(-15).join("\n")}`));
    });
    child.stdin.on("error", () => undefined); // it may end before it has read everything
    child.stdin.end(options.input ?? "");
  });
}
