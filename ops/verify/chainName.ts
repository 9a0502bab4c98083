/**
 * The name of a chain: its agent's, and of a lane of receipts but the first U+001F and the lane's number after it
 * (audit.chain_of). In heads, checkpoints, anchors, manifests and segments a lane is a chain as any other. As queries.ts:
 * PostgreSQL's own functions only.
 */
const separator = "\u001f";

/** Whose chain it is. */
export const actorOf = (chain: string): string => chain.split(separator, 1)[0]!;

/** The number of its lane, as the name has it. */
export function laneOf(chain: string): string {
  const at = chain.indexOf(separator);
  return at < 0 ? "0" : chain.slice(at + 1);
}

export const chainOf = (agent: string, lane: number): string => (lane === 0 ? agent : `${agent}${separator}${lane}`);

/** Whether it is among those asked for: all where no agent is named. */
export const isAgents = (agent: string | undefined, chain: string): boolean =>
  agent === undefined || actorOf(chain) === agent;

const column = (row: string, name: string) => (row === "" ? name : `${row}.${name}`);

/**
 * SQL: a receipt's chain, as it is sealed; NULL where it names no agent. A row altered to have U+001F in its agent's name, a
 * lane without an agent, or no lane, makes a name that no chain has.
 */
export function sealedChain(row = ""): string {
  const [actor, lane] = [`replace(${column(row, "actor_id")}, chr(31), chr(31) || chr(31))`, column(row, "lane")];
  return `case when ${lane} = 0 then ${actor} else coalesce(${actor}, '') || chr(31) || coalesce(${lane}::text, '') end`;
}

/** SQL: the name of a receipt's chain. */
export const receiptChain = (row = ""): string => `coalesce(${sealedChain(row)}, '')`;

/** SQL: whether a receipt is of an agent's chain, by the index on agents; '' is the chain of those that name none. */
export const isOfChain = (chain: string, row = ""): string =>
  `${column(row, "actor_id")} = split_part(${chain}, chr(31), 1) and ${receiptChain(row)} = ${chain}`;

/** SQL: whether it is one of those that name no agent. */
export const isNameless = (row = ""): string =>
  `(${column(row, "actor_id")} is null or ${column(row, "actor_id")} = '') and ${column(row, "lane")} = 0`;
