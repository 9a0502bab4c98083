import { describe, expect, it } from "vitest";
import { Failure } from "../../ops/program";
import { printable, table } from "../../ops/search/table";
import { parseTime } from "../../ops/times";

describe("a time on a command line", () => {
  const now = new Date("2026-11-23T12:00:00Z");

  it.each([
    ["2026-11-01", "2026-11-01T00:00:00.000Z"],
    ["2026-11-01T08:30", "2026-11-01T08:30:00.000Z"],
    ["2026-11-01 08:30:15.25Z", "2026-11-01T08:30:15.250Z"],
    ["2026-11-01T00:30+02:00", "2026-10-31T22:30:00.000Z"],
    ["90m", "2026-11-23T10:30:00.000Z"],
    ["36h", "2026-11-22T00:00:00.000Z"],
    ["30d", "2026-10-24T12:00:00.000Z"],
    ["2w", "2026-11-09T12:00:00.000Z"],
  ])("%s is %s, in UTC where it names no zone", (text, expected) => {
    expect(parseTime("since", text, now)).toBe(expected);
  });

  it.each(["", "yesterday", "2026-13-01", "2026-02-30", "2026-11-01T25:00", "1y", "-3d", "2026", "1/2/2026"])(
    "%j is refused as wrong usage",
    (text) => {
      expect(() => parseTime("since", text, now)).toThrow(Failure);
      expect(() => parseTime("since", text, now)).toThrow(/^--since is not a time: /);
    },
  );
});

describe("a table", () => {
  const columns = [
    { title: "A", value: (row: [string, string | null]) => row[0] },
    { title: "LONG", value: (row: [string, string | null]) => row[1], most: 5 },
  ];

  it("is as wide as what is in it, counts letters and not bytes, and cuts what is too long", () => {
    expect(
      table(columns, [
        ["ünï", "123456"],
        ["x", null],
      ]),
    ).toBe("A    LONG\n───  ─────\nünï  1234…\nx\n");
    expect(table(columns, [["ünï", "123456"]], 6)).toBe("A    …\n───  …\nünï  …\n");
  });

  it("shows control and direction-changing characters instead of sending them", () => {
    expect(printable("a\u001b[2Jb\u0007\u009b\u202ec\n")).toBe("a·[2Jb···c·");
  });
});
