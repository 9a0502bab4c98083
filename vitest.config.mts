import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Tests wait for servers more than they compute: the default, one CPU less than there are, would leave one of two idle.
const workers = Math.max(2, availableParallelism() - 1);

/**
 * Three rooms, one after the other: pure logic over mocks, SQL against servers of its own, and the local cloud. Their
 * order is that of what they cost, and two CPUs are not asked to time-out one room while another fills them.
 */
export default defineConfig({
  test: {
    maxWorkers: workers,
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          setupFiles: ["test/unit/bundledOnce.ts"],
          // The slowest run the whole program three times: 5 s on a quiet machine, 30 on one that is not.
          testTimeout: 90_000,
          hookTimeout: 120_000,
          // Loading Pulumi's AWS package anew for each of the files took 40 % of the CPU time of this room.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "sql",
          include: ["test/sql/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "local",
          include: ["test/local/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          // One more: alarms.test.ts waits for three minutes, as alarms do, and computes for seconds.
          maxWorkers: workers + 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
