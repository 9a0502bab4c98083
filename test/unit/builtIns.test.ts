import { describe, expect, test } from "vitest";
import known from "../../ops/verify/builtInDigests.json";
import { compareBuiltIns } from "../../ops/verify/builtIns";
import { Progress } from "../../ops/verify/progress";
import { failure, makeReport } from "../../ops/verify/report";

const { lastMinor, digests } = known["17"];

/** A server of PostgreSQL 17 whose functions are what they say, all else as released. */
const server = (minor: number, functions = digests.functions[0]!) => ({
  version: "17",
  minor,
  kinds: Object.entries(digests).map(([noun, [digest = ""]]) => ({
    noun,
    digest: noun === "functions" ? functions : digest,
    writtenLast: "sha256",
  })),
});

describe("what PostgreSQL brings", () => {
  test("is no finding as released, in a minor version that is not known yet either", () => {
    for (const minor of [0, lastMinor, lastMinor + 1]) expect(compareBuiltIns(server(minor))).toEqual([]);
  });

  test("is a guard that is off where it differs in a minor version that is known", () => {
    for (const minor of [0, lastMinor])
      expect(compareBuiltIns(server(minor, "0".repeat(64)))).toMatchObject([{ kind: "guard-off" }]);
  });

  test("that came with a newer minor version wakes nobody: it could not be verified, until somebody acknowledges it", () => {
    const found = compareBuiltIns(server(lastMinor + 1, "0".repeat(64)));
    expect(found).toMatchObject([{ kind: "unknown-release" }]);
    const report = (acknowledged: string[]) =>
      makeReport(
        {
          ...{ url: "", signal: new AbortController().signal, anchors: [], connections: 1, chunk: 1, allowEmpty: true },
          acknowledgements: acknowledged.map((finding) => ({ finding, by: "Ana", at: "2026-11-28", reason: "17.11" })),
        },
        new Progress(true),
        undefined,
        found,
        0,
        0,
      );
    const first = report([]);
    expect([first.ok, first.findings.length, failure(first)?.exitCode]).toEqual([true, 0, 3]);
    const [, id = ""] = /finding ([0-9a-f]{16}), to be acknowledged/.exec(first.unverified.join()) ?? [];
    const accepted = report([id]);
    expect([accepted.ok, accepted.unverified, failure(accepted)]).toEqual([true, [], undefined]);
    expect(accepted.acknowledged).toMatchObject([{ kind: "unknown-release", acknowledgement: { by: "Ana" } }]);
  });
});
