/** The questions that a search asks of the trail: the latest receipts, one by its id, or those that hold some words. */
import type pg from "pg";
import { sqlState } from "../database";
import { Failure } from "../program";

export interface Found {
  id: string;
  created_at: Date;
  actor_id: string | null;
  tool_name: string | null;
  resource: string | null;
  decision_outcome: string;
  status: string;
  /** Of a search for words only. */
  rank?: number;
  snippet?: string;
}

export interface Question {
  query: string;
  /** The latest, whatever their words. */
  latest: boolean;
  since: string;
  until: string | null;
  limit: number;
}

export interface Answer {
  /** What the receipts were found by. */
  by: "time" | "id" | "words";
  rows: Found[];
}

const columnsShown = `id, created_at, actor_id, tool_name, left(envelope #>> '{action,resource}', 512) as resource, decision_outcome, status`;
export const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type Ask = (text: string, ...values: unknown[]) => Promise<Found[]>;

const latest = (ask: Ask, { since, until, limit }: Question) =>
  ask(
    `select ${columnsShown} from receipts where created_at >= $1 and created_at < coalesce($2, 'infinity'::timestamptz)
      order by created_at desc limit $3`,
    since,
    until,
    limit,
  );

const byId = (ask: Ask, id: string) => ask(`select ${columnsShown} from audit.find_receipt($1)`, id);

async function byWords(ask: Ask, { query, since, until, limit }: Question): Promise<Found[]> {
  try {
    const text = "select * from search_receipts($1, $2, coalesce($3, 'infinity'::timestamptz), $4)";
    return await ask(text, query, since, until, limit);
  } catch (error) {
    // The query is at fault, not the database.
    if (sqlState(error) === "22023") throw new Failure((error as Error).message, [], 2);
    throw error;
  }
}

export async function find(client: pg.Client, question: Question): Promise<Answer> {
  const ask: Ask = async (text, ...values) => (await client.query<Found>(text, values)).rows;
  const { query } = question;
  if (question.latest) return { by: "time", rows: await latest(ask, question) };
  const found = uuid.test(query) ? await byId(ask, query) : [];
  if (found.length > 0) return { by: "id", rows: found };
  return { by: "words", rows: await byWords(ask, question) }; // another thing's id, which receipts may have among their words
}
