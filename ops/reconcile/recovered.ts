/**
 * A recovered receipt: one of another timeline, in a chain of its own. It says what the lost one said, and in its
 * envelope, under one key, what is needed to prove that: its place in the chain that it was sealed in, its seal, and
 * the seal before it. All of it is sealed, archived and restored as every receipt's is.
 */
import { hash } from "node:crypto";
import { actorOf, receiptChain } from "../verify/chainName";
import type { LostReceipt } from "./lost";

export const recoveredKey = "authensor:recovered";

const prefix = "recovered:";

/** What a name may have, by sql/009_bounds.sql. */
const mostBytes = 1024;

/**
 * The agent of the chain that recovered receipts of a chain are in: one for all lanes of an agent. A name that would be
 * too long is told by its hash.
 */
export function recoveredAgent(chain: string): string {
  const agent = actorOf(chain);
  return Buffer.byteLength(prefix + agent) <= mostBytes ? prefix + agent : prefix + hash("sha256", agent);
}

/** What is kept of where it was. */
export interface Origin {
  /** Its chain as it was sealed, which is its actor_id but for a lane: null and '' are one chain, and not the same receipt. */
  actor: string | null;
  seq: number;
  sealed_at: string;
  seal: string;
  previous_seal: string;
  hash: string | null;
  prev_hash: string | null;
  /** What it had become, as far as is known, and by which changes. */
  status: string;
  changes: { seq: number; changed_at: string; changed_by: string; application: string; seal: string }[];
  /** The manifest, or the server, that had it. */
  from: string;
}

/** Without `actor` and `status`, which the database finds out. */
export const originOf = ({ seq, sealedAt, seal, previousSeal, hash: own, prevHash, changes, from }: LostReceipt) =>
  ({
    ...{ seq, sealed_at: sealedAt, seal, previous_seal: previousSeal, hash: own, prev_hash: prevHash },
    changes: changes.map(({ seq: place, changedAt, changedBy, application, seal: sealed }) => ({
      ...{ seq: place, changed_at: changedAt, changed_by: changedBy, application, seal: sealed },
    })),
    from,
  }) satisfies Omit<Origin, "actor" | "status">;

/** SQL: of a row of receipts, its origin; NULL of one that was not recovered. */
export const origin = `(envelope -> '${recoveredKey}')`;

/** SQL: the envelope as it was. One that is no object, or has our key, is kept whole beside the origin. */
export const originalEnvelope = `coalesce(${origin} -> 'envelope', envelope - '${recoveredKey}')`;

const contentOf = (actor: string, envelope: string): string => `sha256(convert_to(json_build_array(
    id, envelope_id, parent_receipt_id, created_at at time zone 'UTC', decision_outcome, tool_name, ${actor}, ${envelope}, decision)::text, 'UTF8'))`;

/**
 * SQL: what its seal covers of a receipt's columns, as docs/chain.md has it: of the row as it is, with its chain as it is
 * sealed, and of a recovered one as it was.
 */
export const content = (actor: string): string => contentOf(actor, "envelope");
export const originalContent = contentOf(`${origin} ->> 'actor'`, originalEnvelope);

/** SQL: whether an import brought recovered receipts in. */
export const isRecovery = `starts_with(i.reason, '${prefix}')`;

/**
 * SQL: whether a row of receipts came by an import of recovered ones. Whoever stores receipts names any agent and any
 * envelope; imports are the owner's.
 */
export const broughtIn = `exists (
  select from audit.imports i
   where i.agent = ${receiptChain("receipts")} and receipts.chain_seq between i.first_seq and i.last_seq and ${isRecovery})`;
