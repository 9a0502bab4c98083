/** How long statements take, by role, from what pg_stat_statements has counted since the last reading. */
import { roles } from "../../roles";
import type { Source } from "../source";
import { meanOf, type Spent, statementCounts } from "../statementCounts";

export function statements(): Source {
  const count = statementCounts();
  return {
    name: "statements",
    everySeconds: 60,
    timeoutSeconds: 8,
    async collect({ primary }, signal) {
      const spent = await count(primary, signal);
      if (spent === undefined) return { samples: {} };
      const ofRole = new Map<string, Spent[]>();
      for (const kind of spent) ofRole.set(kind.role, [...(ofRole.get(kind.role) ?? []), kind]);
      const byRole = (value: (ofOne: readonly Spent[]) => number) =>
        Object.fromEntries([...ofRole].map(([role, ofOne]) => [role, value(ofOne)]));
      const ofApp = ofRole.get(roles.app)?.map(meanOf);
      return {
        samples: {
          StatementMilliseconds: byRole(mean),
          StatementP95OfMeansMilliseconds: byRole(p95OfMeans),
          ...(ofApp && { SlowestStatementMilliseconds: Math.max(...ofApp) }),
        },
      };
    },
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
const callsOf = (spent: readonly Spent[]) => sum(spent.map(({ calls }) => calls));

const mean = (spent: readonly Spent[]) => sum(spent.map(({ milliseconds }) => milliseconds)) / callsOf(spent);

/**
 * The mean that 95 of 100 calls' kinds do not exceed. pg_stat_statements keeps no time of a single call: each counts as its kind's mean
 * of this minute, so how far the calls of one kind differ from each other is not in it.
 */
export function p95OfMeans(spent: readonly Spent[]): number {
  const byMean = spent.toSorted((a, b) => meanOf(a) - meanOf(b));
  const enough = 0.95 * callsOf(spent);
  let calls = 0;
  return meanOf(byMean.find((kind) => (calls += kind.calls) >= enough) ?? byMean.at(-1)!);
}
