/** ops/verify/server.ts: where a shorter chain is a failover's or a restore's doing, and where it is somebody's. */
import { expect, it } from "vitest";
import type { Anchor } from "../../ops/anchorFormat";
import { mayHaveLost } from "../../ops/verify/server";

it.each([
  [
    "the server that the anchor is of, never promoted",
    { system: "1", timeline: 1 },
    { system: "1", timeline: 1 },
    false,
  ],
  ["a server that does not tell", { system: "", timeline: 0 }, { system: "1", timeline: 1 }, false],
  ["a promoted one", { system: "1", timeline: 2 }, { system: "1", timeline: 1 }, true],
  [
    "a promoted one, by its own anchor: that has the ends of before",
    { system: "1", timeline: 2 },
    { system: "1", timeline: 2 },
    true,
  ],
  ["an old primary that came back", { system: "1", timeline: 1 }, { system: "1", timeline: 2 }, true],
  [
    "a server that was made anew from dumps or from the bucket",
    { system: "2", timeline: 1 },
    { system: "1", timeline: 1 },
    true,
  ],
])("%s: what is cut off may be lost without anybody's doing: %o, anchor of %o: %s", (_, here, of, may) => {
  expect(mayHaveLost({ server: of } as Anchor, here)).toBe(may);
});
