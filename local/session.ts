/** What every command works in: one line of progress, an interruption, and the environment while it is in use. */
import { printer } from "../cloud/progress";
import { openEnvironment, type Environment, type OpenOptions } from "./environment";

export const interrupt = new AbortController();
export const progress = printer();

/** The first lets what is under way be written down; the second does not wait, and the state allows for that too. */
export function onInterrupt(): void {
  if (interrupt.signal.aborted) process.exit(1);
  progress.line("stopping; press Ctrl-C again to stop at once");
  interrupt.abort(
    new Error("interrupted; run `make local` to continue, `make down` to stop, `make clean` to delete everything"),
  );
}

export async function withEnvironment<T>(
  command: string,
  work: (environment: Environment) => Promise<T>,
  options: Partial<OpenOptions> = {},
): Promise<T> {
  const environment = openEnvironment({ command, progress, signal: interrupt.signal, ...options });
  try {
    return await work(environment);
  } finally {
    environment.release();
  }
}

export function requireDeployment({ exists }: Environment): void {
  if (!exists) throw new Error("no local deployment; run `make local`");
}

/** Has the terminal belong to another program until it ends; returns that one's exit code. */
export function inForeground(command: string, run: (outputsFile: string) => number): Promise<number> {
  const look = (environment: Environment) => {
    requireDeployment(environment);
    process.removeListener("SIGINT", onInterrupt).on("SIGINT", () => undefined); // the other's: it cancels a query
    return Promise.resolve(run(environment.outputsFile));
  };
  return withEnvironment(`make ${command}`, look, { readOnly: true });
}
