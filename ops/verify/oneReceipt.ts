/** One receipt with its history, and whether all of it is as it was sealed: the checks of a verification, of this receipt alone. */
import type pg from "pg";
import { follows, genesis, type End, type Row } from "./chain";
import { laneOf, receiptChain } from "./chainName";
import { linkHolds, receiptsWithSeqs } from "./queries";
import { inSnapshot } from "./session";
import { stateMismatches, type StateMismatch } from "./stateMismatch";

/** Undefined: it could not be checked here. */
type Outcome = boolean | undefined;

export interface Check {
  of: "seal" | "link" | "state";
  holds: Outcome;
  says: string;
}

export interface Change {
  seq: string;
  changed_at: string;
  changed_by: string;
  application: string;
  /** Documents as the database prints them: no digit of theirs is lost on the way. */
  before: string;
  after: string;
  holds: Outcome;
}

export interface OneReceipt {
  /** Every column, as text. */
  columns: Record<string, string | null>;
  checks: Check[];
  changes: Change[];
  /** Changes beyond those listed. */
  more: number;
}

const mostChanges = 200;

/** Undefined where no receipt here has this id; the first that was sealed where several have. */
export function readReceipt(client: pg.Client, id: string): Promise<OneReceipt | undefined> {
  return inSnapshot(client, async () => {
    const { rows } = await client.query<Found>(
      `select created_at::text as at, (created_at + interval '1 microsecond')::text as until, ${receiptChain()} as chain, coalesce(actor_id, '') as agent, chain_seq as seq,
              (select json_agg(array[key, case jsonb_typeof(value) when 'object' then jsonb_pretty(value)
                                               when 'array' then jsonb_pretty(value) else value #>> '{}' end])
                 from jsonb_each(to_jsonb(r))) as columns
         from public.receipts r where id = $1 order by sealed_at limit 1`,
      [id],
    );
    const [found] = rows;
    if (!found) return undefined;
    const place = { ...found, id, seq: Number(found.seq) };
    const { changes, more } = await readChanges(client, place);
    return {
      columns: Object.fromEntries(found.columns),
      checks: [...(await chainChecks(client, place)), await stateCheck(client, place, changes.length + more)],
      changes,
      more,
    };
  });
}

interface Found {
  at: string;
  /** A moment after. */
  until: string;
  /** The receipt's chain; that of its changes has its agent's name. */
  chain: string;
  agent: string;
  seq: string;
  columns: [string, string | null][];
}

type Place = Pick<Found, "at" | "until" | "chain" | "agent"> & { id: string; seq: number };

async function chainChecks(client: pg.Client, { id, chain, seq }: Place): Promise<Check[]> {
  type Sealed = Row & { hash_right: boolean | null };
  const { rows } = await client.query<Sealed>(receiptsWithSeqs(chain), [
    ...["-infinity", "infinity"],
    chain,
    [seq - 1, seq, seq + 1],
  ]);
  const one = rows.find((row) => row.id === id);
  const at = (wanted: number) => rows.find((row) => Number(row.seq) === wanted);
  const before = seq === 1 ? genesis : endOf(at(seq - 1));
  const seal = one && before && joins(before, one) && one.hash_right === true;
  const after = at(seq + 1);
  const link = one && after ? joins(endOf(after && one)!, after) : await isHead(client, one);
  const number = seq.toLocaleString("en");
  const chainSays = laneOf(chain) === "0" ? "agent" : `agent's lane ${laneOf(chain)}`;
  return [
    {
      of: "seal",
      holds: before === undefined ? undefined : (seal ?? false),
      says:
        before === undefined
          ? `The receipt before it, number ${(seq - 1).toLocaleString("en")} of this ${chainSays}, is not in this database: its archive has it.`
          : seal
            ? `Every sealed column is what it was when this receipt was stored, as number ${number} of its ${chainSays}.`
            : "A sealed column, or the receipt before it, is not what was sealed.",
    },
    {
      of: "link",
      holds: link,
      says: link
        ? after
          ? "The receipt after it was sealed on top of this one."
          : `It is the newest of its ${chainSays}, and the chain's head says so.`
        : after
          ? "The receipt after it does not follow from this one."
          : "It is not the end of its chain, and the receipt after it is missing.",
    },
  ];
}

const endOf = (row: Row | undefined): End | undefined => row && { seal: row.seal, hash: row.hash };

const joins = (before: End, { seq, seal, content, prev_hash: prevHash, id, at }: Row): boolean =>
  content !== null && follows("receipts", before, Number(seq), { id, at, seal, content, prevHash });

async function isHead(client: pg.Client, row: Row | undefined): Promise<boolean> {
  const { rows } = await client.query<{ seq: string; seal: Buffer }>(
    "select seq, seal from audit.chain_heads where agent = $1",
    [row?.agent],
  );
  return row !== undefined && rows[0]?.seq === row.seq && rows[0].seal.equals(row.seal);
}

async function stateCheck(client: pg.Client, { id, at, until, agent }: Place, changes: number): Promise<Check> {
  const { rows } = await client.query<StateMismatch>(`select * from (${stateMismatches(agent)}) found where id = $4`, [
    at,
    until,
    agent,
    id,
  ]);
  const [wrong] = rows;
  const explained =
    changes === 0
      ? "It has not changed since it was stored."
      : changes === 1
        ? "Its one recorded change explains the state it is in."
        : `Its ${changes} recorded changes explain the state it is in.`;
  const unexplained = `Its recorded changes do not explain the state it is in: ${wrong?.columns.join(", ") || "a change starts from what was not there"}.`;
  return { of: "state", holds: wrong === undefined, says: wrong === undefined ? explained : unexplained };
}

async function readChanges(client: pg.Client, { id, at, agent }: Place): Promise<{ changes: Change[]; more: number }> {
  const { rows } = await client.query<Omit<Change, "holds"> & { before_seal: Buffer | null; count: string }>(
    `select seq, changed_at::text, changed_by, application, jsonb_pretty(before) as before, jsonb_pretty(after) as after,
            (select p.seal from audit.receipt_history p where p.agent = h.agent and p.seq = h.seq - 1 limit 1) as before_seal,
            count(*) over () as count
       from audit.receipt_history h where receipt_id = $1 and receipt_created_at = $2 order by h.seq limit ${mostChanges}`,
    [id, at],
  );
  const changes: Change[] = [];
  for (const { before_seal: before, count: _, ...change } of rows) {
    const seal = change.seq === "1" ? Buffer.alloc(0) : before;
    const { rows: links } = seal
      ? await client.query<{ holds: boolean }>(linkHolds("history", agent), [at, agent, change.seq, id, seal])
      : { rows: [{ holds: undefined }] };
    changes.push({ ...change, holds: links.length === 1 ? links[0]?.holds : false });
  }
  return { changes, more: Number(rows[0]?.count ?? 0) - changes.length };
}
