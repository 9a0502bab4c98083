import { defineConfig } from "vitest/config";

/**
 * Three rooms: pure logic over mocks, SQL against servers of its own, and the whole local cloud. The local tests share
 * one environment that test/local/environment.ts brings up, so their files run one after the other.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 60_000 },
      },
      {
        test: { name: "sql", include: ["test/sql/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 120_000 },
      },
      {
        test: {
          name: "local",
          include: ["test/local/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
