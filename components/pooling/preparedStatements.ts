/** The database's memory that prepared statements may take: each connection of a pool keeps the plans of its own. */

/** Measured (docs/performance.md): the plan of an UPDATE of `receipts`, the largest that the control plane has, for each month online. */
const bytesPerMonth = 25_000;

/** The rest is for shared_buffers, a quarter, and for what connections take besides. */
const shareOfMemory = 1 / 2;

export interface PreparedStatements {
  statements: number;
  /** Connections to the database that may have all of them. */
  connections: number;
  /** That receipts stay in the database. */
  months: number;
}

/** At most, if every statement were the largest. */
export const preparedGib = ({ statements, connections, months }: PreparedStatements): number =>
  (statements * connections * months * bytesPerMonth) / 1024 ** 3;

/** Statements that a database with so much memory can keep on so many connections. */
export const mostPrepared = (
  memoryGib: number,
  { connections, months }: Omit<PreparedStatements, "statements">,
): number => Math.floor((memoryGib * shareOfMemory) / preparedGib({ statements: 1, connections, months }));
