import { describe, expect, test } from "vitest";
import type { Log } from "../../ops/log";
import { relieveLockTable } from "../../ops/monitor/lockTable";
import type { Server } from "../../ops/monitor/server";

describe("relieveLockTable", () => {
  test("asks again at once until nobody had to be ended, and says who was", async () => {
    const answers = [
      { used: 199.6, ended: ["authensor_auditor from 10.0.0.9 held 51200 locks"] },
      { used: 80, ended: ["authensor_app from 10.0.0.8 held 40960 locks"] },
      { used: 1, ended: [] },
    ];
    const primary = {
      query: async (text: string) => Promise.resolve(/relieve/.test(text) ? [answers.shift()] : []),
    } as unknown as Server;
    const warnings: unknown[] = [];
    const log = { warn: (_message: string, details: unknown) => warnings.push(details) } as unknown as Log;
    expect(await relieveLockTable(primary, log, new AbortController().signal)).toBe(199.6);
    expect(answers).toEqual([]);
    expect(warnings).toEqual([
      { usedPercent: 200, ended: ["authensor_auditor from 10.0.0.9 held 51200 locks"] },
      { usedPercent: 80, ended: ["authensor_app from 10.0.0.8 held 40960 locks"] },
    ]);
  });
});
