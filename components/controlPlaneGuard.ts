/** Where the guard lies in the control plane's container. */
export const guardPath = "/etc/authensor/guard";
export const guardFile = "idle-connections.cjs";

/**
 * Loaded by Node before the control plane. Its connection pool has no listener for "error" (commit 55f328e), and pg
 * reports an idle connection that the server closed as just that: the process ended, with every request it was serving,
 * whenever a PgBouncer pod was replaced. The pool has already dropped the connection when it reports it, so going on is
 * right. pg-pool marks such an error with the `client` it came from; any other uncaught error ends the process as before.
 */
export const guardSource = `"use strict";
process.on("uncaughtException", (error) => {
  if (error instanceof Error && error.client !== undefined) {
    console.error(JSON.stringify({ level: "warn", msg: "an idle database connection was closed", error: error.message }));
    return;
  }
  if (process.listenerCount("uncaughtException") > 1) return; // the program has a listener of its own
  console.error(error);
  process.exit(1);
});
`;
