/** What every program here has in common: arguments, signals, exit codes, and one clear line on stderr when it fails. */
import { Command, CommanderError } from "commander";
import { createLog, type Log } from "./log";

/** An expected failure: its message is written for people; the details follow it, one line each. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly details: readonly string[] = [],
    /** 1 failed, 2 wrong usage or settings, 3 nothing wrong was found, and not all could be looked at. */
    readonly exitCode: 1 | 2 | 3 = 1,
  ) {
    super(message);
  }
}

export interface Context {
  log: Log;
  /** Aborted by SIGTERM and SIGINT: what runs is to be cancelled and rolled back. */
  signal: AbortSignal;
}

/** Runs a program to its exit code. `define` adds arguments, options and actions to the command it is given. */
export async function runProgram(
  name: string,
  description: string,
  define: (command: Command, context: Context) => void,
  argv: readonly string[] = process.argv,
): Promise<void> {
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (abort.signal.aborted) process.exit(1);
    abort.abort(new Failure(`stopped by ${signal}`));
  };
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  const command = new Command(name).description(description).showHelpAfterError("(--help lists all options)");
  command.exitOverride();
  define(command, { log: createLog(name), signal: abort.signal });
  for (const child of command.commands) child.exitOverride();
  try {
    await command.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = report(name, abort.signal.aborted ? abort.signal.reason : error);
  } finally {
    process.off("SIGTERM", onSignal).off("SIGINT", onSignal);
  }
}

function report(name: string, error: unknown): number {
  // Commander has written its own message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof Failure) {
    process.stderr.write([`${name}: ${error.message}`, ...error.details.map((line) => `  ${line}`), ""].join("\n"));
    return error.exitCode;
  }
  // Nobody foresaw this one: the stack is what helps.
  process.stderr.write(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}

/** An integer from the environment; anything else there is a wrong setting, never a default. */
export function integerSetting(name: string, fallback: number, env: NodeJS.ProcessEnv = process.env): number {
  const text = env[name];
  if (text === undefined || text === "") return fallback;
  if (!/^\d{1,9}$/.test(text)) throw new Failure(`${name} must be a whole number, not "${text}"`, [], 2);
  return Number(text);
}

/** A text from the environment that must be there. */
export function textSetting(name: string, example: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Failure(`${name} is not set; for example ${example}`, [], 2);
  return value;
}
