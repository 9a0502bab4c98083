/** The rows of pieces of chains, chain by chain and in each in order, as the lines of a segment. */
import pg from "pg";
import { isNameless, isOfChain } from "../verify/chainName";
import { archivedKinds, archivedNames, nameOf, type ArchivedName } from "./chains";
import { copyOut } from "./copy";
import type { Piece } from "./follow";
import { lineOf } from "./lines";

/** Pieces of one query. */
const mostPieces = 200;

/** When a piece's receipts were made: what the index on agent and time is asked for. */
interface Span {
  since: string;
  until: string;
}

const always: Span = { since: "-infinity", until: "infinity" };

/** From the row on that is repeated; else the first after the piece's start that no checkpoint stands for. */
function firstOf({ from, checkpoints, repeated }: Piece): number {
  let first = repeated ? from.seq : from.seq + 1;
  for (const { first: gone, last } of checkpoints) if (gone <= first && first <= last) first = last + 1;
  return first;
}

/** Lines, some at a time: the pieces' in their order, which is that of `inOrder`. */
export async function* linesOf(
  client: pg.Client,
  pieces: readonly Piece[],
  reached: Reached,
): AsyncGenerator<Buffer[]> {
  const of = (chain: ArchivedName) => pieces.filter((piece) => piece.chain === chain);
  const receipts = of("receipts");
  for (const piece of receipts.filter(({ agent }) => agent === ""))
    yield* copyOut(client, receiptsQuery([piece], [await spanOfNameless(client, piece, reached)], isNameless()));
  for (const some of inBatches(receipts.filter(({ agent }) => agent !== "")))
    yield* copyOut(client, receiptsQuery(some, await spansOf(client, some, reached), isOfChain("wanted.of_agent")));
  for (const some of inBatches(of("history"))) yield* copyOut(client, historyQuery(some));
  for (const piece of of("imports")) yield* copyOut(client, importsQuery(piece));
}

/** The order of pieces in a segment: receipts, then changes, then imports, each by the bytes of the agents' names. */
export const inOrder = (pieces: readonly Piece[]): Piece[] =>
  archivedNames.flatMap((name) =>
    pieces
      .filter(({ chain }) => chain === name)
      .sort((a, b) => Buffer.compare(Buffer.from(a.agent), Buffer.from(b.agent))),
  );

function* inBatches(pieces: readonly Piece[]): Generator<Piece[]> {
  for (let i = 0; i < pieces.length; i += mostPieces) yield pieces.slice(i, i + mostPieces);
}

const literals = (values: readonly (string | number)[], type: string): string =>
  `array[${values.map((value) => pg.escapeLiteral(String(value))).join(",")}]::${type}[]`;

// The rows come in the order of `wanted`, since a lateral join can only be a loop over it; who reads them would notice another order.
const loop = (columns: string, lists: string[], line: string, rows: string) => `
  select ${line} from unnest(${lists.join(", ")}) wanted (${columns}) cross join lateral (${rows} offset 0) stored`;

const placesOf = (pieces: readonly Piece[]): string[] => [
  literals(
    pieces.map(({ agent }) => agent),
    "text",
  ),
  literals(pieces.map(firstOf), "int8"),
  literals(
    pieces.map(({ last }) => last),
    "int8",
  ),
];

function receiptsQuery(pieces: readonly Piece[], spans: readonly Span[], agentIs: string): string {
  const lists = [
    ...placesOf(pieces),
    literals(
      spans.map(({ since }) => since),
      "timestamptz",
    ),
    literals(
      spans.map(({ until }) => until),
      "timestamptz",
    ),
  ];
  const rows = `select * from public.receipts where ${agentIs} and created_at between wanted.since and wanted.until
    and chain_seq between wanted.first and wanted.last order by chain_seq`;
  return loop("of_agent, first, last, since, until", lists, lineOf.receipts, rows);
}

function historyQuery(pieces: readonly Piece[]): string {
  const rows =
    "select * from audit.receipt_history where agent = wanted.of_agent and seq between wanted.first and wanted.last order by seq";
  return loop("of_agent, first, last", placesOf(pieces), lineOf.history, rows);
}

const importsQuery = (piece: Piece): string =>
  `select ${lineOf.imports} from ${archivedKinds.imports.table} where seq between ${firstOf(piece)} and ${piece.last} order by seq`;

/** When the last receipt was made of each chain that this run has taken part of, by `nameOf`. */
export type Reached = Map<string, string>;

/** By how much receipts that follow one another may be dated in another order: most by no more than the first of these. */
const disorders = ["1 minute", "1 hour", "1 day"];

/**
 * A chain's newest receipts are those made last, but for clocks that differ and imports: so they are looked for from the newest back, and
 * the search ends when all are found, however old the oldest is. Of a chain that comes in several segments what follows is looked for from
 * where the last one ended: were it from the newest back, or from the oldest on, each segment would take longer than the one before.
 * Where some are not found that way, the span is all of time.
 */
async function spansOf(client: pg.Client, pieces: readonly Piece[], reached: Reached): Promise<Span[]> {
  const found = new Map<Piece, Span>();
  const search = async (some: readonly Piece[], order: "asc" | "desc", disorder?: string) => {
    if (some.length === 0) return;
    const { rows } = await client.query<Found & { place: number }>(
      `select wanted.place::int4, count(*)::int8 as rows, min(seq) as first, max(seq) as last, min(at)::text as since, max(at)::text as until
         from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::timestamptz[]) with ordinality wanted (agent, first, last, beyond, since, place)
        cross join lateral (select chain_seq as seq, created_at as at from public.receipts
                             where ${isOfChain("wanted.agent")} and chain_seq between wanted.first and wanted.last + wanted.beyond
                               and created_at >= wanted.since - $6::interval
                             order by created_at ${order} limit wanted.last + wanted.beyond - wanted.first + 1) stored
        where seq <= wanted.last group by wanted.place`,
      [
        some.map(({ agent }) => agent),
        some.map(firstOf),
        some.map(({ last }) => last),
        some.map(({ beyond }) => (order === "asc" ? 0 : beyond)),
        some.map((piece) => sinceOf(piece, reached) ?? "-infinity"),
        disorder ?? "0",
      ],
    );
    for (const { place, ...row } of rows) {
      const piece = some[place - 1];
      if (piece && isAllOf(piece, row)) found.set(piece, row);
    }
  };
  const going = pieces.filter((piece) => !piece.head && sinceOf(piece, reached) !== undefined);
  for (const disorder of disorders)
    await search(
      going.filter((piece) => !found.has(piece)),
      "asc",
      disorder,
    );
  await search(
    pieces.filter((piece) => !going.includes(piece)),
    "desc",
  );
  return pieces.map((piece) => found.get(piece) ?? always);
}

/** Where a piece is looked for from; undefined where that is not known. A chain that is not in the bucket begins with its oldest. */
const sinceOf = (piece: Piece, reached: Reached): string | undefined =>
  reached.get(nameOf(piece)) ?? (piece.from.seq === 0 ? "-infinity" : undefined);

interface Found extends Span {
  rows: string;
  first: string;
  last: string;
}

const isAllOf = (piece: Piece, { rows, first, last }: Found): boolean =>
  Number(first) === firstOf(piece) && Number(last) === piece.last && Number(rows) === piece.last - firstOf(piece) + 1;

/** Receipts of no agent: the index has them by time, and does not give them in its order. So they are looked for around a time. */
async function spanOfNameless(client: pg.Client, piece: Piece, reached: Reached): Promise<Span> {
  for (const age of ["1 hour", "1 day", "31 days"]) {
    const { rows } = await client.query<Found>(
      `select count(*)::int8 as rows, min(chain_seq) as first, max(chain_seq) as last, min(created_at)::text as since, max(created_at)::text as until
         from public.receipts
        where ${isNameless()} and chain_seq between $2 and $3
          and created_at between coalesce($4, now()) - $1::interval and coalesce($4, now()) + $1::interval`,
      [age, firstOf(piece), piece.last, reached.get(nameOf(piece))],
    );
    if (rows[0] && isAllOf(piece, rows[0])) return rows[0];
  }
  return always;
}
