/** Decisions and their receipts, with the statements that the real control plane sends. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { newestHash } from "../../ops/guard/unsent";
import { body, HttpError } from "./http";
import { authenticate, sha256 } from "./keys";
import { pool } from "./pool";

interface Envelope {
  id: string;
  action: { type: string; resource: string };
  principal: { type: string; id: string };
  context: { parentReceiptId?: string };
}

interface ReceiptRow {
  id: string;
  envelope_id: string;
  status: string;
  decision_outcome: string;
  envelope: unknown;
  decision: unknown;
  receipt_hash: string | null;
  prev_receipt_hash: string | null;
  created_at: Date;
}

export async function evaluate(request: IncomingMessage) {
  const key = await authenticate(request, ["ingest", "admin"]);
  const envelope = checked(await body(request));
  if (key.role !== "admin" && key.principal_id !== null && key.principal_id !== envelope.principal.id) {
    throw new HttpError(403, "PRINCIPAL_MISMATCH", "principal ID does not match the authenticated key");
  }
  const policy = { id: "none", version: "none", source: "none" };
  const decision = {
    outcome: "deny",
    evaluatedAt: new Date().toISOString(),
    policyId: policy.id,
    policyVersion: policy.version,
    reason: "NO_POLICY_CONFIGURED",
  };
  const receipt = await createReceipt(envelope, decision);
  const receiptApiUrl = `/receipts/${receipt.id}`;
  return { receiptId: receipt.id, receiptApiUrl, decision, policy, evaluationTimeMs: 0 };
}

async function createReceipt(envelope: Envelope, decision: { outcome: string }) {
  const { rows: latest } = await pool.query<{ receipt_hash: string }>(newestHash);
  const now = new Date().toISOString();
  const fields = { id: randomUUID(), envelopeId: envelope.id, timestamp: now, decisionOutcome: decision.outcome };
  const previous = latest[0]?.receipt_hash ?? null;
  const { rows } = await pool.query<ReceiptRow>(
    `insert into receipts (id, envelope_id, parent_receipt_id, status, decision_outcome, tool_name, actor_id, envelope,
       decision, approval, approval_status, execution_attempts, receipt_hash, prev_receipt_hash, created_at, updated_at)
     values ($1, $2, $3, 'skipped', $4, $5, $6, $7::jsonb, $8::jsonb, null, null, 0, $9, $10, $11, $11)
     returning *`,
    [
      fields.id,
      envelope.id,
      envelope.context.parentReceiptId ?? null,
      decision.outcome,
      envelope.action.type,
      envelope.principal.id,
      envelope,
      decision,
      hashOf(fields, previous),
      previous,
      now,
    ],
  );
  return shown(rows[0]!);
}

interface Hashed {
  id: string;
  envelopeId: string;
  timestamp: string;
  decisionOutcome: string;
}

const hashOf = (fields: Hashed, previous: string | null) =>
  sha256(JSON.stringify({ ...fields, prevReceiptHash: previous ?? "" }));

export async function listReceipts(request: IncomingMessage, url: URL) {
  await authenticate(request, ["admin"]);
  const limit = Math.min(Number(url.searchParams.get("limit") ?? 50), 200);
  const { rows } = await pool.query<ReceiptRow>("select * from receipts order by created_at desc limit $1", [limit]);
  return { receipts: rows.map(shown), pagination: { limit, offset: 0, total: rows.length } };
}

export async function getReceipt(request: IncomingMessage, id: string) {
  await authenticate(request, ["admin", "executor"]);
  if (!uuid.test(id)) throw new HttpError(400, "BAD_REQUEST", "invalid receipt ID format");
  const { rows } = await pool.query<ReceiptRow>("select * from receipts where id = $1", [id]);
  if (!rows[0]) throw new HttpError(404, "NOT_FOUND", "receipt not found");
  return shown(rows[0]);
}

/** The vendor's verification: each hash is that of its fields, each predecessor exists. */
export async function verifyReceipts(request: IncomingMessage) {
  await authenticate(request, ["admin"]);
  const { rows } = await pool.query<ReceiptRow>("select * from receipts order by created_at limit 10000");
  const hashes = new Set(rows.map((row) => row.receipt_hash));
  const state = (row: ReceiptRow) => {
    if (row.receipt_hash === null) return "unchained";
    const fields = { id: row.id, envelopeId: row.envelope_id, timestamp: row.created_at.toISOString() };
    const right = hashOf({ ...fields, decisionOutcome: row.decision_outcome }, row.prev_receipt_hash);
    const linked = row.prev_receipt_hash === null || hashes.has(row.prev_receipt_hash);
    return right === row.receipt_hash && linked ? "verified" : "broken";
  };
  const count = { verified: 0, broken: 0, unchained: 0 };
  for (const row of rows) count[state(row)]++;
  return { ...count, chainIntact: count.broken === 0, checkedAt: new Date().toISOString() };
}

function shown(row: ReceiptRow) {
  return {
    id: row.id,
    envelopeId: row.envelope_id,
    timestamp: row.created_at,
    decision: row.decision,
    status: row.status,
    envelope: row.envelope,
    receiptHash: row.receipt_hash ?? undefined,
    prevReceiptHash: row.prev_receipt_hash ?? undefined,
  };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function checked(value: unknown): Envelope {
  const envelope = value as Partial<Envelope> | null;
  const valid =
    typeof envelope?.id === "string" &&
    uuid.test(envelope.id) &&
    typeof envelope.action?.type === "string" &&
    typeof envelope.action.resource === "string" &&
    typeof envelope.principal?.id === "string" &&
    typeof envelope.context === "object";
  if (!valid) throw new HttpError(400, "BAD_REQUEST", "not an action envelope: id, action, principal and context");
  return envelope as Envelope;
}
