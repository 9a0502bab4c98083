/** API keys: the first from the bootstrap token, and what each may do. */
import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { keyUse } from "../../ops/guard/unsent";
import { HttpError } from "./http";
import { pool } from "./pool";

interface Key {
  id: string;
  role: string;
  principal_id: string | null;
  revoked_at: Date | null;
}

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

export async function bootstrapAdminKey(): Promise<void> {
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

export async function authenticate(request: IncomingMessage, roles: readonly string[]): Promise<Key> {
  if ((await countKeys()) === 0) throw new HttpError(503, "BOOTSTRAP_REQUIRED", "no API keys configured");
  const bearer = request.headers.authorization?.match(/^Bearer (.+)$/)?.[1];
  const token = bearer ?? request.headers["x-authensor-key"];
  if (typeof token !== "string") throw new HttpError(401, "UNAUTHORIZED", "API key required");
  const { rows } = await pool.query<Key>("select * from api_keys where key_hash = $1", [sha256(token)]);
  const key = rows[0];
  if (!key || key.revoked_at) throw new HttpError(401, "UNAUTHORIZED", "invalid API key");
  pool
    .query(keyUse, [key.id])
    .catch((error: Error) => console.warn(`last_used_at of key ${key.id} not updated: ${error.message}`));
  if (!roles.includes(key.role)) throw new HttpError(403, "FORBIDDEN", `required role: ${roles.join(" or ")}`);
  return key;
}
