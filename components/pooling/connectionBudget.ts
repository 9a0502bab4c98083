/**
 * Who may hold how many of the server's connections. Everything that connects to the primary is in this file, so that
 * the sum can be checked in one place: max_connections ≥ reserve + pools × PgBouncer pods, always.
 */

import { maintenanceConnections, monitorConnections, roles } from "../../ops/roles";
import type { ScheduledProgram } from "../programs/scheduledProgram";
import { scheduledPrograms } from "../programs/scheduledPrograms";

/** What the control plane's `pg` pool opens; the driver's default, which the control plane does not change. */
export const clientsPerControlPlanePod = 10;

/** Other clients of PgBouncer: ops programs, telemetry writers, an auditor's psql, the statistics reader. */
export const otherClients = 20;

/**
 * Pods that run for each that is wanted, at the worst moment of a rollout, of PgBouncer and of the control plane. A pod
 * that terminates holds its connections until its last transaction or request is done, but Kubernetes no longer counts
 * it and starts the next (maxSurge limits the living only): every new pod may run while every old one still ends.
 */
export const podsPerWanted = 2;

/** Connections that do not come through PgBouncer, at their peak; the reserve must hold them all. */
export const directConnections = {
  /** superuser_reserved_connections, PostgreSQL's default: unusable for everyone else. */
  superuserReserved: 3,
  /** rdsadmin's own: heartbeat, metrics, backup. Replication does not count: walsenders have a limit of their own. */
  rdsadmin: 3,
  /** The migration Job: the runner, and one that waits for the lock when two deployments overlap. */
  migrations: 2,
  /** The maintenance role's limit (roleConnections): the programs on schedule that log in as it, and the same by hand. */
  maintenance: maintenanceConnections,
  /** Verifications on schedule, all at once; of each one run at a time (concurrencyPolicy Forbid). */
  verifier: connectionsOf("verifier"),
  /** The archiver's run, and another that is run by hand or cancels it. */
  archiver: connectionsOf("archiver") + 1,
  /** The monitor, always connected: its heartbeat's, and its sources'. */
  monitor: monitorConnections.heartbeat + monitorConnections.sources,
} as const;

/** PgBouncer's pools and their parts of a pod's connections, whichever of its two processes they are in. */
const shares = {
  /** Every decision waits for this one. */
  controlPlane: 0.55,
  /** Other writers of receipts, as the same role: batches, imports. */
  app: 0.15,
  /** Short statements that do not wait for the disk. */
  telemetry: 0.2,
  /** Long reads of few people: kept from taking what decisions need. */
  auditor: 0.1,
} as const;

export type Pool = keyof typeof shares;

/** The least useful pool: one connection that a stuck transaction holds must not stop every decision. */
const leastPool: Record<Pool, number> = { controlPlane: 2, app: 1, telemetry: 1, auditor: 1 };

export interface ConnectionLimits {
  /** max_connections of the primary. */
  maxConnections: number;
  /** Connections that no pool may use: the direct ones above and people. */
  reservedConnections: number;
  /** PgBouncer pods outside a rollout. */
  pgbouncerPods: number;
  /** max_client_conn of each process of a PgBouncer pod. */
  maxClients: number;
  /** The most control plane pods the autoscaler may start. */
  controlPlaneMaxPods: number;
}

/** Of the settings' groups. */
export const limitsOf = ({
  database: { maxConnections, reservedConnections },
  pgbouncer,
  controlPlane,
}: {
  database: Pick<ConnectionLimits, "maxConnections" | "reservedConnections">;
  pgbouncer: Pick<ConnectionLimits, "maxClients"> & { pods: number };
  controlPlane: { maxPods: number };
}): ConnectionLimits => ({
  maxConnections,
  reservedConnections,
  pgbouncerPods: pgbouncer.pods,
  maxClients: pgbouncer.maxClients,
  controlPlaneMaxPods: controlPlane.maxPods,
});

export type ConnectionPlan =
  | {
      fits: true;
      /** Server connections of each pool in one PgBouncer pod. */
      pools: Record<Pool, number>;
      /** PgBouncer pods at the worst moment of a rollout. */
      pods: number;
      /** Most server connections of all of them together. */
      pooled: number;
    }
  | { fits: false; reason: string };

/**
 * Each PgBouncer pod keeps the connection that the monitor's query came through, and the monitor's own limit must allow
 * it.
 */
const leastReserve = (pods: number) => sum(Object.values(directConnections)) + pods;

/** Splits the server's connections, or says with the numbers why they do not suffice. */
export function planConnections(limits: ConnectionLimits): ConnectionPlan {
  const { maxConnections, reservedConnections, pgbouncerPods, maxClients, controlPlaneMaxPods } = limits;

  const pods = pgbouncerPods * podsPerWanted;
  const least = leastReserve(pods);
  if (reservedConnections < least) {
    const parts = Object.entries(directConnections).map(([name, count]) => `${name} ${count}`);
    return refused(
      `a reserve of at least ${least} (${parts.join(", ")}, the monitor's query through each of ${pods} PgBouncer ` +
        `pods ${pods}); reservedConnections is ${reservedConnections}`,
    );
  }

  const perPod = Math.floor((maxConnections - reservedConnections) / pods);
  const leastOfPod = sum(Object.values(leastPool));
  if (perPod < leastOfPod) {
    return refused(
      `pools that fit: ${maxConnections} connections − ${reservedConnections} reserved leave ` +
        `${maxConnections - reservedConnections} for ${pods} PgBouncer pods ` +
        `(${pgbouncerPods}, and as many that drain during a rollout), ${perPod} each; each needs ${leastOfPod}. ` +
        `maxConnections of ${reservedConnections + leastOfPod * pods} would do`,
    );
  }

  const clients = controlPlaneMaxPods * podsPerWanted * clientsPerControlPlanePod + otherClients;
  const room = (pgbouncerPods - 1) * maxClients;
  if (clients > room) {
    return refused(
      `room for every client when one PgBouncer pod is gone: ${clients} clients ` +
        `(${controlPlaneMaxPods} control plane pods, and as many that end during a rollout, × ${clientsPerControlPlanePod} + ${otherClients}), ` +
        `${pgbouncerPods - 1} × pgbouncerMaxClients ${maxClients} = ${room}. ` +
        (pgbouncerPods > 1
          ? `pgbouncerMaxClients of ${Math.ceil(clients / (pgbouncerPods - 1))} would do`
          : "Two PgBouncer pods are the least"),
    );
  }

  const part = (pool: Pool) => Math.max(leastPool[pool], Math.floor(perPod * shares[pool]));
  const others = { app: part("app"), telemetry: part("telemetry"), auditor: part("auditor") };
  const pools = { controlPlane: perPod - sum(Object.values(others)), ...others };
  return { fits: true, pools, pods, pooled: pods * sum(Object.values(pools)) };
}

/**
 * The pools of one PgBouncer pod, for limits that the settings have found to fit.
 * @throws with the numbers where they do not
 */
export function poolsFor(limits: ConnectionLimits): Record<Pool, number> {
  const plan = planConnections(limits);
  if (!plan.fits) throw new Error(plan.reason);
  return plan.pools;
}

/**
 * What each role may hold at most, whether it comes through PgBouncer or not. What they leave together is the owner's way
 * in: migrations, and the superusers' share, whatever a role does. A role's second login may hold as many: while passwords change
 * the two share PgBouncer's pools. Only somebody with the passwords of both could hold twice as many.
 */
export function roleConnections(limits: ConnectionLimits): Record<string, number> {
  const pools = poolsFor(limits);
  const pods = limits.pgbouncerPods * podsPerWanted;
  const spare = limits.reservedConnections - leastReserve(pods);
  return {
    [roles.app]: pods * (pools.controlPlane + pools.app),
    [roles.telemetry]: pods * pools.telemetry,
    [roles.auditor]: pods * pools.auditor,
    [roles.verifier]: directConnections.verifier,
    [roles.archiver]: directConnections.archiver,
    // Two more where the reserve allows it: for the next monitor of a rollout and for a person.
    [roles.monitor]: directConnections.monitor + pods + Math.min(2, spare),
    [roles.maintenance]: maintenanceConnections,
  };
}

function refused(reason: string): ConnectionPlan {
  return { fits: false, reason };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Connections that the programs on schedule hold at most, all at once, those of one way to the primary. */
export function connectionsOf(way: ScheduledProgram["connection"]): number {
  const programs: ScheduledProgram[] = Object.values(scheduledPrograms);
  return sum(programs.map(({ connection, connections }) => (connection === way ? connections : 0)));
}
