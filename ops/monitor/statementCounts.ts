/** What statements have cost from one reading of pg_stat_statements to the next: none at the first. */
import { roleOf } from "../roles";
import type { Server } from "./server";

/** A kind of statement: what one role runs of one text, whatever its values. */
export interface Spent {
  id: string;
  role: string;
  calls: number;
  milliseconds: number;
}

export const meanOf = ({ calls, milliseconds }: Pick<Spent, "calls" | "milliseconds">): number => milliseconds / calls;

// Without the texts, which would have to be read from a file each time.
const query = `
  select concat_ws('/', s.userid, s.queryid) as id, r.rolname as role, s.calls::float8 as calls, s.total_exec_time as milliseconds
    from pg_stat_statements(false) s
    join pg_roles r on r.oid = s.userid
   where s.dbid = (select oid from pg_database where datname = current_database()) and s.toplevel`;

export function statementCounts(): (primary: Server, signal: AbortSignal) => Promise<Spent[] | undefined> {
  let before: Map<string, Spent> | undefined;
  return async (primary, signal) => {
    const rows = await primary.query<Spent>(query, signal);
    const known = before;
    before = new Map(rows.map((row) => [row.id, row]));
    return known && rows.flatMap((row) => since(known.get(row.id), row));
  };
}

function since(earlier: Spent | undefined, row: Spent): Spent[] {
  // Fewer calls than before: it was forgotten meanwhile, and counts from nothing.
  const from = earlier !== undefined && earlier.calls <= row.calls ? earlier : { calls: 0, milliseconds: 0 };
  const calls = row.calls - from.calls;
  return calls > 0
    ? [{ ...row, role: roleOf(row.role), calls, milliseconds: row.milliseconds - from.milliseconds }]
    : [];
}
