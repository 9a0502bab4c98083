/** What a verification still says, and asks of the server, where many chains are broken. */
import type pg from "pg";
import { describe, expect, it } from "vitest";
import { ofEachChain } from "../../ops/verify/chainKinds";
import type { Head } from "../../ops/verify/chainHeads";
import { closeGaps } from "../../ops/verify/closeGaps";
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

  it("are told, one for each agent", async () => {
    const findings = await explainSuspects(emptyServer().client, suspected(["a", "b"], [7, 9]), snapshot);
    expect(findings).toEqual(
      ["a", "b"].map((agent) => ({
        kind: "altered-column",
        message: `receipt 7 of agent "${agent}" does not follow from the one before it`,
        agent,
        seq: 7,
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
