/** The proof that it all works: one receipt through the control plane, read back from the replica. */
import { randomUUID } from "node:crypto";
import { Client } from "pg";
import type { LocalOutputs } from "./outputs";
import { waitUntil } from "../cloud/host/wait";

export interface Journey {
  receiptId: string;
  outcome: string;
  decidedMs: number;
  replicatedMs: number;
}

type Ends = Pick<LocalOutputs, "controlPlaneUrl" | "adminToken" | "replicaUrl">;

/** Sends an action to be decided on and waits for its receipt on the replica. */
export async function firstReceipt(to: Ends, signal?: AbortSignal): Promise<Journey> {
  const replica = new Client({ connectionString: to.replicaUrl, connectionTimeoutMillis: 10_000 });
  await replica.connect();
  try {
    const began = performance.now();
    const { receiptId, decision } = await evaluate(to, signal);
    const decided = performance.now();
    await waitUntil(
      `receipt ${receiptId} on the replica`,
      async () => {
        const { rowCount } = await replica.query("select from receipts where id = $1", [receiptId]);
        return rowCount === 1;
      },
      { timeoutMs: 15_000, everyMs: 2, ...(signal && { signal }) },
    );
    const replicated = performance.now();
    const outcome = decision.outcome;
    return { receiptId, outcome, decidedMs: decided - began, replicatedMs: replicated - decided };
  } finally {
    await replica.end();
  }
}

interface Answer {
  receiptId: string;
  decision: { outcome: string };
}

async function evaluate({ controlPlaneUrl, adminToken }: Ends, signal?: AbortSignal): Promise<Answer> {
  const url = `${controlPlaneUrl}/evaluate`;
  const timeout = AbortSignal.timeout(15_000);
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    body: JSON.stringify({
      id: randomUUID(),
      timestamp: new Date().toISOString(),
      action: { type: "local.hello", resource: "make-local", operation: "execute" },
      principal: { type: "system", id: "make-local" },
      context: { environment: "development" },
    }),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${url} answered ${response.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text) as Answer;
}
