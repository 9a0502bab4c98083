/** An old primary that comes back after a failover: it must not weave its rows into the promoted server's archive. */
import { expect, test } from "vitest";
import { assertNotLeftBehind } from "../../ops/archive/leftBehind";
import type { Manifest } from "../../ops/archive/manifest";

const newest = (system: string, timeline: number) =>
  ({ server: { system, timeline }, archive: { number: 7 } }) as unknown as Manifest;

test("a server of an earlier timeline than the bucket's newest manifest archives nothing", () => {
  expect(() => assertNotLeftBehind({ system: "1", timeline: 1 }, newest("1", 2))).toThrow(
    "this server is of timeline 1, and manifest 7 of timeline 2: another one was promoted in its place",
  );
});

test.each([
  ["the server that was promoted, before its first manifest", { system: "1", timeline: 2 }, newest("1", 1)],
  ["the one that wrote the newest", { system: "1", timeline: 2 }, newest("1", 2)],
  ["one that does not tell its timeline", { system: "1", timeline: 0 }, newest("1", 2)],
  ["one that was restored from the bucket: another server altogether", { system: "2", timeline: 1 }, newest("1", 2)],
  ["the first of all", { system: "1", timeline: 1 }, undefined],
])("%s archives", (_, here, manifest) => {
  expect(() => assertNotLeftBehind(here, manifest)).not.toThrow();
});
