/** What the database shows of all chains that the bucket has. */
import type pg from "pg";
import { endOf } from "../takeAnchor";
import { readSnapshot } from "../verify/snapshot";
import type { Trail } from "./plan";

export async function readTrail(client: pg.Client): Promise<Trail & { asOf: string }> {
  const { heads, checkpoints, asOf } = await readSnapshot(client);
  const { seq, seal } = await endOf(client, "audit.imports");
  const last = { seq, seal: Buffer.from(seal, "hex"), hash: null };
  return {
    heads: { ...heads, imports: new Map(seq > 0 ? [["", last]] : []) },
    // No import leaves the database.
    checkpoints: { ...checkpoints, imports: new Map() },
    asOf,
  };
}
