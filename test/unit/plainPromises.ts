/**
 * Pulumi keeps a stack trace with each of thousands of promises, for what it says of one that never ends: half of the CPU time of tests that
 * run the whole program. Here a test that waits for one says so.
 */
import { createRequire } from "node:module";

const debuggable = createRequire(__filename)("@pulumi/pulumi/runtime/debuggable") as {
  debuggablePromise: <T>(promise: Promise<T>) => Promise<T>;
};
debuggable.debuggablePromise = (promise) => promise;
