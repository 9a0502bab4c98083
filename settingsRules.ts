import { z } from "zod";
import { isPrivateBlock } from "./components/addressBlocks";
import { planConnections } from "./components/connectionBudget";
import { isCron } from "./components/cron";
import { defaultMaxConnections, instanceCapacity, knownFamilies } from "./components/instanceClass";

/** What one configuration key may hold. */
export interface Key<T> {
  schema: z.ZodType<T, string>;
  rule: string;
  example: string;
  /** As it would be written in the configuration; without one the key is required. */
  default?: string;
}

const text = (pattern: RegExp) => z.string().regex(pattern);
const integer = (min: number, max: number) =>
  z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(min).max(max));
const flag = z.enum(["true", "false"]).transform((value) => value === "true");
const choice = <T extends string>(...values: [T, ...T[]]) => z.string().pipe(z.enum(values));
const object = (entries: z.ZodType<Record<string, string>>) =>
  z
    .string()
    .transform((value, context): unknown => {
      try {
        return JSON.parse(value);
      } catch {
        context.addIssue("not JSON");
        return z.NEVER;
      }
    })
    .pipe(entries);
const key = <T>(schema: z.ZodType<T, string>, rule: string, example: string, initial?: string): Key<T> =>
  initial === undefined ? { schema, rule, example } : { schema, rule, example, default: initial };

/** Webhook secrets and the like: their text must not reach a terminal or a CI log. */
export const confidential = "controlPlaneEnv";

const region = text(/^[a-z]{2}(-[a-z]+)+-\d$/);
const instanceClass = z.string().refine((value) => instanceCapacity(value) !== undefined);
const instanceClassRule = `an RDS instance class of a family that the parameters are tuned for: ${knownFamilies.join(", ")}`;
// A moving tag would let two pods of one rollout run different code.
const image = text(/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)*(:(?!latest$)\w[\w.-]*|(:\w[\w.-]*)?@sha256:[0-9a-f]{64})$/);
const imageRule = "an image with a version tag or a digest, not :latest";

export const keys = {
  environment: key(text(/^[a-z][a-z0-9-]{1,19}$/), "2 to 20 lowercase letters, digits, hyphens", "prod"),
  primaryRegion: key(region, "an AWS region, the one of the EKS cluster", "eu-central-1"),
  replicaRegion: key(region, "an AWS region other than primaryRegion", "eu-west-1"),
  backupRegion: key(region, "an AWS region other than primaryRegion", "eu-north-1"),
  eksClusterName: key(text(/^[A-Za-z0-9][\w-]{0,99}$/), "the name of an existing EKS cluster", "platform-prod"),
  namespace: key(
    text(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
    "a Kubernetes name of its own",
    "authensor",
    "authensor",
  ),
  tags: key(
    object(z.record(z.string().regex(/^(?!aws:).{1,128}$/), z.string().max(256))),
    "an object of strings; keys of 1 to 128 characters that do not start with aws:",
    '{"cost-center":"4711"}',
    "{}",
  ),
  replicaCidr: key(
    z.string().refine((value) => isPrivateBlock(value, 16, 24)),
    "a private IPv4 block from /16 to /24 without host bits, which the EKS cluster's VPC does not use",
    "10.90.0.0/20",
    "10.90.0.0/20",
  ),
  replicaZones: key(
    choice("2", "3").transform((value) => (value === "2" ? 2 : 3)),
    "2 or 3 availability zones",
    "3",
    "2",
  ),
  postgresVersion: key(choice("15", "16", "17", "18"), "a PostgreSQL major version, 15 to 18", "17", "17"),
  instanceClass: key(instanceClass, instanceClassRule, "db.r7g.large", "db.t4g.medium"),
  replicaInstanceClass: key(instanceClass, instanceClassRule, "db.r7g.large", "db.t4g.medium"),
  storageGib: key(integer(20, 65536), "GiB from 20 (the least gp3 offers) to 65536", "100", "20"),
  maxStorageGib: key(integer(22, 65536), "GiB to grow to by itself: at least 10 % above storageGib", "1000", "100"),
  multiAz: key(flag, "true or false: a standby of the primary in a second zone", "true", "true"),
  maxConnections: key(integer(25, 5000), "25 to 5000 server connections", "200", "200"),
  reservedConnections: key(integer(10, 1000), "connections kept from the pools, at least 10", "30", "30"),
  backupRetentionDays: key(integer(1, 35), "1 to 35 days: a replica needs backups on its source", "35", "7"),
  deletionProtection: key(flag, "true or false", "true", "true"),
  passwordGeneration: key(integer(1, 1_000_000), "a whole number from 1; a higher one makes new passwords", "2", "1"),
  databaseCaFile: key(
    z.string(),
    "a PEM file to trust instead of the RDS bundle; empty: the RDS bundle",
    "/etc/ssl/rds-gov.pem",
    "",
  ),
  lockMode: key(
    choice("GOVERNANCE", "COMPLIANCE"),
    "GOVERNANCE (can be lifted) or COMPLIANCE (nobody can delete before the end)",
    "COMPLIANCE",
    "GOVERNANCE",
  ),
  lockDays: key(integer(1, 36500), "1 to 36500 days, no longer than the receipts are kept", "365", "30"),
  receiptRetentionMonths: key(integer(6, 1200), "6 months (EU AI Act, Article 12) to 1200", "24", "24"),
  archiveDelayDays: key(integer(1, 36500), "days a month's receipts stay before they are archived", "45", "45"),
  pgbouncerPods: key(integer(2, 50), "2 to 50 pods", "3", "2"),
  pgbouncerImage: key(
    image,
    imageRule,
    "ghcr.io/cloudnative-pg/pgbouncer:1.25.2",
    "ghcr.io/cloudnative-pg/pgbouncer:1.25.2",
  ),
  pgbouncerMaxClients: key(integer(20, 20000), "20 to 20000 clients of one pod", "500", "500"),
  controlPlaneImage: key(
    image,
    imageRule,
    "ghcr.io/authensor/control-plane:0.0.1",
    "ghcr.io/authensor/control-plane:0.0.1",
  ),
  controlPlaneMinPods: key(integer(1, 100), "1 to 100 pods", "2", "2"),
  controlPlaneMaxPods: key(integer(1, 100), "1 to 100 pods, at least controlPlaneMinPods", "10", "6"),
  controlPlaneEnv: key(
    object(z.record(z.string().regex(/^[A-Z_][A-Z0-9_]*$/), z.string())),
    "an object of strings by variable name; the program's own variables are not among them",
    '{"AUTHENSOR_AEGIS_ENABLED":"true"}',
    "{}",
  ),
  opsImage: key(image, imageRule, "node:22.21.1-alpine3.22", "node:22.21.1-alpine3.22"),
  monthsAhead: key(integer(1, 24), "1 to 24 months of partitions ahead of today", "3", "3"),
  partitionsSchedule: key(z.string().refine(isCron), "five cron fields, in UTC", "17 3 * * *", "17 3 * * *"),
} satisfies Record<string, Key<unknown>>;

/** Every key's value, once all of them hold what they may. */
export type Values = { [K in keyof typeof keys]: z.output<(typeof keys)[K]["schema"]> };
type Name = keyof Values;

/** A rule that only shows in combination. */
export interface CrossCheck {
  /** The key that the problem is reported under, then the others that the check reads. */
  reads: readonly [Name, ...Name[]];
  /** The rule that is broken, with its numbers, or undefined. */
  broken: (values: Values) => string | undefined;
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

export const crossChecks: readonly CrossCheck[] = [
  {
    reads: ["replicaRegion", "primaryRegion"],
    broken: (v) => (v.replicaRegion === v.primaryRegion ? "another region than primaryRegion's" : undefined),
  },
  {
    reads: ["backupRegion", "primaryRegion"],
    broken: (v) => (v.backupRegion === v.primaryRegion ? "another region than primaryRegion's" : undefined),
  },
  ...(["instanceClass", "replicaInstanceClass"] as const).map((name): CrossCheck => ({
    reads: [name, "maxConnections"],
    broken: (v) => {
      const capacity = instanceCapacity(v[name]);
      const most = capacity === undefined ? 0 : defaultMaxConnections(capacity);
      // The replica's too: a standby refuses to start with less than its primary's max_connections.
      return v.maxConnections > most
        ? `a class with memory for maxConnections ${v.maxConnections}; AWS' own formula gives ${v[name]} ` +
            `(${capacity?.memoryGib} GiB) ${most}`
        : undefined;
    },
  })),
  {
    reads: ["maxStorageGib", "storageGib"],
    // RDS refuses a threshold less than 10 % above the allocated storage.
    broken: (v) =>
      v.maxStorageGib * 10 < v.storageGib * 11
        ? `at least 10 % above storageGib: ${Math.ceil((v.storageGib * 11) / 10)} for ${v.storageGib}`
        : undefined,
  },
  {
    reads: ["receiptRetentionMonths", "archiveDelayDays"],
    // A partition is dropped by age in months; the shortest month has 28 days.
    broken: (v) =>
      v.receiptRetentionMonths * 28 <= v.archiveDelayDays
        ? `longer than archiveDelayDays: ${v.receiptRetentionMonths} months can be as few as ` +
          `${v.receiptRetentionMonths * 28} days, ${v.archiveDelayDays} days pass before a month is archived`
        : undefined,
  },
  {
    reads: ["lockDays", "receiptRetentionMonths"],
    // Expiry cannot remove what is still locked: under COMPLIANCE not even the account's root can.
    broken: (v) =>
      v.lockDays > v.receiptRetentionMonths * 31
        ? `no longer than receipts are kept: ${v.receiptRetentionMonths} months are ` +
          `${v.receiptRetentionMonths * 31} days at most`
        : undefined,
  },
  {
    reads: ["controlPlaneMaxPods", "controlPlaneMinPods"],
    broken: (v) =>
      v.controlPlaneMaxPods < v.controlPlaneMinPods
        ? `at least controlPlaneMinPods, ${v.controlPlaneMinPods}`
        : undefined,
  },
  {
    reads: ["controlPlaneEnv"],
    broken: (v) => {
      const taken = ownVariables.filter((name) => Object.hasOwn(v.controlPlaneEnv, name));
      return taken.length > 0 ? `without ${taken.join(", ")}: the program sets these itself` : undefined;
    },
  },
  {
    reads: ["maxConnections", "reservedConnections", "pgbouncerPods", "pgbouncerMaxClients", "controlPlaneMaxPods"],
    broken: (v) => {
      const plan = planConnections({
        maxConnections: v.maxConnections,
        reservedConnections: v.reservedConnections,
        pgbouncerPods: v.pgbouncerPods,
        maxClients: v.pgbouncerMaxClients,
        controlPlaneMaxPods: v.controlPlaneMaxPods,
      });
      return plan.fits ? undefined : plan.reason;
    },
  },
];
