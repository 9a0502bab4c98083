/**
 * The programs are bundled once for all tests of a worker that run the whole program: it takes a second of a CPU, and the same source
 * always makes the same text (opsBundle.test.ts, which has the real thing).
 */
import { vi } from "vitest";

// Each file of tests comes by here, in a worker that runs many.
const kept = globalThis as { bundledOnce?: Map<string, Promise<unknown>> };
const made = (kept.bundledOnce ??= new Map<string, Promise<unknown>>());

vi.mock("../../components/programs/opsBundle", async (importActual) => {
  const actual = await importActual<typeof import("../../components/programs/opsBundle")>();
  const bundleOps = (programs: readonly string[], root: string) => {
    const key = JSON.stringify([programs, root]);
    if (!made.has(key)) made.set(key, actual.bundleOps(programs, root));
    return made.get(key);
  };
  return { ...actual, bundleOps };
});
