/** What a verification still says, and asks of the server, where many chains are broken. */
import type pg from "pg";
import { describe, expect, it } from "vitest";
import { Chain, genesis, type Stretch, type Suspect } from "../../ops/verify/chain";
import { chainKinds, expectedSeal, ofEachChain } from "../../ops/verify/chainKinds";
import type { Head } from "../../ops/verify/chainHeads";
import { closeGaps } from "../../ops/verify/closeGaps";
import { gapsOf } from "../../ops/verify/gaps";
import { goneBeforeRange } from "../../ops/verify/heads";
import { Progress } from "../../ops/verify/progress";
import type { Snapshot } from "../../ops/verify/snapshot";
import { explainSuspects } from "../../ops/verify/suspects";

/** A server that finds nothing, and the agents it was asked about. */
function emptyServer() {
  const asked: string[] = [];
  const query = (_text: string, values: unknown[]) => {
    asked.push(String(values[2]));
    return Promise.resolve({ rows: [] });
  };
  return { client: { query } as unknown as pg.Client, asked };
}

const snapshot = { checkpoints: ofEachChain(() => new Map()) } as unknown as Snapshot;
const at = "2026-11-01 00:00:00+00";
const agents = (count: number) => Array.from({ length: count }, (_, i) => `agent ${i}`);

describe("suspects that nothing explains", () => {
  const suspected = (names: readonly string[], seqs: readonly number[]) => {
    const progress = new Progress(true);
    for (const agent of names) for (const seq of seqs) progress.suspect({ chain: "receipts", agent, seq, at });
    return progress;
  };

  it.each([
    ["follow, as the server says who has their content", [{ holds: true }], []],
    ["do not follow, as the server says", [{ holds: false }], [3]],
    ["the server no longer finds", [], [3]],
  ])("are told only if they do not follow: rows that %s", async (_what, rows, expected) => {
    const progress = new Progress(true);
    progress.suspect({ chain: "history", agent: "a", seq: 3, at, from: { id: "x", seal: Buffer.alloc(32) } });
    const client = { query: () => Promise.resolve({ rows }) } as unknown as pg.Client;
    expect((await explainSuspects(client, progress, snapshot)).map(({ seq }) => seq)).toEqual(expected);
  });

  it("are told, one for each agent", async () => {
    const findings = await explainSuspects(emptyServer().client, suspected(["a", "b"], [7, 9]), snapshot);
    expect(findings).toEqual(
      ["a", "b"].map((agent) => ({
        kind: "altered-column",
        message: `receipt 7 of agent "${agent}" does not follow from the one before it`,
        agent,
        seq: 7,
        found: "",
        at,
      })),
    );
  });

  it("are looked into for 50 agents; every one of further agents is told as it stands", async () => {
    const { client, asked } = emptyServer();
    const findings = await explainSuspects(client, suspected(agents(52), [7, 9]), snapshot);
    expect(asked).toEqual(agents(50));
    expect(findings.slice(0, 50).map(({ agent }) => agent)).toEqual(agents(50));
    expect(findings.slice(50)).toEqual(
      ["agent 50", "agent 51"].flatMap((agent) =>
        [7, 9].map((seq) => ({
          kind: "altered-column",
          message: `receipt ${seq} of agent "${agent}" does not follow`,
          agent,
          seq,
          at,
        })),
      ),
    );
  });
});

it("missing rows are looked for once more in 2000 chains; those of further chains are told as they were found", async () => {
  const { client, asked } = emptyServer();
  const progress = new Progress(true);
  const heads = new Map(
    agents(2002).map((agent): [string, Head] => [
      agent,
      { agent, seq: 3, seal: Buffer.alloc(32, 1), hash: "", clock: undefined },
    ]),
  );
  const around = { receipts: heads, history: new Map<string, Head>() };
  const how = { upTo: "head", everyAgent: true, manifests: [], agent: undefined } as const;
  const findings = await closeGaps(client, progress, { before: around, after: around }, snapshot, how);
  expect(new Set(asked)).toEqual(new Set(agents(2000)));
  expect(findings.filter(({ kind }) => kind === "cut-off-tail").map(({ agent }) => agent)).toEqual(agents(2002));
  expect(findings[2001]?.message).toBe('receipts 1 to 3 of agent "agent 2001" are missing: its head has place 3');
});

it("where one agent is asked for, nobody else's receipts are missed", async () => {
  const head = (agent: string): [string, Head] => [
    agent,
    { agent, seq: 3, seal: Buffer.alloc(32, 1), hash: "", clock: undefined },
  ];
  const heads = { receipts: new Map(["a", "b"].map(head)), history: new Map<string, Head>() };
  // A server that has nobody's.
  const query = (_text: string, [asked]: [string[]]) =>
    Promise.resolve({ rows: asked.map((agent) => ({ agent, seq: "3" })) });
  const missed = async (only?: string) =>
    (
      await goneBeforeRange(
        { query } as unknown as pg.Client,
        "receipts",
        new Progress(false),
        { before: heads, after: heads },
        snapshot.checkpoints,
        only,
      )
    ).map(({ agent }) => agent);
  expect([await missed(), await missed("b")]).toEqual([["a", "b"], ["b"]]);
});

it("a thousand broken places are kept, all further ones counted", () => {
  const progress = new Progress(true);
  for (let seq = 1; seq <= 1003; seq++) progress.suspect({ chain: "receipts", agent: "a", seq, at });
  expect([progress.suspects.length, progress.uncounted]).toEqual([1000, 3]);
  const mismatch = { problem: "state", agent: "a", id: "x", at, seq: "1", change_seq: null, columns: [] } as const;
  progress.addMismatches(Array.from({ length: 1002 }, () => ({ ...mismatch, columns: [] })));
  expect([progress.mismatches.length, progress.uncounted]).toEqual([1000, 5]);
});

describe("stretches of one chain", () => {
  const seal = Buffer.alloc(32, 1);
  const content = Buffer.alloc(32, 2);
  /** A stretch that begins with a row, which nothing has been compared with yet. */
  const stretch = (first: number, last: number, clock?: number, of: Buffer | null = content): Stretch => ({
    first,
    last,
    start: {
      id: `id-${first}`,
      at,
      // Whatever is in front of it here ends with this seal.
      seal: expectedSeal(chainKinds.history, seal, { seq: first, content, prevHash: null }),
      content: of,
      prevHash: null,
      clock,
    },
    end: { seal, hash: null, clock },
    endAt: at,
  });
  const chainOf = (...stretches: Stretch[]) => {
    const suspects: Suspect[] = [];
    const chain = new Chain("history", "a", (suspect) => suspects.push(suspect));
    for (const each of stretches) chain.add(each);
    return { chain, suspects };
  };
  const beginning: Stretch = { first: 0, last: 0, end: genesis, endAt: "-infinity" };

  it.each([
    ["in front of a range's first row", [stretch(2, 3)], 3, [[1, 1]]],
    ["of one row, at the head", [stretch(1, 2), stretch(4, 5)], 3, [[3, 3]]],
    ["up to the head, not to what came later", [beginning, stretch(3, 5)], 1, [[1, 1]]],
    ["nowhere, where the chain ends at its head", [beginning, stretch(1, 3)], 3, []],
  ])("have gaps %s", (_where, stretches, head, expected) => {
    const { chain } = chainOf(...stretches);
    expect(gapsOf(chain, head).map(({ first, last }) => [first, last])).toEqual(expected);
  });

  it("stay as long as they are when a shorter one claims their places, which is suspected", () => {
    const { chain, suspects } = chainOf(stretch(1, 5), stretch(2, 3));
    expect(chain.stretches).toMatchObject([{ first: 1, last: 5 }]);
    expect(suspects).toMatchObject([{ seq: 2 }]);
  });

  it("may go back by one second of the server's clock, and not by more", () => {
    expect(chainOf(stretch(1, 1, 5_000_000), stretch(2, 2, 4_000_000)).suspects).toEqual([]);
    expect(chainOf(stretch(1, 1, 5_000_001), stretch(2, 2, 4_000_000)).suspects).toMatchObject([
      { seq: 2, disordered: true },
    ]);
  });

  it("are compared by the server where a row is too large to be sent", () => {
    expect(chainOf(stretch(1, 1), stretch(2, 2, undefined, null)).suspects).toMatchObject([
      { seq: 2, from: { id: "id-2", seal } },
    ]);
  });
});
