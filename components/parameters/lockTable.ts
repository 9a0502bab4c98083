/**
 * Room in the lock table, which all sessions share. Up to PostgreSQL 17 a session keeps 16 locks by itself, and its
 * others take a place each, with whomever it shares them; from 18 on it keeps as many as `maxLocksPerTransaction`.
 */

/** Ten years, and the months ahead. */
export const monthsOnline = 120 + 6;

/**
 * Places that the control plane's look-up by id takes, or its latest receipts: of each month the table and seven
 * indexes, since planning opens them all, whatever execution reads, and six of their parent's (not on 15); a search
 * takes six more, of its own index. A bound on
 * `created_at` that planning knows leaves one month of them; an insert takes two places. Measured: test/sql/lockTable.test.ts.
 */
export const placesOfLookUp = (months: number) => 8 * months + 7 + 6;

/**
 * What planning needs at the most months, to 64. The server has room for as many objects per connection, each held by
 * two sessions: all connections that look up at once fill half of it. Some 400 bytes of memory a place (measured on 15).
 */
export const maxLocksPerTransaction = Math.ceil(placesOfLookUp(monthsOnline) / 64) * 64;
