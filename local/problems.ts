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
  // Wrong settings, and what the program refuses of the cloud they lead to: it has made nothing by then.
  if (isRunError(error)) return { message: `error: ${error.message}`, exitCode: 2 };
  const message = startsOver(error)
    ? `${error.message}; run \`make clean\`, then \`make local\``
    : error.message + (otherVersion(error) ? otherVersionHint : "");
  const expected = message !== error.message || error instanceof ResourceFailed || error instanceof Missing;
  const details = expected || process.env["DEBUG"] === undefined ? "" : `\n${error.stack}`;
  return { message: `error: ${message}${details}`, exitCode: 1 };
}

/** Nothing but a deployment from nothing helps. */
const startsOver = (error: Error) => error instanceof Unreadable || error.cause instanceof Lost;

/** The migration's own words: its log is all that a Job leaves behind. */
const otherVersion = (error: Error) =>
  error instanceof ResourceFailed && error.message.includes("the migrations do not fit this database");

const otherVersionHint =
  "\nIf you only changed to another version of this program: `make clean` deletes the local data, then `make local` starts anew";

/** Pulumi's own mark: the program is not loaded, and thus no class of it, where a command ends early. */
const isRunError = (error: Error) => "__pulumiRunError" in error;
