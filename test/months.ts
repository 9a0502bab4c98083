/** The months around today, as monthly tables have them: in UTC. */

/** When the month begins that is so many months ahead of this one. */
export function month(ahead: number): Date {
  const today = new Date();
  return new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + ahead, 1));
}

/** "2031-05" */
export const monthName = (ahead: number) => month(ahead).toISOString().slice(0, 7);

/** The partition of a table that holds the month. */
export const tile = (table: string, ahead: number) => `${table}_${monthName(ahead).replace("-", "_")}`;
