/**
 * Stands in for Authensor's control plane where neither its program nor a Docker engine is at hand: the container's
 * contract (health, /evaluate, receipts), with no policy but the vendor's fail-closed one. Every action is denied, and
 * every denial is receipted, with the very statements the real one sends. The vendor's API is described in its
 * repository, packages/control-plane/src/routes and services/receipt-service.ts.
 */
import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Pool } from "pg";

interface Key {
  id: string;
  role: string;
  principal_id: string | null;
  revoked_at: Date | null;
}

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

class HttpError extends Error {
  constructor(
    readonly status: number,
    code: string,
    message: string,
    readonly payload: unknown = { error: { code, message } },
  ) {
    super(message);
  }
}

const port = Number(process.env["PORT"] ?? 3000);
const maxBytes = Number(process.env["AUTHENSOR_MAX_REQUEST_BYTES"] ?? 1024 * 1024);
const pool = new Pool({ connectionString: process.env["DATABASE_URL"] });
// The real one has no such handler; a stand-in that dies with its pooler would only hide what is being tried out.
pool.on("error", (error) => console.warn(`idle database connection lost: ${error.message}`));

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

async function bootstrapAdminKey(): Promise<void> {
  const token = process.env["AUTHENSOR_BOOTSTRAP_ADMIN_TOKEN"];
  if (!token || (await countKeys()) > 0) return;
  await pool.query(
    `insert into api_keys (id, name, role, key_hash, key_prefix, created_at)
     values ($1, 'Bootstrap Admin', 'admin', $2, $3, now()) on conflict do nothing`,
    [randomUUID(), sha256(token), token.slice(0, 12)],
  );
}

async function countKeys(): Promise<number> {
  const { rows } = await pool.query<{ count: string }>("select count(*) as count from api_keys");
  return Number(rows[0]?.count);
}

async function authenticate(request: IncomingMessage, roles: readonly string[]): Promise<Key> {
  if ((await countKeys()) === 0) throw new HttpError(503, "BOOTSTRAP_REQUIRED", "no API keys configured");
  const bearer = request.headers.authorization?.match(/^Bearer (.+)$/)?.[1];
  const token = bearer ?? request.headers["x-authensor-key"];
  if (typeof token !== "string") throw new HttpError(401, "UNAUTHORIZED", "API key required");
  const { rows } = await pool.query<Key>("select * from api_keys where key_hash = $1", [sha256(token)]);
  const key = rows[0];
  if (!key || key.revoked_at) throw new HttpError(401, "UNAUTHORIZED", "invalid API key");
  pool
    .query("update api_keys set last_used_at = now() where id = $1", [key.id])
    .catch((error: Error) => console.warn(`last_used_at of key ${key.id} not updated: ${error.message}`));
  if (!roles.includes(key.role)) throw new HttpError(403, "FORBIDDEN", `required role: ${roles.join(" or ")}`);
  return key;
}

async function evaluate(request: IncomingMessage) {
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
  const { rows: latest } = await pool.query<{ receipt_hash: string }>(
    "select receipt_hash from receipts where receipt_hash is not null order by created_at desc limit 1",
  );
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

async function listReceipts(request: IncomingMessage, url: URL) {
  await authenticate(request, ["admin"]);
  const limit = Math.min(Number(url.searchParams.get("limit") ?? 50), 200);
  const { rows } = await pool.query<ReceiptRow>("select * from receipts order by created_at desc limit $1", [limit]);
  return { receipts: rows.map(shown), pagination: { limit, offset: 0, total: rows.length } };
}

async function getReceipt(request: IncomingMessage, id: string) {
  await authenticate(request, ["admin", "executor"]);
  if (!uuid.test(id)) throw new HttpError(400, "BAD_REQUEST", "invalid receipt ID format");
  const { rows } = await pool.query<ReceiptRow>("select * from receipts where id = $1", [id]);
  if (!rows[0]) throw new HttpError(404, "NOT_FOUND", "receipt not found");
  return shown(rows[0]);
}

/** The vendor's verification: each hash is that of its fields, each predecessor exists. */
async function verifyReceipts(request: IncomingMessage) {
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

async function body(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new HttpError(413, "PAYLOAD_TOO_LARGE", `more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new HttpError(400, "BAD_REQUEST", "not JSON");
  }
}

async function answer(request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const route = `${request.method} ${url.pathname}`;
  if (route === "GET /health") return { status: "ok", timestamp: new Date().toISOString() };
  if (route === "GET /health/ready") return ready();
  if (route === "POST /evaluate") return evaluate(request);
  if (route === "GET /receipts") return listReceipts(request, url);
  if (route === "GET /receipts/verify") return verifyReceipts(request);
  const id = /^GET \/receipts\/([^/]+)$/.exec(route)?.[1];
  if (id !== undefined) return getReceipt(request, id);
  throw new HttpError(404, "NOT_FOUND", "the stand-in has no such route");
}

async function ready() {
  try {
    await pool.query("select 1");
    return { status: "ready", checks: { database: "ok" } };
  } catch (error) {
    const checks = { database: "error", error: (error as Error).message };
    throw new HttpError(503, "NOT_READY", checks.error, { status: "error", checks });
  }
}

function send(response: ServerResponse, status: number, payload: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "x-served-by": "stand-in" });
  response.end(JSON.stringify(payload));
}

const server = createServer((request, response) => {
  answer(request).then(
    (payload) => send(response, 200, payload),
    (error: Error) => {
      if (error instanceof HttpError) return send(response, error.status, error.payload);
      console.error(`${request.method} ${request.url}: ${error.stack ?? error.message}`);
      send(response, 500, { error: { code: "INTERNAL", message: "see the log" } });
    },
  );
});

async function main(): Promise<void> {
  await bootstrapAdminKey();
  server.listen(port, () => {
    console.log("This is a stand-in for Authensor's control plane: it denies every action and receipts every denial.");
    console.log("Set CONTROL_PLANE_COMMAND, or start a Docker engine, to run the real one.");
    console.log(`Listening on port ${port}`);
  });
}

let ending = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    // Requests that are being answered still are; idle connections are not waited for.
    server.close(() => void pool.end().then(() => process.exit(0)));
    server.closeIdleConnections();
  });
}

main().catch((error: Error) => {
  console.error(`the stand-in cannot start: ${error.message}`);
  process.exit(1);
});
