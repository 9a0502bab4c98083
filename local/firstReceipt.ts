/** The proof that it all works: one receipt through the control plane, read back from the replica, or without one from the primary. */
import { randomUUID } from "node:crypto";
import { Client } from "pg";
import type { LocalOutputs } from "./outputs";
import { waitUntil } from "../cloud/host/wait";

export interface Journey {
  receiptId: string;
  outcome: string;
  decidedMs: number;
  /** Where it was read back, and how long after the decision. */
  readFrom: "replica" | "primary";
  readMs: number;
}

type Ends = Pick<LocalOutputs, "controlPlaneUrl" | "adminToken" | "replicaUrl" | "auditorUrl">;

/** Sends an action to be decided on and waits for its receipt. */
export async function firstReceipt(to: Ends, signal?: AbortSignal): Promise<Journey> {
  const readFrom = to.replicaUrl === undefined ? "primary" : "replica";
  const reader = new Client({ connectionString: to.replicaUrl ?? to.auditorUrl, connectionTimeoutMillis: 10_000 });
  await reader.connect();
  try {
    const began = performance.now();
    const { receiptId, decision } = await evaluate(to, signal);
    const decided = performance.now();
    await waitUntil(
      `receipt ${receiptId} on the ${readFrom}`,
      async () => {
        const { rowCount } = await reader.query("select from receipts where id = $1", [receiptId]);
        return rowCount === 1;
      },
      { timeoutMs: 15_000, everyMs: 2, ...(signal && { signal }) },
    );
    const read = performance.now();
    return { receiptId, outcome: decision.outcome, decidedMs: decided - began, readFrom, readMs: read - decided };
  } finally {
    await reader.end();
  }
}

interface Answer {
  receiptId: string;
  decision: { outcome: string };
}

/** Asks for a decision. */
export async function evaluate(
  { controlPlaneUrl, adminToken }: Pick<Ends, "controlPlaneUrl" | "adminToken">,
  signal?: AbortSignal,
  principal = { type: "system", id: "make-local" },
): Promise<Answer> {
  const url = `${controlPlaneUrl}/evaluate`;
  const timeout = AbortSignal.timeout(15_000);
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    body: JSON.stringify({
      id: randomUUID(),
      timestamp: new Date().toISOString(),
      action: { type: "local.hello", resource: "make-local", operation: "execute" },
      principal,
      context: { environment: "development" },
    }),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${url} answered ${response.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text) as Answer;
}
