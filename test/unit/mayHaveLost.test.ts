/** ops/verify/server.ts: where a shorter chain is a failover's or a restore's doing, and where it is somebody's. */
import { expect, it } from "vitest";
import type { Anchor } from "../../ops/anchorFormat";
import { mayHaveLost, type Server } from "../../ops/verify/server";

it.each<[string, Server, Server & { ofBefore?: number }, boolean]>([
  [
    "the server that the anchor is of, never promoted",
    { system: "1", timeline: 1 },
    { system: "1", timeline: 1 },
    false,
  ],
  ["a server that does not tell", { system: "", timeline: 0 }, { system: "1", timeline: 1 }, false],
  ["a promoted one", { system: "1", timeline: 2 }, { system: "1", timeline: 1 }, true],
  ["a promoted one, of what it had itself", { system: "1", timeline: 2 }, { system: "1", timeline: 2 }, false],
  [
    "a promoted one, by a manifest of its own that names the end as one of before",
    { system: "1", timeline: 2 },
    { system: "1", timeline: 2, ofBefore: 1 },
    true,
  ],
  [
    "a promoted one, by a manifest of its own that names it as one of a server that was restored from",
    { system: "1", timeline: 2 },
    { system: "1", timeline: 2, ofBefore: 0 },
    true,
  ],
  ["an old primary that came back", { system: "1", timeline: 1 }, { system: "1", timeline: 2 }, true],
  [
    "a server that was made anew from dumps or from the bucket",
    { system: "2", timeline: 1 },
    { system: "1", timeline: 1 },
    true,
  ],
])(
  "%s: what is cut off may be lost without anybody's doing: %o, anchor of %o: %s",
  (_, here, { ofBefore: timeline, ...server }, may) => {
    const of = { chain: "receipts", agent: "a" } as const;
    const archive = { complete: true, ofBefore: timeline === undefined ? [] : [{ ...of, timeline }] };
    expect(mayHaveLost({ server, archive } as Partial<Anchor> as Anchor, of, here)).toBe(may);
    expect(mayHaveLost({ server, archive } as Partial<Anchor> as Anchor, { ...of, agent: "b" }, here)).toBe(
      timeline === undefined && may,
    );
  },
);
