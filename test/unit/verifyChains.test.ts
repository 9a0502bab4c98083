import { createHash } from "node:crypto";
import fc from "fast-check";
import type pg from "pg";
import { describe, expect, it } from "vitest";
import { findingId } from "../../ops/verify/acknowledgements";
import { diagnose, type ChainRow } from "../../ops/verify/diagnose";
import { sortFindings, type Finding } from "../../ops/verify/findings";
import { chainKinds, expectedSeal, ofEachChain } from "../../ops/verify/chainKinds";
import { closeGaps } from "../../ops/verify/closeGaps";
import { headFindings } from "../../ops/verify/heads";
import { Progress } from "../../ops/verify/progress";
import type { Snapshot } from "../../ops/verify/snapshot";
import { explainSuspects } from "../../ops/verify/suspects";
import { makeReport } from "../../ops/verify/report";
import type { Head } from "../../ops/verify/chainHeads";
import { Chain, genesis, toStretches, type End, type StretchRow, type Suspect } from "../../ops/verify/chain";

/** A whole chain, as the database would have sealed it. */
function sealed(length: number): ChainRow[] {
  const rows: ChainRow[] = [];
  let end: End = genesis;
  for (let seq = 1; seq <= length; seq++) {
    const content = createHash("sha256").update(`content ${seq}`).digest();
    const prevHash = end.hash ?? null;
    const seal = expectedSeal(chainKinds.receipts, end.seal, { seq, content, prevHash });
    const hash = createHash("sha256").update(`hash ${seq}`).digest("hex");
    const at = new Date(seq * 1000).toISOString();
    rows.push({
      agent: "a",
      seq: String(seq),
      seal,
      id: `id-${seq}`,
      at,
      hash,
      prev_hash: prevHash,
      content,
      clock: null,
      hash_right: true,
    });
    end = { seal, hash };
  }
  return rows;
}

/** Where the chain of a stood, in an anchor. */
const anchorOf = (seq: number, seal: string) => ({
  version: 1 as const,
  database: "d",
  as_of: "2026-11-01T00:00:00Z",
  receipts: seq,
  changes: 0,
  server: { system: "", timeline: 1 },
  checkpoint: { seq: 0, seal: "" },
  imports: { seq: 0, seal: "" },
  chains: [{ agent: "a", seq, seal, history_seq: 0, history_seal: "" }],
  digest: "",
});

/** A server that has these rows and no other, whatever it is asked. */
const answering = (rows: unknown[]) => ({ query: () => Promise.resolve({ rows }) }) as unknown as pg.Client;
const noCheckpoints = { checkpoints: ofEachChain(() => new Map()) } as unknown as Snapshot;

/** What the query would say of some rows: where stretches start and end. */
function asQueried(rows: ChainRow[]): StretchRow[] {
  const sorted = rows.toSorted((a, b) => Number(a.seq) - Number(b.seq));
  return sorted.map((row, i) => ({
    ...row,
    starts: Number(sorted[i - 1]?.seq) !== Number(row.seq) - 1,
    ends: Number(sorted[i + 1]?.seq) !== Number(row.seq) + 1,
    suspect: false,
    disordered: false,
  }));
}

function assemble(chunks: ChainRow[][]): { chain: Chain; suspects: Suspect[] } {
  const suspects: Suspect[] = [];
  const chain = new Chain("receipts", "a", (suspect) => suspects.push(suspect));
  chain.add({ first: 0, last: 0, end: genesis, endAt: "-infinity" });
  for (const chunk of chunks) for (const { stretch } of toStretches(asQueried(chunk))) chain.add(stretch);
  return { chain, suspects };
}

/** Every row in some chunk. */
const scattered = (length: number) =>
  fc.array(fc.integer({ min: 0, max: 5 }), { minLength: length, maxLength: length }).map((places) => {
    const rows = sealed(length);
    return Array.from({ length: 6 }, (_, chunk) => rows.filter((_row, i) => places[i] === chunk));
  });

describe("a chain", () => {
  it("comes together to one stretch, in whatever order its rows are found", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }).chain(scattered), (chunks) => {
        const { chain, suspects } = assemble(chunks);
        expect(suspects).toEqual([]);
        expect(chain.stretches).toMatchObject([{ first: 0, last: chunks.flat().length }]);
      }),
      { seed: 4711 },
    );
  });

  it("shows each removed row as the gap it leaves, in whatever order the others are found", () => {
    fc.assert(
      fc.property(
        scattered(30),
        fc.uniqueArray(fc.integer({ min: 1, max: 29 }), { minLength: 1, maxLength: 5 }),
        (chunks, removed) => {
          const left = chunks.map((chunk) => chunk.filter((row) => !removed.includes(Number(row.seq))));
          const { chain, suspects } = assemble(left);
          const missing = chain.stretches.flatMap((stretch, i) => {
            const next = chain.stretches[i + 1];
            return next ? Array.from({ length: next.first - stretch.last - 1 }, (_, n) => stretch.last + 1 + n) : [];
          });
          expect(suspects).toEqual([]);
          expect(missing).toEqual(removed.toSorted((a, b) => a - b));
        },
      ),
      { seed: 4711 },
    );
  });

  it("suspects an altered row wherever a stretch begins with it, and a place that is taken twice wherever they are", () => {
    fc.assert(
      fc.property(scattered(20), fc.integer({ min: 1, max: 20 }), (chunks, place) => {
        const forged = chunks.map((chunk) =>
          chunk.map((row) => (Number(row.seq) === place ? { ...row, content: Buffer.alloc(32) } : row)),
        );
        const alone = forged.flatMap((chunk) => chunk.map((row) => [row]));
        expect(assemble(alone).suspects.map(({ seq }) => seq)).toEqual([place]);
        const twice = [...chunks, chunks.flat().filter((row) => Number(row.seq) === place)];
        expect(assemble(twice).suspects.map(({ seq }) => seq)).toContain(place);
      }),
      { seed: 4711 },
    );
  });
});

describe("what happened to a chain", () => {
  const places = Array.from({ length: 10 }, (_, i) => i + 1);
  const kinds = (rows: ChainRow[], ends?: ReadonlyMap<number, End>) =>
    diagnose("a", rows, places, ends).map(({ kind, seq, belongsAt }) => [
      kind,
      seq,
      ...(belongsAt === undefined ? [] : [belongsAt]),
    ]);
  const relabel = (rows: ChainRow[], to: (seq: number) => number) =>
    rows.map((row) => ({ ...row, seq: String(to(Number(row.seq))) }));

  it("is nothing, for a whole one and for one that begins at a checkpoint", () => {
    const rows = sealed(10);
    expect(kinds(rows)).toEqual([]);
    const third = rows[2];
    if (!third) throw new Error("no row");
    expect(kinds(rows.slice(3), new Map([[3, { seal: third.seal, hash: third.hash }]]))).toEqual([]);
  });

  it.each<[string, (rows: ChainRow[]) => ChainRow[], unknown[][]]>([
    [
      "an altered content",
      (rows) => rows.map((row, i) => (i === 4 ? { ...row, content: Buffer.alloc(32) } : row)),
      [["altered-column", 5]],
    ],
    [
      "an altered seal",
      (rows) => rows.map((row, i) => (i === 4 ? { ...row, seal: Buffer.alloc(32) } : row)),
      [["altered-column", 5]],
    ],
    [
      "an altered receipt_hash",
      (rows) => rows.map((row, i) => (i === 4 ? { ...row, hash: "x", hash_right: false } : row)),
      [["altered-column", 5]],
    ],
    [
      "neighbours that changed places",
      (rows) => relabel(rows, (seq) => (seq === 5 ? 6 : seq === 6 ? 5 : seq)),
      [
        ["reordered", 5, 6],
        ["reordered", 6, 5],
      ],
    ],
    [
      "rows far apart that changed places",
      (rows) => relabel(rows, (seq) => (seq === 2 ? 9 : seq === 9 ? 2 : seq)),
      [
        ["reordered", 2, 9],
        ["reordered", 9, 2],
      ],
    ],
    [
      "a row removed and the others renumbered",
      (rows) =>
        relabel(
          rows.filter((_, i) => i !== 4),
          (seq) => (seq > 5 ? seq - 1 : seq),
        ),
      [["removed-row", 5]],
    ],
  ])("is named: %s", (_what, tamper, expected) => {
    expect(kinds(tamper(sealed(10))).slice(0, expected.length)).toEqual(expected);
  });
});

it("what was found before an interruption is kept", () => {
  const before = new Progress(true);
  before.take("receipts", asQueried(sealed(3).slice(1)));
  before.suspect({ chain: "receipts", agent: "a", seq: 2, at: "t" });
  before.suspect({ chain: "receipts", agent: "a", seq: 3, at: "t", from: { id: "x", seal: Buffer.alloc(32) } });
  before.addMismatches([{ problem: "state", agent: "a", id: "x", at: "t", seq: "1", change_seq: null, columns: [] }]);
  before.findings.push({ kind: "unreadable", message: "m" });
  before.uncounted = 7;
  const after = new Progress(true);
  after.restore(before.save("t"));
  expect(after.save("t")).toEqual(before.save("t"));
});

it("a head that went back while it was verified is told", () => {
  const { chain } = assemble([sealed(3)]);
  const head = (seq: number): Head => ({ agent: "a", seq, seal: Buffer.alloc(32), hash: null, clock: undefined });
  const heads = (seq: number) => ({ receipts: new Map([["a", head(seq)]]), history: new Map<string, Head>() });
  const around = { before: heads(5), after: heads(4) };
  expect(headFindings("receipts", "a", chain, around, new Progress(true))).toMatchObject([
    { kind: "altered-head", message: expect.stringContaining("went back from receipt 5 to 4") as string },
  ]);
});

it("what an anchor vouches for is not gone through again, also where a stretch begins with the anchored row", () => {
  const rows = sealed(5);
  const progress = new Progress(false, { ...anchorOf(3, rows[2]?.seal.toString("hex") ?? ""), source: "anchor.json" });
  progress.take("receipts", asQueried(rows.slice(2)));
  expect(progress.suspects).toEqual([]);
  expect(progress.chain("receipts", "a").stretches).toMatchObject([{ first: 0, last: 5 }]);
});

it("a suspect that follows from the anchor's seal is not told as altered, but as unexplained", async () => {
  const rows = sealed(4);
  const progress = new Progress(false, { ...anchorOf(3, rows[2]?.seal.toString("hex") ?? ""), source: "anchor.json" });
  progress.suspect({ chain: "receipts", agent: "a", seq: 4, at: "t" });
  const findings = await explainSuspects(answering(rows.slice(3)), progress, noCheckpoints);
  expect(findings).toMatchObject([
    { seq: 4, message: 'receipt 4 of agent "a" does not follow from the one before it' },
  ]);
});

it("the row in front of a time range is looked for, and not the one in front of that", async () => {
  const rows = sealed(5);
  const progress = new Progress(false);
  progress.take("receipts", asQueried(rows.slice(4)));
  const head: Head = { agent: "a", seq: 5, seal: Buffer.alloc(32), hash: null, clock: undefined };
  const heads = { receipts: new Map([["a", head]]), history: new Map<string, Head>() };
  const how = { upTo: "next", everyAgent: false, manifests: [], agent: undefined } as const;
  const client = answering(asQueried(rows.slice(3, 4)));
  expect(await closeGaps(client, progress, { before: heads, after: heads }, noCheckpoints, how)).toEqual([]);
  expect(progress.suspects).toEqual([]);
});

it("two anchors that disagree on a place are told, whatever the database holds", () => {
  const progress = new Progress(true);
  for (const [source, byte] of [
    ["first.json", "00"],
    ["second.json", "11"],
  ] as const)
    progress.addAnchor({
      ...anchorOf(3, byte.repeat(32)),
      source,
    });
  expect(progress.findings).toMatchObject([{ kind: "rewritten", agent: "a", seq: 3 }]);
  expect(progress.findings[0]?.message).toContain("(first.json, second.json) disagree");
});

it("broken places beyond those that are kept are never acknowledged with the others", () => {
  const finding: Finding = { kind: "removed-row", message: "m", agent: "a", seq: 1 };
  const progress = new Progress(true);
  const known = { finding: findingId(finding), by: "x", at: "2026-11-01", reason: "x" };
  const request = {
    url: "",
    signal: new AbortController().signal,
    anchors: [],
    connections: 1,
    chunk: 1,
    allowEmpty: false,
    acknowledgements: [known],
  };
  const ok = () => makeReport(request, progress, undefined, [finding], 0, 0).ok;
  expect(ok()).toBe(true);
  progress.uncounted = 1;
  expect(ok()).toBe(false);
});

it("findings are told by agent in order of time, and along each chain", () => {
  const finding = (agent: string | undefined, seq: number, at: string): Finding => ({
    kind: "altered-column",
    message: "",
    ...(agent === undefined ? {} : { agent }),
    seq,
    at,
  });
  const sorted = sortFindings([
    finding("b", 2, "2026-02"),
    finding("a", 9, "2026-03"),
    finding("b", 1, "2026-09"),
    finding(undefined, 0, "2026-10"),
    finding("a", 3, "2026-04"),
  ]);
  expect(sorted.map(({ agent, seq }) => [agent, seq])).toEqual([
    [undefined, 0],
    ["b", 1],
    ["b", 2],
    ["a", 3],
    ["a", 9],
  ]);
});
