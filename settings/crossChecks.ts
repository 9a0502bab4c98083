import { backupRegionsFor } from "../components/backupRegions";
import { planConnections } from "../components/connectionBudget";
import { defaultMaxConnections, instanceCapacity } from "../components/instanceClass";
import type { Settings } from "./table";

/** A rule that only shows in combination. One that reads a value which is itself wrong is not applied. */
export interface CrossCheck {
  /** The key that the problem is reported under. */
  key: string;
  /** The rule that is broken, with its numbers, or undefined. */
  broken: (settings: Settings) => string | undefined;
}

/** What the program sets itself: a second value for one of them would silently lose or silently weaken it. */
export const ownVariables = [
  "AUTHENSOR_ALLOW_FALLBACK_POLICY",
  "AUTHENSOR_BOOTSTRAP_ADMIN_TOKEN",
  "DATABASE_URL",
  "NODE_ENV",
  "NODE_OPTIONS",
  "PORT",
] as const;

const carriesConnections = (key: string, classOf: (settings: Settings) => string): CrossCheck => ({
  key,
  // The replica's too: a standby refuses to start with less than its primary's max_connections.
  broken: (settings) => {
    const { maxConnections } = settings.database;
    const capacity = instanceCapacity(classOf(settings));
    const most = capacity === undefined ? 0 : defaultMaxConnections(capacity);
    return maxConnections > most
      ? `a class with memory for maxConnections ${maxConnections}; AWS' own formula gives ${classOf(settings)} ` +
          `(${capacity?.memoryGib} GiB) ${most}`
      : undefined;
  },
});

export const crossChecks: readonly CrossCheck[] = [
  ...(["replica", "backup"] as const).map((role): CrossCheck => ({
    key: `${role}Region`,
    broken: ({ regions }) => (regions[role] === regions.primary ? "must differ from primaryRegion" : undefined),
  })),
  {
    key: "backupRegion",
    // RDS copies automated backups between certain pairs of regions only, and refuses others after the primary was made.
    broken: ({ regions: { primary, backup }, backup: { regionConfirmed } }) => {
      const possible = backupRegionsFor(primary);
      if (primary === backup || regionConfirmed || possible.includes(backup)) return undefined;
      const use = possible.length > 0 ? `use ${possible.join(", ")}` : "no region is known that would do";
      return (
        `must be a region that RDS copies automated backups to from primaryRegion ${primary}: ${use}. Where ` +
        `aws rds describe-source-regions --region ${backup} lists ${primary} with ` +
        `SupportsDBInstanceAutomatedBackupsReplication true, set backupRegionConfirmed to true`
      );
    },
  },
  carriesConnections("instanceClass", ({ database }) => database.instanceClass),
  carriesConnections("replicaInstanceClass", ({ replica }) => replica.instanceClass),
  {
    key: "maxStorageGib",
    // RDS refuses a threshold less than 10 % above the allocated storage.
    broken: ({ database: { storageGib, maxStorageGib } }) =>
      maxStorageGib * 10 < storageGib * 11
        ? `must be at least 10 % above storageGib ${storageGib}; use at least ${Math.ceil((storageGib * 11) / 10)}`
        : undefined,
  },
  {
    key: "lockDays",
    // Expiry cannot remove what is still locked: under COMPLIANCE not even the account's root can.
    broken: ({ backup: { lockDays, receiptRetentionMonths } }) =>
      lockDays > receiptRetentionMonths * 31
        ? `must not be longer than receiptRetentionMonths: ${receiptRetentionMonths} months are ` +
          `${receiptRetentionMonths * 31} days at most`
        : undefined,
  },
  {
    key: "controlPlaneMaxPods",
    broken: ({ controlPlane: { minPods, maxPods } }) =>
      maxPods < minPods ? `must not be below controlPlaneMinPods; use at least ${minPods}` : undefined,
  },
  {
    key: "controlPlaneEnv",
    broken: ({ controlPlane: { env } }) => {
      const taken = ownVariables.filter((name) => Object.hasOwn(env, name));
      return taken.length > 0 ? `must not set ${taken.join(", ")}: the program sets these itself` : undefined;
    },
  },
  {
    key: "maxConnections",
    broken: ({ database, pgbouncer, controlPlane }) => {
      const plan = planConnections({
        maxConnections: database.maxConnections,
        reservedConnections: database.reservedConnections,
        pgbouncerPods: pgbouncer.pods,
        maxClients: pgbouncer.maxClients,
        controlPlaneMaxPods: controlPlane.maxPods,
      });
      return plan.fits ? undefined : plan.reason;
    },
  },
];
