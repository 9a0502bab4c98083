import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { saysListening } from "../../cloud/host/logs";

const directory = mkdtempSync(join(tmpdir(), "log-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("a program listens once its log says so, whatever it says right after", () => {
  const log = join(directory, "program.log");
  expect(saysListening(log)).toBe(false);
  for (const [content, listens] of [
    ["", false],
    ["not listening\n", false],
    ["listening\n", true],
    ["a warning\nlistening\nmetrics of this minute are lost: fetch failed\n", true],
  ] as const) {
    writeFileSync(log, content);
    expect(saysListening(log), content).toBe(listens);
  }
});
