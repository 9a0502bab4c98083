/** What the server does: transactions, what they cost, and how many ids are left for them. */
import { one } from "../server";
import { counters, type Source } from "../source";

type Counter = "Commits" | "Rollbacks" | "Deadlocks" | "TemporaryBytes" | "WalBytes";

/** Ids that there are before the server refuses to write; it stops three million short of two thousand million. */
const transactionIds = 2 ** 31 - 3_000_000;

export function transactions(): Source {
  const since = counters<Counter>();
  return {
    name: "transactions",
    everySeconds: 10,
    timeoutSeconds: 5,
    async collect({ primary }, signal) {
      const { used, ...readings } = await one<Record<Counter, number> & { used: number }>(
        primary,
        `select xact_commit::float8 as "Commits", xact_rollback::float8 as "Rollbacks", deadlocks::float8 as "Deadlocks",
                temp_bytes::float8 as "TemporaryBytes",
                pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as "WalBytes",
                (select max(greatest(age(datfrozenxid), mxid_age(datminmxid))) from pg_database)::float8 as used
           from pg_stat_database where datname = current_database()`,
        signal,
      );
      return { samples: { TransactionIdsUsedPercent: (100 * used) / transactionIds, ...since(readings) } };
    },
  };
}
