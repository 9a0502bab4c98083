/** Receipts for tests, written as the control plane writes them, and their seals computed without the database. */
import { createHash, randomUUID } from "node:crypto";
import pg from "pg";
import { roles } from "../ops/roles";
import type { TestDatabase } from "./postgres";

export interface NewReceipt {
  id: string;
  envelope_id: string;
  parent_receipt_id: string | null;
  status: string;
  decision_outcome: string;
  tool_name: string | null;
  actor_id: string | null;
  envelope: unknown;
  decision: unknown;
  approval: unknown;
  approval_status: string | null;
  created_at: string;
  claim_id: string | null;
  claimed_at: Date | null;
  claim_expires_at: Date | null;
}

export function newReceipt(values: Partial<NewReceipt> = {}): NewReceipt {
  const outcome = values.decision_outcome ?? "allow";
  const asked = outcome === "require_approval";
  return {
    id: randomUUID(),
    envelope_id: randomUUID(),
    parent_receipt_id: null,
    status: outcome === "allow" || asked ? "pending" : "skipped",
    decision_outcome: outcome,
    tool_name: "http.request",
    actor_id: "agent-1",
    envelope: { action: { type: "http.request", resource: "https://api.example.com/orders" }, n: 1.5 },
    decision: { outcome, policyId: "default" },
    approval: asked ? { status: "pending", requestedAt: "2026-11-01T00:00:00.000Z" } : null,
    approval_status: asked ? "pending" : null,
    created_at: new Date().toISOString(),
    claim_id: null,
    claimed_at: null,
    claim_expires_at: null,
    ...values,
  };
}

const columns = Object.keys(newReceipt()) as (keyof NewReceipt)[];

/** Whether receipts are dated as the control plane dates them; others are imports (sql/009_bounds.sql). */
const timely = ({ created_at }: NewReceipt): boolean => {
  const late = (Date.now() - Date.parse(created_at)) / 60_000;
  return Number.isNaN(late) || (late < 14 && late > -4);
};

/** As `storeReceipts`, for receipts of any date: where one is of another time the owner imports them all, in a transaction. */
export async function insertReceipts(client: pg.ClientBase, receipts: NewReceipt[]): Promise<StoredReceipt[]> {
  if (receipts.every(timely)) return storeReceipts(client, receipts);
  const { host, port, database } = client as pg.Client;
  const owner = new pg.Client({ host, port, database, user: roles.owner, password: "owner" });
  await owner.connect();
  try {
    await owner.query("begin; select audit.open_import('receipts of a test')");
    const stored = await storeReceipts(owner, receipts);
    await owner.query("commit");
    return stored;
  } finally {
    await owner.end();
  }
}

/** One INSERT of all the receipts, with hash columns filled in by the client as Authensor's are; the stored rows in order. */
export async function storeReceipts(client: pg.ClientBase, receipts: NewReceipt[]): Promise<StoredReceipt[]> {
  const rows = receipts.map((_, row) => {
    const values = columns.map((column, i) => {
      const json = column === "envelope" || column === "decision" || column === "approval";
      return `$${row * columns.length + i + 1}${json ? "::jsonb" : ""}`;
    });
    return `(${values.join(", ")}, $${row * columns.length + columns.indexOf("created_at") + 1}, 'client', 'client')`;
  });
  const text = `insert into receipts (${columns.join(", ")}, updated_at, receipt_hash, prev_receipt_hash) values ${rows.join(", ")} returning *`;
  const value = (v: unknown) => (v !== null && typeof v === "object" && !(v instanceof Date) ? JSON.stringify(v) : v);
  const { rows: stored } = await client.query<StoredReceipt>(
    text,
    receipts.flatMap((receipt) => columns.map((column) => value(receipt[column]))),
  );
  return stored;
}

export interface StoredReceipt extends Omit<NewReceipt, "created_at"> {
  created_at: Date;
  chain_seq: string;
  chain_seal: Buffer;
  sealed_at: Date;
  receipt_hash: string;
  prev_receipt_hash: string | null;
}

const sha256 = (...parts: (Buffer | string)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

const int8 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
};

const oids = { bytea: 17, int8: 20, timestamptz: 1184, uuid: 2950 } as const;

/** PostgreSQL's binary form of a row, as docs/chain.md spells it out. */
export function record(...values: [keyof typeof oids, Buffer | null][]): Buffer {
  const parts = values.flatMap(([type, value]) => {
    const header = Buffer.alloc(8);
    header.writeInt32BE(oids[type], 0);
    header.writeInt32BE(value?.length ?? -1, 4);
    return value ? [header, value] : [header];
  });
  const count = Buffer.alloc(4);
  count.writeInt32BE(values.length);
  return Buffer.concat([count, ...parts]);
}

export const bytes = (text: string | null) => (text === null ? null : Buffer.from(text, "utf8"));
const uuid = (text: string | null) => (text === null ? null : Buffer.from(text.replaceAll("-", ""), "hex"));
export const timestamp = (microsecondsSince1970: string) => int8(BigInt(microsecondsSince1970) - 946_684_800_000_000n);

/** A session that writes to this lane of as many as there are: that of its process' number. */
export async function inLane(database: TestDatabase, lane: number, role: string = roles.app): Promise<pg.Client> {
  const lanes = 4;
  for (;;) {
    const client = await database.connect(role);
    const { rows } = await client.query<{ lane: number }>("select pg_backend_pid() % $1 as lane", [lanes]);
    await client.query("select set_config('audit.lanes', $1, false)", [String(lanes)]);
    if (rows[0]?.lane === lane) return client;
    await client.end();
  }
}

/** A stored row as its verifier must see it: JSON as PostgreSQL prints it, times in whole microseconds. */
export interface SealedRow {
  id: string;
  envelope_id: string;
  parent_receipt_id: string | null;
  created_at: string;
  decision_outcome: string;
  tool_name: string | null;
  actor_id: string | null;
  lane: number;
  envelope: string;
  decision: string;
  chain_seq: string;
  chain_seal: Buffer;
  sealed_at: string;
  receipt_hash: string;
  prev_receipt_hash: string | null;
}

const sealedRows = `
  select id, envelope_id, parent_receipt_id, (extract(epoch from created_at) * 1000000)::bigint::text as created_at,
         decision_outcome, tool_name, actor_id, lane, envelope::text as envelope, decision::text as decision,
         chain_seq, chain_seal, (extract(epoch from sealed_at) * 1000000)::bigint::text as sealed_at, receipt_hash, prev_receipt_hash
    from receipts`;

/** Of a lane but the first: the agent's name, U+001F and the lane's number. */
const chainOf = ({ actor_id, lane }: SealedRow): string => (actor_id ?? "") + (lane === 0 ? "" : `\u001f${lane}`);

function expectedSeal(row: SealedRow, previousSeal: Buffer): Buffer {
  const text = [
    row.id,
    row.envelope_id,
    row.parent_receipt_id,
    isoTime(row.created_at),
    row.decision_outcome,
    row.tool_name,
    row.lane === 0 ? row.actor_id : chainOf(row),
  ]
    .map((value) => JSON.stringify(value))
    .concat(row.envelope, row.decision);
  const content = sha256(`[${text.join(", ")}]`);
  return sha256(
    previousSeal,
    int8(BigInt(row.chain_seq)),
    timestamp(row.sealed_at),
    content,
    row.prev_receipt_hash ?? "",
  );
}

/** "2026-05-04T10:11:12.123456", as PostgreSQL writes a timestamp in JSON: no more digits than it has. */
function isoTime(microsecondsSince1970: string): string {
  const micros = BigInt(microsecondsSince1970);
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((micros - fraction) / 1000n)).toISOString().slice(0, 19);
  const digits = String(fraction).padStart(6, "0").replace(/0+$/, "");
  return digits === "" ? seconds : `${seconds}.${digits}`;
}

/** `computeReceiptHash` of AUTHENSOR/AUTHENSOR, packages/control-plane/src/services/receipt-service.ts. */
function authensorHash(row: SealedRow): string {
  const payload = JSON.stringify({
    id: row.id,
    envelopeId: row.envelope_id,
    // Its driver makes a Date of the column, which drops what is below the millisecond.
    timestamp: new Date(Math.floor(Number(row.created_at) / 1000)),
    decisionOutcome: row.decision_outcome,
    prevReceiptHash: row.prev_receipt_hash ?? "",
  });
  return sha256(payload).toString("hex");
}

export interface HistoryRow {
  agent: string;
  seq: string;
  receipt_id: string;
  receipt_created_at: string;
  changed_at: string;
  changed_by: string;
  application: string;
  before: string;
  after: string;
  seal: Buffer;
}

export const historyRows = `
  select agent, seq, receipt_id, (extract(epoch from receipt_created_at) * 1000000)::bigint::text as receipt_created_at,
         (extract(epoch from changed_at) * 1000000)::bigint::text as changed_at, changed_by, application,
         before::text as before, after::text as after, seal
    from audit.receipt_history`;

export function expectedHistorySeal(row: HistoryRow, previousSeal: Buffer): Buffer {
  return sha256(
    record(
      ["bytea", previousSeal],
      ["int8", int8(BigInt(row.seq))],
      ["bytea", bytes(row.agent)],
      ["uuid", uuid(row.receipt_id)],
      ["timestamptz", timestamp(row.receipt_created_at)],
      ["timestamptz", timestamp(row.changed_at)],
      ["bytea", bytes(row.changed_by)],
      ["bytea", bytes(row.application)],
      ["bytea", bytes(row.before)],
      ["bytea", bytes(row.after)],
    ),
  );
}

/** Every fault in the chains of receipts, found without a function of the database's; [] when all is whole. */
export async function chainFaults(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<SealedRow>(`${sealedRows} order by coalesce(actor_id, ''), lane, chain_seq`);
  const { rows: heads } = await client.query<{ agent: string; seq: string; seal: Buffer; receipt_hash: string | null }>(
    "select agent, seq, seal, receipt_hash from audit.chain_heads where seq > 0",
  );
  const faults: string[] = [];
  const ends = new Map<string, { seq: bigint; seal: Buffer; hash: string | null }>();
  for (const row of rows) {
    const agent = chainOf(row);
    const last = ends.get(agent) ?? { seq: 0n, seal: Buffer.alloc(0), hash: null };
    const where = `${agent} ${row.chain_seq}`;
    if (BigInt(row.chain_seq) !== last.seq + 1n) faults.push(`${where}: follows ${last.seq}`);
    if (row.prev_receipt_hash !== last.hash) faults.push(`${where}: previous hash`);
    if (row.receipt_hash !== authensorHash(row)) faults.push(`${where}: hash`);
    if (!row.chain_seal.equals(expectedSeal(row, last.seal))) faults.push(`${where}: seal`);
    ends.set(agent, { seq: BigInt(row.chain_seq), seal: row.chain_seal, hash: row.receipt_hash });
  }
  if (heads.length !== ends.size) faults.push(`${heads.length} heads of ${ends.size} chains`);
  for (const head of heads) {
    const end = ends.get(head.agent);
    if (BigInt(head.seq) !== end?.seq || !head.seal.equals(end.seal) || head.receipt_hash !== end.hash)
      faults.push(`${head.agent}: its head says ${head.seq}, its last receipt ${end?.seq ?? 0n}`);
  }
  return faults;
}
