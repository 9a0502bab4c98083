import { severities } from "../components/monitoring/alarm";
import { accountOfArn, regionOfArn } from "../components/aws/arn";
import { backupRegionsFor } from "../components/backup/backupRegions";
import { daysOfMonths } from "../components/backup/backupRules";
import { limitsOf, planConnections } from "../components/pooling/connectionBudget";
import { mostPrepared, preparedGib } from "../components/pooling/preparedStatements";
import { defaultMaxConnections, instanceCapacity, memoryGibFor } from "../components/aws/instanceClass";
import { retentionOfAtLeast } from "../components/database/serverLogs";
import type { CrossCheck } from "./crossCheck";
import { placement } from "./placement";
import { replicaPlace, tooFew } from "./replicaPlace";
import { restoreChecks } from "./restoreChecks";
import type { Settings } from "./table";

/** What the program sets itself: a second value for one of them would silently lose or silently weaken it. */
export const ownVariables = [
  "AUTHENSOR_ALLOW_FALLBACK_POLICY",
  "AUTHENSOR_BOOTSTRAP_ADMIN_TOKEN",
  "DATABASE_URL",
  "NODE_ENV",
  "NODE_OPTIONS",
  "PORT",
  "PREPARED_STATEMENTS",
] as const;

const carriesConnections = (key: string, classOf: (settings: Settings) => string | undefined): CrossCheck => ({
  key,
  // The replica's too: a standby refuses to start with less than its primary's max_connections.
  broken: (settings) => {
    const { maxConnections } = settings.database;
    const instanceClass = classOf(settings);
    if (instanceClass === undefined) return undefined;
    const capacity = instanceCapacity(instanceClass);
    const most = capacity === undefined ? 0 : defaultMaxConnections(capacity);
    return maxConnections > most
      ? `a class with memory for maxConnections ${maxConnections}; AWS' own formula gives ${instanceClass} ` +
          `(${capacity?.memoryGib} GiB) ${most}; use a class with at least ${memoryGibFor(maxConnections)} GiB`
      : undefined;
  },
});

/** What a protected database must have: whoever turns it off says first that the data may go. */
const onlyWithoutProtection = (key: string, wanted: (settings: Settings) => boolean): CrossCheck => ({
  key,
  broken: (settings) =>
    !wanted(settings) && settings.database.deletionProtection
      ? "may be false only if deletionProtection is false too: protected data needs a copy elsewhere"
      : undefined,
});

export const crossChecks: readonly CrossCheck[] = [
  ...severities.map((severity): CrossCheck => ({
    key: `${severity}TopicArns`,
    // An alarm tells topics of its own region only.
    broken: ({ regions, replica, alarms }) => {
      const given = alarms.topicArns[severity].map(regionOfArn);
      const known = [regions.primary, ...(replica.wanted && regions.replica !== undefined ? [regions.replica] : [])];
      const strange = given.find((region, index) => !known.includes(region) || given.indexOf(region) !== index);
      if (strange === undefined) return undefined;
      return known.includes(strange)
        ? `must name one topic of each region; it names two of ${strange}`
        : `must be topics of ${known.join(" or ")}; one is of ${strange}`;
    },
  })),
  ...replicaPlace,
  ...restoreChecks,
  { key: "databaseSubnetIds", broken: ({ database: { subnetIds } }) => tooFew(subnetIds) },
  {
    key: "replicaRegion",
    broken: ({ regions }) => (regions.replica === regions.primary ? "must differ from primaryRegion" : undefined),
  },
  {
    key: "backupRegion",
    // A stack that has failed over beside its bucket has no copies (settings/failover.ts).
    broken: ({ regions, backup }) =>
      regions.backup === regions.primary && backup.copies ? "must differ from primaryRegion" : undefined,
  },
  {
    key: "backupRegion",
    // RDS copies automated backups between certain pairs of regions only, and refuses others after the primary was made.
    broken: ({ regions: { primary, backup }, backup: { copies, regionConfirmed } }) => {
      const possible = backupRegionsFor(primary);
      if (primary === backup || !copies || regionConfirmed || possible.includes(backup)) return undefined;
      const use = possible.length > 0 ? `use ${possible.join(", ")}` : "no region is known that works";
      return (
        `must be a region that RDS copies automated backups to from primaryRegion ${primary}: ${use}. Where ` +
        `aws rds describe-source-regions --region ${backup} lists ${primary} with ` +
        `SupportsDBInstanceAutomatedBackupsReplication true, set backupRegionConfirmed to true`
      );
    },
  },
  carriesConnections("instanceClass", ({ database }) => database.instanceClass),
  carriesConnections("replicaInstanceClass", ({ replica }) => (replica.wanted ? replica.instanceClass : undefined)),
  {
    key: "replicaRegion",
    broken: ({ replica, regions }) =>
      replica.wanted && regions.replica === undefined ? placement.regions.replica.rule : undefined,
  },
  onlyWithoutProtection("replica", ({ replica }) => replica.wanted),
  {
    key: "majorUpgrade",
    broken: ({ database: { majorUpgrade: step }, replica }) => {
      if (step === "none") return undefined;
      if (replica.promoted)
        return "must be none while failedOver is true: a failover needs the replica that this removes";
      return step !== "upgrade" && !replica.wanted ? "is upgrade at once where replica is false" : undefined;
    },
  },
  onlyWithoutProtection("backupCopies", ({ regions: { primary, backup }, backup: { copies } }) => {
    // Where RDS makes none, only a stack that has failed over is deployed without (settings/failover.ts).
    return copies || !backupRegionsFor(primary).includes(backup);
  }),
  ...(["primary", "replica", "backup"] as const).map((role): CrossCheck => ({
    key: `${role}KmsKeyArn`,
    broken: ({ kmsKeyArns, regions }) => {
      const keyArn = kmsKeyArns[role];
      const keyRegion = keyArn && regionOfArn(keyArn);
      return keyRegion !== undefined && regions[role] !== undefined && keyRegion !== regions[role]
        ? `must be a key of ${role}Region ${regions[role]}, but it is a key of ${keyRegion}; a key can be used only in its own region`
        : undefined;
    },
  })),
  {
    key: "backupBucketArn",
    broken: ({ backup: { bucketArn, bucketKmsKeyArn } }) =>
      bucketArn !== undefined && bucketKmsKeyArn === undefined
        ? "needs backupBucketKmsKeyArn: the key of that bucket, which the programs' policies must name"
        : undefined,
  },
  {
    key: "backupBucketKmsKeyArn",
    broken: ({ account, regions, backup: { bucketArn, bucketKmsKeyArn } }) => {
      if (bucketKmsKeyArn === undefined) return undefined;
      if (bucketArn === undefined)
        return "needs backupBucketArn: a bucket that the program makes has backupKmsKeyArn, or a key that it makes";
      const [region, owner] = [regionOfArn(bucketKmsKeyArn), accountOfArn(bucketKmsKeyArn)];
      if (region !== regions.backup)
        return `must be a key of backupRegion ${regions.backup}, but it is a key of ${region}; a bucket's key is of its own region`;
      return owner === account.id
        ? `must be a key of another account, but it is of awsAccountId ${owner}, whose administrators could empty the bucket`
        : undefined;
    },
  },
  {
    key: "ingress",
    // A load balancer takes a certificate of its own region only; the Ingress would wait for its address in vain.
    broken: ({ ingress, regions, replica }) => {
      const region = ingress?.certificateArn && regionOfArn(ingress.certificateArn);
      const place = replica.promoted ? "replica" : "primary";
      return region !== undefined && region !== regions[place]
        ? `certificateArn must be of ${place}Region ${regions[place]}, where the load balancer is; it is of ${region}`
        : undefined;
    },
  },
  {
    key: "logRetentionDays",
    broken: ({ database: { logRetentionDays } }) => {
      if (logRetentionDays === undefined) return undefined;
      const known = retentionOfAtLeast(logRetentionDays);
      return known === logRetentionDays
        ? undefined
        : `CloudWatch Logs knows no retention of ${logRetentionDays} days; use ${known}`;
    },
  },
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
    broken: ({ backup: { lockDays, receiptRetentionMonths } }) => {
      const most = daysOfMonths(receiptRetentionMonths);
      return lockDays > most
        ? `must not be longer than receiptRetentionMonths: ${receiptRetentionMonths} months are ${most} days at most`
        : undefined;
    },
  },
  {
    key: "onlineMonths",
    // What has left the database is in the bucket alone: it must be there, and locked, when it leaves and for a while after.
    broken: ({ backup: { onlineMonths, receiptRetentionMonths, lockDays } }) => {
      if (onlineMonths === undefined) return undefined;
      if (onlineMonths >= receiptRetentionMonths)
        return `must be less than receiptRetentionMonths ${receiptRetentionMonths}: a month's archive is there for no longer`;
      const least = daysOfMonths(onlineMonths + 2);
      return lockDays < least
        ? `needs lockDays ${least} or more: a month leaves the database only while its archive is locked, and lockDays is ${lockDays}`
        : undefined;
    },
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
    broken: (settings) => {
      const plan = planConnections(limitsOf(settings));
      return plan.fits ? undefined : plan.reason;
    },
  },
  {
    key: "preparedStatements",
    broken: (settings) => {
      const { database, replica, backup, pgbouncer } = settings;
      const plan = planConnections(limitsOf(settings));
      // After a failover the replica is what is pooled.
      const classes = [database.instanceClass, ...(replica.wanted ? [replica.instanceClass] : [])];
      const memoryGib = Math.min(...classes.map((name) => instanceCapacity(name)?.memoryGib ?? 0));
      // Refused by its own rule.
      if (!plan.fits || memoryGib < memoryGibFor(database.maxConnections)) return undefined;
      const kept = {
        connections: plan.pools.controlPlane * plan.pods,
        months: backup.onlineMonths ?? backup.receiptRetentionMonths,
      };
      const most = mostPrepared(memoryGib, kept);
      const statements = pgbouncer.preparedStatements;
      if (statements <= most) return undefined;
      return (
        `${statements} statements on each of ${kept.connections} connections of the control plane's pools take up to ` +
        `${preparedGib({ statements, ...kept }).toFixed(1)} GiB with ${kept.months} months online ` +
        `(${backup.onlineMonths === undefined ? "receiptRetentionMonths; onlineMonths is not set" : "onlineMonths"}), and at most half of ` +
        `${memoryGib} GiB, the smallest instance class, is for them; use at most ${most}`
      );
    },
  },
];
