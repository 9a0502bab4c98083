/**
 * Plays the control plane: each of its calls by the statements that it sends (commit 55f328e, services/receipt-service.ts and
 * auth/middleware.ts), over one pool with the driver's defaults. A process of its own, that Node may load the guard before it. Prints how long
 * each call took, and what CPU it took itself.
 */
import { randomUUID } from "node:crypto";
import { Pool } from "pg";
import { keyUse, newestHash } from "../ops/guard/unsent";
import { decision, envelope } from "./payload";

export interface Play {
  url: string;
  clients: number;
  seconds: number;
  /** What each client asks for, again and again. */
  calls: Call[];
  /** Each client has an API key of its own; else all have the same. */
  ownKeys: boolean;
  /** Whatever the guard would answer by itself (ops/guard/unsent.ts). */
  sendAll: boolean;
}

export interface Played {
  /** Milliseconds of each call. */
  took: Record<Call, number[]>;
  seconds: number;
  cpuSeconds: number;
}

/** Of the API keys that there are. */
export const keyHash = (key: number): string => `bench-${key}`;
export const keys = 64;
const agents = 64;

async function main({ url, clients, seconds, calls: asked, ownKeys, sendAll }: Play): Promise<Played> {
  const pool = new Pool({ connectionString: url });
  const query = async (text: string, values?: unknown[]) =>
    (await pool.query<Record<string, string>>(text, values)).rows[0];
  // A blank makes a text of it that the guard does not know.
  const sent = (text: string) => (sendAll ? `${text} ` : text);
  const authenticate = async (client: number) => {
    await query("SELECT COUNT(*) as count FROM api_keys");
    const key = await query("SELECT * FROM api_keys WHERE key_hash = $1", [keyHash(ownKeys ? client % keys : 0)]);
    // Like the control plane: nobody waits for it.
    query(sent(keyUse), [key?.["id"]]).catch(fail);
  };
  const byId = (id: string) => query("SELECT * FROM receipts WHERE id = $1", [id]);
  const calls: Record<Call, (receipt: Receipt) => Promise<unknown>> = {
    async evaluate(receipt) {
      await query(
        `SELECT p.policy FROM active_policies a
           JOIN policies p ON p.org_id = a.org_id AND p.environment = a.environment AND p.policy_id = a.policy_id AND p.version = a.version
          WHERE a.org_id = $1 AND a.environment = $2`,
        ["default", "dev"],
      );
      const latest = await query(sent(newestHash));
      receipt.id = randomUUID();
      const agent = Math.floor(Math.random() * agents);
      await query(
        `INSERT INTO receipts (id, envelope_id, parent_receipt_id, status, decision_outcome, tool_name, actor_id, envelope, decision, approval,
           approval_status, execution_attempts, receipt_hash, prev_receipt_hash, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb, $10::jsonb, $11, 0, $12, $13, $14, $14)
         RETURNING *`,
        [
          ...[receipt.id, randomUUID(), null, "pending", "allow", "http.request", `agent-${agent}`],
          ...[
            envelopeOf(agent),
            decision,
            null,
            null,
            randomUUID(),
            latest?.["receipt_hash"] ?? null,
            new Date().toISOString(),
          ],
        ],
      );
    },
    async claim({ id }) {
      const event = [randomUUID(), id, "attempt"];
      await query("INSERT INTO claim_events (id, receipt_id, event) VALUES ($1, $2, $3)", event);
      await byId(id);
      await query("SELECT * FROM controls WHERE id = 1");
      await query(
        `UPDATE receipts SET claim_id = $2, claimed_at = now(), claim_expires_at = $3, updated_at = now()
          WHERE id = $1 AND status = 'pending' AND (claim_id IS NULL OR claim_expires_at < now())
         RETURNING *`,
        [id, randomUUID(), new Date(Date.now() + 30_000).toISOString()],
      );
    },
    async finish({ id }) {
      await byId(id);
      await query(
        `UPDATE receipts
            SET status = $2, approval = $3::jsonb, approval_status = $4, execution = $5::jsonb, result = $6::jsonb, error = $7::jsonb,
                claim_id = CASE WHEN $2 IN ('executed','failed') THEN NULL ELSE claim_id END,
                claimed_at = CASE WHEN $2 IN ('executed','failed') THEN NULL ELSE claimed_at END,
                claim_expires_at = CASE WHEN $2 IN ('executed','failed') THEN NULL ELSE claim_expires_at END,
                execution_attempts = CASE WHEN $2 IN ('executed','failed') THEN execution_attempts + 1 ELSE execution_attempts END,
                updated_at = now()
          WHERE id = $1
         RETURNING *`,
        [id, "executed", null, null, { finishedAt: new Date() }, { ok: true }, null],
      );
    },
    one: ({ id }) => byId(id),
    list: () => query("SELECT * FROM receipts ORDER BY created_at DESC LIMIT $1 OFFSET $2", [50, 0]),
  };

  const took: Played["took"] = { evaluate: [], claim: [], finish: [], one: [], list: [] };
  let end = Infinity;
  const play = async (client: number) => {
    const receipt = { id: "" };
    while (performance.now() < end)
      for (const call of asked) {
        const began = performance.now();
        await authenticate(client);
        await calls[call](receipt);
        if (end < Infinity) took[call].push(performance.now() - began);
      }
  };
  const working = Promise.all(Array.from({ length: clients }, (_, client) => play(client)));
  // Connections are made, statements known.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  process.stdout.write("begin\n");
  const [before, began] = [process.cpuUsage(), performance.now()];
  end = began + seconds * 1000;
  await working;
  process.stdout.write("end\n");
  const { user, system } = process.cpuUsage(before);
  const played = { took, seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 };
  await pool.end();
  return played;
}

const envelopeOf = (agent: number) => {
  const number = () => String(Math.floor(Math.random() * 1e9));
  return envelope.replaceAll(":agent", String(agent)).replaceAll(":r", number()).replaceAll(":s", number());
};

export type Call = "evaluate" | "claim" | "finish" | "one" | "list";

interface Receipt {
  id: string;
}

function fail(error: unknown): never {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
}

if (require.main === module)
  main(JSON.parse(process.argv[2] ?? "") as Play).then((played) => process.stdout.write(JSON.stringify(played)), fail);
