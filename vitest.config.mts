import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// As the commands of this machine have it (bundles/kept.ts), for the workers too.
process.env["AUTHENSOR_BUNDLES"] ??= "kept";

/** The longest files of each room that has some. */
const longest = ["alarms", "rollouts", "deployment", "drill", "verify"].map((name) => `/${name}.test.ts`);

/** They wait most of their time: for alarms, for rollouts, for servers, for what hangs. `test/run.sh` has them run beside all others. */
const waiting = ["alarms", "drill", "failover", "pointInTime", "rollouts"].map((name) => `test/local/${name}.test.ts`);

/** Begins with what takes longest, so that everything else is done meanwhile, and nothing is waited for at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = longest.findIndex((file) => moduleId.endsWith(file));
      return found < 0 ? longest.length : found;
    };
    // Within a room, its own: what took longest the last time, or else the largest file.
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

/** Rooms: pure logic over mocks, SQL against servers of its own, and the local cloud, where those that wait are a room of their own. */
export default defineConfig({
  test: {
    // With one more than there are CPUs, servers were so late that tests which wait for them failed now and then.
    maxWorkers: Math.max(2, availableParallelism()),
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          setupFiles: ["test/unit/bundledOnce.ts", "test/unit/plainPromises.ts"],
          // The slowest run the whole program three times: 5 s on a quiet machine, 30 on one that is not.
          testTimeout: 90_000,
          hookTimeout: 120_000,
          // Loading Pulumi's AWS package anew for each of the files took 40 % of the CPU time of this room.
          isolate: false,
        },
      },
      {
        test: {
          name: "sql",
          include: ["test/sql/**/*.test.ts"],
          globalSetup: "test/servers.ts",
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "local",
          include: ["test/local/**/*.test.ts"],
          exclude: waiting,
          globalSetup: "test/servers.ts",
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: "waiting",
          include: waiting,
          globalSetup: "test/servers.ts",
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          // Not part of make test: the command line that it needs is not on every machine.
          name: "engine",
          include: ["test/engine/**/*.test.ts"],
          setupFiles: ["test/unit/bundledOnce.ts"],
          testTimeout: 900_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
