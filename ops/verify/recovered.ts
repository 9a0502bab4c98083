/** Whether what an anchor names, and the chain has not, is in the chain of recovered receipts: proven by the seals that those had. */
import type pg from "pg";
import { timestamp } from "../archive/lines";
import { sealsAt } from "../reconcile/branch";
import { origin, originalContent, recoveredAgent } from "../reconcile/recovered";
import { chainKinds, expectedSeal } from "./chainKinds";
import { named } from "./findings";

interface Row {
  seq: string;
  sealed_at: string;
  seal: string;
  previous_seal: string;
  prev_hash: string | null;
  content: Buffer;
}

/** All as text: who may store receipts may store such an envelope, with anything in it. */
const rowsOf = `
  select ${["seq", "sealed_at", "seal", "previous_seal", "prev_hash"].map((name) => `o.origin ->> '${name}' as ${name}`).join(", ")}, ${originalContent} as content
    from (select *, ${origin} as origin from public.receipts where actor_id = $1) o
   where jsonb_typeof(o.origin) = 'object' and coalesce(o.origin ->> 'actor', '') = $2`;

/** From the anchored place back to one that the agent's own chain has; undefined where they do not reach it. */
export async function recoveredUpTo(
  client: pg.Client,
  agent: string,
  last: number,
  anchored: string,
): Promise<string | undefined> {
  const { rows } = await client.query<Row>(rowsOf, [recoveredAgent(agent), agent]);
  const right = new Map(rows.filter(holds).map((row) => [row.seal, row]));
  let [seq, seal] = [last, anchored];
  for (let row = right.get(seal); row && Number(row.seq) === seq; row = right.get(seal))
    [seq, seal] = [seq - 1, row.previous_seal];
  if (seq === last) return undefined;
  const here = seq === 0 ? "" : (await sealsAt(client, { chain: "receipts", agent }, [seq])).get(seq);
  if (here !== seal) return undefined;
  const which = seq + 1 === last ? `receipt ${last}` : `receipts ${seq + 1} to ${last}`;
  return `${which} of ${named(agent)}, in the chain of ${named(recoveredAgent(agent))}`;
}

/** Whether it says what was sealed with the seal that it names. */
function holds({ seq, sealed_at, seal, previous_seal, prev_hash, content }: Row): boolean {
  try {
    const sealed = { seq: Number(seq), content: Buffer.concat([timestamp(sealed_at), content]), prevHash: prev_hash };
    return expectedSeal(chainKinds.receipts, Buffer.from(previous_seal, "hex"), sealed).toString("hex") === seal;
  } catch {
    return false;
  }
}
