/** What went wrong, as one clear line on stderr with details below it, and the exit code that goes with it. */
import { UsageError } from "./config";
import { ResourceFailed } from "../cloud/engine/engine";
import { Unreadable } from "../cloud/engine/state";
import { Lost } from "../cloud/handler";
import { NotOurs } from "./environment";
import { Missing } from "./install";
import { Locked } from "../cloud/host/lock";

export function readProblems(error: unknown, signal: AbortSignal): { message: string; exitCode: 1 | 2 } {
  if (signal.aborted) return { message: `error: ${(signal.reason as Error).message}`, exitCode: 1 };
  if (!(error instanceof Error)) return { message: `error: ${String(error)}`, exitCode: 1 };
  if (error instanceof Locked || error instanceof UsageError || error instanceof NotOurs) {
    return { message: `error: ${error.message}`, exitCode: 2 };
  }
  // By name: a run that ends before it has loaded the program does not wait for the settings either.
  if (error.constructor.name === "SettingsError") return { message: `error: ${error.message}`, exitCode: 2 };
  const message = startsOver(error) ? `${error.message}: run "make clean", then "make local"` : error.message;
  const expected =
    message !== error.message || error instanceof ResourceFailed || error instanceof Missing || isRunError(error);
  const details = expected || process.env["DEBUG"] === undefined ? "" : `\n${error.stack}`;
  return { message: `error: ${message}${details}`, exitCode: 1 };
}

/** Nothing but a deployment from nothing helps. */
const startsOver = (error: Error) => error instanceof Unreadable || error.cause instanceof Lost;

const isRunError = (error: Error) => "__pulumiRunError" in error;
