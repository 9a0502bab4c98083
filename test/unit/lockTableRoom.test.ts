import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { maxLocksPerTransaction, monthsOnline, placesOfLookUp } from "../../components/parameters/lockTable";
import { type ConnectionLimits, planConnections, roleConnections } from "../../components/pooling/connectionBudget";
import { roles } from "../../ops/roles";

/** Whatever the settings may say, and fits. */
const limits: fc.Arbitrary<ConnectionLimits> = fc
  .record({
    maxConnections: fc.integer({ min: 25, max: 5000 }),
    reservedConnections: fc.integer({ min: 20, max: 1000 }),
    pgbouncerPods: fc.integer({ min: 2, max: 50 }),
    maxClients: fc.constant(10_000),
    controlPlaneMaxPods: fc.integer({ min: 1, max: 100 }),
  })
  .filter((given) => planConnections(given).fits);

/** Per cent of the table, as audit.lock_table_percent has it, when the sessions all look up at once: they share the objects. */
const percent = (months: number, sessions: number, maxConnections: number) =>
  (100 * Math.max(placesOfLookUp(months), (placesOfLookUp(months) * sessions) / 2)) /
  (maxLocksPerTransaction * maxConnections);

describe("the lock table", () => {
  test("has room for look-ups on all connections at once, at any number of months up to ten years: half of it is used", () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: monthsOnline }), ({ maxConnections }, months) => {
        expect(percent(months, maxConnections, maxConnections)).toBeLessThanOrEqual(50);
        // Its share, within which the guard ends nobody (sql/021_lock_table.sql).
        expect(placesOfLookUp(months)).toBeLessThanOrEqual(maxLocksPerTransaction);
      }),
    );
  });

  test.each([12, 24, 87, 120, 126])("at %d months is used by the control plane's sessions up to a third", (months) => {
    fc.assert(
      fc.property(limits, (given) => {
        const sessions = roleConnections(given)[roles.app] ?? NaN;
        expect(percent(months, sessions, given.maxConnections)).toBeLessThanOrEqual(36);
      }),
    );
  });

  test("is never three quarters full without a session that is beyond its share, unless more than three quarters of all connect", () => {
    fc.assert(
      fc.property(limits, (given) => {
        const { [roles.app]: app = NaN, [roles.telemetry]: telemetry = NaN, ...others } = roleConnections(given);
        for (const sessions of [app, telemetry, ...Object.values(others)])
          expect(sessions * maxLocksPerTransaction).toBeLessThanOrEqual(
            0.75 * maxLocksPerTransaction * given.maxConnections,
          );
      }),
    );
  });
});
