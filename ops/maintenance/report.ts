/** Tells the monitor, by a row on the primary, how a program's run ended. */
import type { ClientBase } from "pg";

/** Does the work, and reports that it was done or that it failed; the failure itself is passed on. */
export async function reportedRun<T>(
  client: ClientBase,
  program: string,
  work: () => Promise<{ result: T; summary: string }>,
): Promise<T> {
  const report = (succeeded: boolean, summary: string) =>
    client.query("select audit.report_run($1, $2, $3)", [program, succeeded, summary]);
  let done: { result: T; summary: string };
  try {
    done = await work();
  } catch (error) {
    // Where the connection is gone too, the next run's report is awaited: an alarm tells when it does not come.
    await report(false, (error as Error).message).catch(() => undefined);
    throw error;
  }
  await report(true, done.summary);
  return done.result;
}
