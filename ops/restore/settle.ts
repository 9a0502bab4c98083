/** What follows from the rows of chains: the states of receipts, and where chains end. */
import type pg from "pg";
import type { AcceptedFork } from "../archive/acceptFork";
import type { Manifest } from "../archive/manifest";
import { Failure } from "../program";
import { archivedKinds, ofChain } from "../archive/chains";
import { isNameless, isOfChain } from "../verify/chainName";
import { named } from "../verify/findings";

const mutable =
  "status, approval, approval_status, execution, result, error, updated_at, claim_id, claimed_at, claim_expires_at, execution_attempts, rekor_entry_id";

/** A receipt's state is that of its birth with its changes applied (docs/chain.md). */
export async function applyChanges(client: pg.Client): Promise<void> {
  await client.query(
    `update public.receipts r set (${mutable}) = (
       select ${mutable} from jsonb_populate_record(null::public.receipts, audit.birth_state(r.decision_outcome, r.created_at) || h.state))
       from (select receipt_id, receipt_created_at, jsonb_object_agg(key, value order by seq) as state
               from audit.receipt_history cross join jsonb_each(after) group by 1, 2) h
      where r.id = h.receipt_id and r.created_at = h.receipt_created_at`,
  );
}

/** A chain went on in another branch: what the bucket has of the one that was left is not part of it any more. */
export async function dropBranch(client: pg.Client, { chain, agent, seq }: AcceptedFork): Promise<void> {
  const { table, seq: place } = archivedKinds[chain];
  await client.query(`delete from ${table} where ${place} > $2${ofChain(chain, agent, 1)}`, [agent, seq]);
}

interface End {
  agent: string;
  seq: number;
  seal: string;
}

const wanted = "unnest($1::text[], $2::int8[], $3::text[]) wanted (agent, seq, seal)";
const isWanted = (of: string) =>
  `wanted.agent = ${of}.agent and wanted.seq = ${of}.seq and decode(wanted.seal, 'hex') = ${of}.seal`;
const stillWanted = (heads: string) =>
  `from ${wanted} where not exists (select from audit.${heads} h where h.agent = wanted.agent)`;

// The newest receipts of an agent are those made last, in nearly every chain: found at once in the index.
const fromReceipts = (agentIs: string) => `
  insert into audit.chain_heads
  select w.agent, r.* from (select wanted.* ${stillWanted("chain_heads")}) w cross join lateral (
    select chain_seq, sealed_at, chain_seal, receipt_hash, prev_receipt_hash from public.receipts
     where ${agentIs} and chain_seq = w.seq and chain_seal = decode(w.seal, 'hex') order by created_at desc limit 1) r`;

const statements = {
  chain_heads: [
    fromReceipts(`w.agent <> '' and ${isOfChain("w.agent")}`),
    fromReceipts(`w.agent = '' and ${isNameless()}`),
  ],
  history_heads: [
    `insert into audit.history_heads
     select h.agent, h.seq, h.changed_at, h.seal from (select wanted.* ${stillWanted("history_heads")}) wanted
       join audit.receipt_history h on ${isWanted("h")}`,
  ],
} as const;

/**
 * Heads are the last rows, which must be where the manifest says that chains end. Where nothing came after the dump, its heads stand: of
 * a chain that has rested for long the rows may have expired.
 */
export async function makeHeads(client: pg.Client, { chains }: Manifest): Promise<void> {
  await client.query("delete from audit.chains");
  const ends = {
    chain_heads: chains.map(({ agent, seq, seal }): End => ({ agent, seq, seal })),
    history_heads: chains.map(({ agent, history_seq: seq, history_seal: seal }): End => ({ agent, seq, seal })),
  };
  for (const heads of ["chain_heads", "history_heads"] as const) {
    const begun = ends[heads].filter(({ seq }) => seq > 0);
    const lists = [begun.map(({ agent }) => agent), begun.map(({ seq }) => seq), begun.map(({ seal }) => seal)];
    await client.query(
      `delete from audit.${heads} h where not exists (select from ${wanted} where ${isWanted("h")})`,
      lists,
    );
    for (const statement of statements[heads]) await client.query(statement, lists);
    await client.query(`insert into audit.chains select $1, agent from audit.${heads}`, [heads]);
    const { rows } = await client.query<{ agent: string }>(`select wanted.agent ${stillWanted(heads)}`, lists);
    if (rows.length > 0)
      throw new Failure(
        `${rows.length} chains do not end where the newest manifest says, the first that of ${named(rows[0]?.agent ?? "")} (audit.${heads})`,
      );
  }
}

/**
 * The dump has imports too: those whose segments have expired, and some that came after the newest segment, without their receipts. Segments
 * say what follows from a place on.
 */
export async function forgetImports(client: pg.Client, from: number): Promise<void> {
  await client.query("delete from audit.imports where seq >= $1", [from]);
}

/**
 * The words of what was stored are indexed anew, by and by: no trigger has told the index of it (sql/012_search.sql).
 */
export async function forgetSearchIndex(client: pg.Client): Promise<void> {
  await client.query("delete from audit.search_chunks");
  await client.query("update audit.search_index set indexed_until = '-infinity'");
}
