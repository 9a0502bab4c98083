import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { roles } from "../../ops/roles";
import {
  clientsPerControlPlanePod,
  connectionsOf,
  directConnections,
  otherClients,
  planConnections,
  poolsFor,
  roleConnections,
  podsPerWanted,
  type ConnectionLimits,
} from "../../components/pooling/connectionBudget";

const direct = Object.values(directConnections).reduce((sum, count) => sum + count, 0);

/** Every combination that the settings can express, and far beyond. */
const limits: fc.Arbitrary<ConnectionLimits> = fc.record({
  maxConnections: fc.integer({ min: 0, max: 6000 }),
  reservedConnections: fc.integer({ min: 0, max: 1100 }),
  pgbouncerPods: fc.integer({ min: 1, max: 60 }),
  maxClients: fc.integer({ min: 1, max: 20_000 }),
  controlPlaneMaxPods: fc.integer({ min: 1, max: 120 }),
});

const roomy: ConnectionLimits = {
  maxConnections: 200,
  reservedConnections: 30,
  pgbouncerPods: 2,
  maxClients: 500,
  controlPlaneMaxPods: 6,
};

describe("the connection budget", () => {
  test("never hands out more than max_connections minus the reserve, every draining and every new pod included", () => {
    fc.assert(
      fc.property(limits, (given) => {
        const plan = planConnections(given);
        fc.pre(plan.fits);
        const perPod = Object.values(plan.pools).reduce((sum, size) => sum + size, 0);
        const duringRollout = given.pgbouncerPods * podsPerWanted;
        expect(perPod * duringRollout).toBeLessThanOrEqual(given.maxConnections - given.reservedConnections);
        expect(perPod * duringRollout + direct).toBeLessThanOrEqual(given.maxConnections);
        expect(plan).toMatchObject({ pods: duringRollout, pooled: perPod * duringRollout });
      }),
      { numRuns: 5_000 },
    );
  });

  test("lets the monitor's query through every PgBouncer process at once, beside what it has open itself", () => {
    fc.assert(
      fc.property(limits, (given) => {
        fc.pre(planConnections(given).fits);
        const pods = given.pgbouncerPods * podsPerWanted;
        expect(roleConnections(given)[roles.monitor]).toBeGreaterThanOrEqual(directConnections.monitor + pods);
      }),
      { numRuns: 1_000 },
    );
  });

  test("leaves a person one of the maintenance role's connections while every program that logs in as it runs", () => {
    const onSchedule = connectionsOf("maintenance");
    expect(onSchedule).toBeGreaterThan(0);
    expect(onSchedule).toBeLessThan(directConnections.maintenance);
  });

  test("lets every verification on schedule run at once, and a run of the archiver be cancelled", () => {
    fc.assert(
      fc.property(limits, (given) => {
        fc.pre(planConnections(given).fits);
        expect(roleConnections(given)[roles.verifier]).toBe(connectionsOf("verifier"));
        expect(roleConnections(given)[roles.archiver]).toBeGreaterThan(connectionsOf("archiver"));
      }),
      { numRuns: 1_000 },
    );
    expect(connectionsOf("verifier")).toBeGreaterThan(1);
  });

  test("leaves less than one connection per process unused", () => {
    fc.assert(
      fc.property(limits, (given) => {
        const plan = planConnections(given);
        fc.pre(plan.fits);
        const unused = given.maxConnections - given.reservedConnections - plan.pooled;
        expect(unused).toBeGreaterThanOrEqual(0);
        expect(unused).toBeLessThan(plan.pods);
      }),
      { numRuns: 1_000 },
    );
  });

  test("gives every pool one connection at least, the control plane two and the most of all", () => {
    fc.assert(
      fc.property(limits, (given) => {
        const plan = planConnections(given);
        fc.pre(plan.fits);
        const { controlPlane, app, telemetry, auditor } = plan.pools;
        expect([controlPlane, app, telemetry, auditor].every(Number.isInteger)).toBe(true);
        expect(controlPlane).toBeGreaterThanOrEqual(2);
        expect(app).toBeGreaterThanOrEqual(1);
        expect(telemetry).toBeGreaterThanOrEqual(1);
        expect(auditor).toBeGreaterThanOrEqual(1);
        expect(controlPlane).toBeGreaterThanOrEqual(Math.max(app, telemetry, auditor));
      }),
      { numRuns: 1_000 },
    );
  });

  test("holds every client even with one PgBouncer pod gone, and while every old control plane pod ends beside a new one", () => {
    fc.assert(
      fc.property(limits, (given) => {
        fc.pre(planConnections(given).fits);
        const clients = given.controlPlaneMaxPods * 2 * clientsPerControlPlanePod + otherClients;
        expect((given.pgbouncerPods - 1) * given.maxClients).toBeGreaterThanOrEqual(clients);
      }),
      { numRuns: 1_000 },
    );
  });

  test("leaves the owner's migrations and the superusers a way in when every role has all that it may have", () => {
    fc.assert(
      fc.property(limits, (given) => {
        fc.pre(planConnections(given).fits);
        const held = Object.values(roleConnections(given)).reduce((total, count) => total + count, 0);
        const { migrations, superuserReserved, rdsadmin } = directConnections;
        expect(held + migrations + superuserReserved + rdsadmin).toBeLessThanOrEqual(given.maxConnections);
      }),
      { numRuns: 1_000 },
    );
  });

  test("is refused with its own numbers, and only where it cannot be met", () => {
    fc.assert(
      fc.property(limits, (given) => {
        const plan = planConnections(given);
        fc.pre(!plan.fits);
        const { maxConnections, reservedConnections, pgbouncerPods, maxClients, controlPlaneMaxPods } = given;
        const clients = controlPlaneMaxPods * 2 * clientsPerControlPlanePod + otherClients;
        const cannot = [
          {
            is: reservedConnections < direct + pgbouncerPods * podsPerWanted,
            says: `reservedConnections is ${reservedConnections}`,
          },
          {
            is: maxConnections - reservedConnections < 5 * pgbouncerPods * podsPerWanted,
            says: `${maxConnections} connections − ${reservedConnections} reserved`,
          },
          { is: clients > (pgbouncerPods - 1) * maxClients, says: `${clients} clients` },
        ].find(({ is }) => is);
        expect(plan.reason).toContain(cannot?.says);
        expect(() => poolsFor(given)).toThrow(plan.reason);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([
    [{}, { controlPlane: 24, app: 6, telemetry: 8, auditor: 4 }],
    [
      { maxConnections: 400, reservedConnections: 40, pgbouncerPods: 3 },
      { controlPlane: 33, app: 9, telemetry: 12, auditor: 6 },
    ],
    [{ maxConnections: 50 }, { controlPlane: 2, app: 1, telemetry: 1, auditor: 1 }],
    [{ maxConnections: 66 }, { controlPlane: 6, app: 1, telemetry: 1, auditor: 1 }],
  ])("splits %j into %j", (given, pools) => {
    expect(poolsFor({ ...roomy, ...given })).toEqual(pools);
  });

  test("is met by the number of connections that its refusal suggests, and not by one less", () => {
    const refusal = planConnections({ ...roomy, maxConnections: 49 });
    expect(refusal).toHaveProperty("fits", false);
    expect(refusal).toHaveProperty("reason", expect.stringContaining("maxConnections of 50 would do"));
    expect(planConnections({ ...roomy, maxConnections: 50 }).fits).toBe(true);
  });

  test("is met by the clients per pod that its refusal suggests, and not by one less", () => {
    const crowded = { ...roomy, pgbouncerPods: 3, controlPlaneMaxPods: 12 };
    // 24 pods × 10 and 20 others, on two of the three PgBouncer pods.
    const refusal = planConnections({ ...crowded, maxClients: 129 });
    expect(refusal).toHaveProperty("reason", expect.stringContaining("pgbouncerMaxClients of 130 would do"));
    expect(planConnections({ ...crowded, maxClients: 130 }).fits).toBe(true);
  });
});
