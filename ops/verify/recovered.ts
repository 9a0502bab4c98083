/**
 * Whether what anchors name, and the chain has not, is in the chain of recovered receipts: proven by the seals that
 * those had.
 */
import type pg from "pg";
import { timestamp } from "../archive/lines";
import { sealsAt } from "../reconcile/branch";
import { broughtIn, origin, originalContent, recoveredAgent } from "../reconcile/recovered";
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

/** All as text: of an envelope nothing is taken on trust. */
const rowsOf = `
  select ${["seq", "sealed_at", "seal", "previous_seal", "prev_hash"].map((name) => `o.origin ->> '${name}' as ${name}`).join(", ")}, ${originalContent} as content
    from (select *, ${origin} as origin from public.receipts where actor_id = $1 and ${broughtIn}) o
   where jsonb_typeof(o.origin) = 'object' and coalesce(o.origin ->> 'actor', '') = $2`;

export interface AnchoredPlace {
  seq: number;
  seal: string;
}

export interface InRecovered<P extends AnchoredPlace> {
  /** What was found: a sentence for each branch. */
  says: string[];
  /** Places that the recovered receipts do not have. */
  others: P[];
}

/**
 * Follows each anchored place back to one that the agent's own chain has. Anchors may be of several timelines: one
 * place proves none of another's.
 */
export async function inRecovered<P extends AnchoredPlace>(
  client: pg.Client,
  agent: string,
  places: readonly P[],
): Promise<InRecovered<P>> {
  const { rows } = await client.query<Row>(rowsOf, [recoveredAgent(agent), agent]);
  const right = new Map(rows.filter(holds).map((row) => [row.seal, row]));
  const [reached, found]: [Set<string>, InRecovered<P>] = [new Set(), { says: [], others: [] }];
  for (const place of places.toSorted((a, b) => b.seq - a.seq)) {
    let { seq, seal } = place;
    if (reached.has(`${seq} ${seal}`)) continue;
    const path: string[] = [];
    for (let row = right.get(seal); row && Number(row.seq) === seq; row = right.get(seal)) {
      path.push(`${seq} ${seal}`);
      [seq, seal] = [seq - 1, row.previous_seal];
    }
    const here = seq === 0 ? "" : (await sealsAt(client, { chain: "receipts", agent }, [seq])).get(seq);
    if (path.length === 0 || here !== seal) {
      found.others.push(place);
      continue;
    }
    for (const one of path) reached.add(one);
    const which = path.length === 1 ? `receipt ${place.seq}` : `receipts ${seq + 1} to ${place.seq}`;
    found.says.push(`${which} of ${named(agent)}, in the chain of ${named(recoveredAgent(agent))}`);
  }
  return found;
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
