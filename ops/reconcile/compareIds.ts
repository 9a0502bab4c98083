/** Which lost receipts this database has by now, and under the same id what else. */
import type pg from "pg";
import { actorOf, receiptChain } from "../verify/chainName";
import { named } from "../verify/findings";
import type { LostReceipt } from "./lost";
import { broughtIn, content, isRecovery, origin, originalContent, recoveredAgent } from "./recovered";

export interface Sorted {
  /** In no chain of this database. */
  missing: LostReceipt[];
  /** In the chain of the recovered ones, by an earlier run. */
  recovered: LostReceipt[];
  /** Whoever was told that it was stored has sent it again: it has a place of this timeline. */
  sentAgain: LostReceipt[];
  /** Another receipt has its id: a sentence each. */
  conflicts: string[];
  /** Its month has left this database, and recovered receipts of its agent with it: a sentence each. */
  gone: string[];
}

interface Here {
  id: string;
  agent: string;
  seq: string;
  content: string;
  /** Of one that was brought in: the seal that it had, and what it said. */
  original: string | null;
  said: string | null;
}

const idsAtOnce = 1000;

export async function sortByIds(client: pg.Client, lost: readonly LostReceipt[]): Promise<Sorted> {
  const missing = new Map<string, LostReceipt>();
  const sorted: Omit<Sorted, "missing"> = { recovered: [], sentAgain: [], conflicts: [], gone: [] };
  for (let i = 0; i < lost.length; i += idsAtOnce) {
    const some = lost.slice(i, i + idsAtOnce);
    const { rows } = await client.query<Here>(
      // In whichever lane it is here: what was said is compared as if it were in that of the lost one.
      `select id, ${receiptChain()} as agent, chain_seq as seq, encode(${content("actor_id || lost_lane")}, 'hex') as content,
              ${origin} ->> 'seal' as original,
              case when jsonb_typeof(${origin}) = 'object' and ${broughtIn} then encode(${originalContent}, 'hex') end as said
         from unnest($1::uuid[], $2::text[]) lost (lost_id, lost_lane) join public.receipts on id = lost_id order by sealed_at`,
      [some.map(({ id }) => id), some.map(({ agent }) => agent.slice(actorOf(agent).length))],
    );
    const here = new Map<string, Here[]>();
    for (const row of rows) here.set(row.id, [...(here.get(row.id) ?? []), row]);
    for (const receipt of some) sort(sorted, missing, receipt, here.get(receipt.id) ?? []);
  }
  const left = await monthsThatLeft(client, [...missing.values()]);
  for (const [id, receipt] of missing) {
    const month = monthOf(receipt);
    if (!left.has(`${month} ${recoveredAgent(receipt.agent)}`)) continue;
    missing.delete(id);
    sorted.gone.push(
      `${id}: place ${receipt.seq} of ${named(receipt.agent)} is of ${month}, which has left this database with recovered receipts of this agent: the bucket tells whether it is among them`,
    );
  }
  return { ...sorted, missing: [...missing.values()] };
}

/** When it was made, of its month: a recovered receipt leaves with that. */
const monthOf = ({ statement }: LostReceipt): string => String((JSON.parse(statement) as unknown[])[3]).slice(0, 7);

/**
 * Months and chains of recovered receipts that have left with them: one that was brought in is not to be stored again. Of a chain with such a
 * name that no import brought anything into, a client has put something there itself.
 */
async function monthsThatLeft(client: pg.Client, missing: readonly LostReceipt[]): Promise<Set<string>> {
  const { rows } = await client.query<{ left: string }>(
    `select replace(substr(source, length('receipts_') + 1), '_', '-') || ' ' || agent as left
       from audit.checkpoints c
      where chain = 'receipts' and agent = any ($1::text[]) and exists (
              select from audit.imports i
               where i.agent = c.agent and i.first_seq <= c.last_seq and c.first_seq <= i.last_seq and ${isRecovery})`,
    [[...new Set(missing.map(({ agent }) => recoveredAgent(agent)))]],
  );
  return new Set(rows.map(({ left }) => left));
}

function sort(
  sorted: Omit<Sorted, "missing">,
  missing: Map<string, LostReceipt>,
  receipt: LostReceipt,
  here: readonly Here[],
): void {
  const { id, agent, seq, seal, from } = receipt;
  const chain = recoveredAgent(agent);
  const [first] = here;
  const other = missing.get(id);
  if (other)
    sorted.conflicts.push(
      `${id}: place ${seq} of ${named(agent)} (${from}) has the id of another lost one, place ${other.seq} of ${named(other.agent)}`,
    );
  else if (!first) missing.set(id, receipt);
  else if (here.some((one) => one.agent === chain && one.original === seal && one.said === receipt.content))
    sorted.recovered.push(receipt);
  else if (here.some((one) => one.content === receipt.content)) sorted.sentAgain.push(receipt);
  else
    sorted.conflicts.push(
      `${id}: place ${seq} of ${named(agent)} (${from}) is not the receipt with the same id here, which says something else or was not brought in by an import: place ${first.seq} of ${named(first.agent)}`,
    );
}
