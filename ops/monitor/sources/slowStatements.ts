/**
 * The slowest kinds of statement of the last five minutes, as a line of the log. Not at the monitor's port: every pod of the cluster
 * reaches that, and who looks in the morning asks what was slow in the night.
 */
import type { Server } from "../server";
import type { Source } from "../source";
import { meanOf, type Spent, statementCounts } from "../statementCounts";
import { textWithoutValues } from "../statementText";

export interface Limits {
  /** From here on, in milliseconds, a kind is slow: by the mean of its calls, or by all of them in five minutes. */
  mean: number;
  total: number;
  /** So many are told by either. */
  most: number;
}

/** All calls of a kind together are worth a line from a tenth of one connection's time. */
const defaults: Limits = { mean: 100, total: 30_000, most: 5 };

export function slowStatements({ mean, total, most }: Limits = defaults): Source {
  const count = statementCounts();
  return {
    name: "slowStatements",
    everySeconds: 300,
    timeoutSeconds: 20,
    async collect({ primary }, signal) {
      const spent = (await count(primary, signal)) ?? [];
      const slow = spent.filter((kind) => meanOf(kind) >= mean || kind.milliseconds >= total);
      if (slow.length === 0) return { samples: {} };
      const texts = await textsOf(slow, primary, signal);
      const told = slow.filter(({ id }) => texts.has(id));
      const first = (by: (kind: Spent) => number) => told.toSorted((a, b) => by(b) - by(a)).slice(0, most);
      const statements = [...new Set([...first((kind) => kind.milliseconds), ...first(meanOf)])].map((kind) => ({
        role: kind.role,
        queryId: kind.id.split("/").at(-1),
        calls: kind.calls,
        meanMilliseconds: Math.round(meanOf(kind)),
        totalMilliseconds: Math.round(kind.milliseconds),
        text: texts.get(kind.id),
      }));
      return {
        samples: {},
        ...(statements.length > 0 && { line: { message: "slow statements", fields: { statements } } }),
      };
    },
  };
}

/** By kind; without those that are not told. */
async function textsOf(slow: readonly Spent[], primary: Server, signal: AbortSignal): Promise<Map<string, string>> {
  const rows = await primary.query<{ id: string; query: string }>(
    `select id, query from (select concat_ws('/', userid, queryid) as id, query, toplevel, dbid from pg_stat_statements) s
      where toplevel and dbid = (select oid from pg_database where datname = current_database()) and id = any($1)`,
    signal,
    [slow.map(({ id }) => id)],
  );
  return new Map(
    rows.flatMap(({ id, query }) => {
      const text = textWithoutValues(query);
      return text === undefined ? [] : [[id, text]];
    }),
  );
}
