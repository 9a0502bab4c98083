import { closest } from "fastest-levenshtein";
import * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";
import { z } from "zod";
import { isCanonicalCidr } from "./components/cidr";
import { planConnections } from "./components/connectionBudget";
import { isCron } from "./components/cron";

/** Everything the program may be told, checked as a whole. Units are in the names. */
export interface Settings {
  environment: string;
  /** Kubernetes namespace, made and owned by this program. */
  namespace: string;
  eksClusterName: string;
  tags: Record<string, string>;
  regions: { primary: string; replica: string; backup: string };
  database: {
    postgresVersion: string;
    instanceClass: string;
    storageGib: number;
    maxStorageGib: number;
    multiAz: boolean;
    maxConnections: number;
    reservedConnections: number;
    backupRetentionDays: number;
    deletionProtection: boolean;
    passwordGeneration: number;
    /** PEM file to trust instead of the RDS bundle of the regions in use. */
    caFile: string | undefined;
  };
  replica: { cidr: string; zones: 2 | 3; instanceClass: string };
  backup: {
    lockMode: "GOVERNANCE" | "COMPLIANCE";
    lockDays: number;
    receiptRetentionMonths: number;
    archiveDelayDays: number;
  };
  pgbouncer: { pods: number; image: string; maxClients: number };
  controlPlane: { image: string; minPods: number; maxPods: number; env: Record<string, string> };
  partitions: { monthsAhead: number; schedule: string };
  ops: { image: string };
}

export interface Problem {
  key: string;
  /** As it was given; undefined where the key is missing. */
  value: string | undefined;
  rule: string;
  example: string;
}

/** Every problem of the configuration in one error; Pulumi prints a RunError without a stack trace. */
export class SettingsError extends RunError {
  constructor(readonly problems: readonly Problem[]) {
    super(
      [`${problems.length} problem${problems.length === 1 ? "" : "s"} in the configuration:`]
        .concat(problems.map(describe))
        .join("\n"),
    );
  }
}

/** Webhook secrets and the like: their text must not reach a terminal or a CI log. */
const confidential = "controlPlaneEnv";

function describe({ key, value, rule, example }: Problem): string {
  return `  ${key}${value === undefined ? " is missing" : ` = ${value}`}\n    rule: ${rule}\n    example: ${example}`;
}

interface Key<T> {
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

const region = text(/^[a-z]{2}(-[a-z]+)+-\d$/);
const instanceClass = text(/^db\.[a-z0-9-]+\.[a-z0-9]+$/);
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
    z.string().refine((value) => isCanonicalCidr(value, 16, 24)),
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
  instanceClass: key(instanceClass, "an RDS instance class", "db.r7g.large", "db.t4g.medium"),
  replicaInstanceClass: key(instanceClass, "an RDS instance class", "db.r7g.large", "db.t4g.medium"),
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

type Values = { [K in keyof typeof keys]: z.output<(typeof keys)[K]["schema"]> };
type Name = keyof Values;

interface CrossCheck {
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
  "PORT",
] as const;

const crossChecks: readonly CrossCheck[] = [
  {
    reads: ["replicaRegion", "primaryRegion"],
    broken: (v) => (v.replicaRegion === v.primaryRegion ? "another region than primaryRegion's" : undefined),
  },
  {
    reads: ["backupRegion", "primaryRegion"],
    broken: (v) => (v.backupRegion === v.primaryRegion ? "another region than primaryRegion's" : undefined),
  },
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

/**
 * Checks the whole configuration of the project's namespace.
 * @param raw every key that is set, without the namespace, as the text the configuration holds
 * @throws SettingsError with every problem there is
 */
export function parseSettings(raw: Readonly<Record<string, string | undefined>>): Settings {
  const problems: Problem[] = [];
  const shown = (name: string, value: string | undefined) =>
    value !== undefined && closest(name, Object.keys(keys)) === confidential ? "(not shown)" : value;
  const values: Record<string, unknown> = {};
  for (const [name, { schema, rule, example, default: initial }] of Object.entries<Key<unknown>>(keys)) {
    const value = raw[name] ?? initial;
    const parsed = value === undefined ? undefined : schema.safeParse(value);
    if (parsed?.success) values[name] = parsed.data;
    else problems.push({ key: name, value: shown(name, value), rule, example });
  }
  for (const name of Object.keys(raw)) {
    if (Object.hasOwn(keys, name) || raw[name] === undefined) continue;
    const near = closest(name, Object.keys(keys));
    problems.push({
      key: name,
      value: shown(name, raw[name]),
      rule: `a key of this program; the nearest is ${near}`,
      example: near,
    });
  }
  for (const { reads, broken } of crossChecks) {
    const rule = reads.every((name) => name in values) ? broken(values as Values) : undefined;
    const name = reads[0];
    if (rule !== undefined)
      problems.push({
        key: name,
        value: shown(name, raw[name] ?? keys[name].default),
        rule,
        example: keys[name].example,
      });
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return group(values as Values);
}

/** Reads the configuration of the running Pulumi program. */
export function readSettings(): Settings {
  const prefix = `${pulumi.getProject()}:`;
  const own = Object.entries(pulumi.runtime.allConfig()).filter(([name]) => name.startsWith(prefix));
  return parseSettings(Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value])));
}

function group(v: Values): Settings {
  return {
    environment: v.environment,
    namespace: v.namespace,
    eksClusterName: v.eksClusterName,
    tags: v.tags,
    regions: { primary: v.primaryRegion, replica: v.replicaRegion, backup: v.backupRegion },
    database: {
      postgresVersion: v.postgresVersion,
      instanceClass: v.instanceClass,
      storageGib: v.storageGib,
      maxStorageGib: v.maxStorageGib,
      multiAz: v.multiAz,
      maxConnections: v.maxConnections,
      reservedConnections: v.reservedConnections,
      backupRetentionDays: v.backupRetentionDays,
      deletionProtection: v.deletionProtection,
      passwordGeneration: v.passwordGeneration,
      caFile: v.databaseCaFile === "" ? undefined : v.databaseCaFile,
    },
    replica: { cidr: v.replicaCidr, zones: v.replicaZones, instanceClass: v.replicaInstanceClass },
    backup: {
      lockMode: v.lockMode,
      lockDays: v.lockDays,
      receiptRetentionMonths: v.receiptRetentionMonths,
      archiveDelayDays: v.archiveDelayDays,
    },
    pgbouncer: { pods: v.pgbouncerPods, image: v.pgbouncerImage, maxClients: v.pgbouncerMaxClients },
    controlPlane: {
      image: v.controlPlaneImage,
      minPods: v.controlPlaneMinPods,
      maxPods: v.controlPlaneMaxPods,
      env: v.controlPlaneEnv,
    },
    partitions: { monthsAhead: v.monthsAhead, schedule: v.partitionsSchedule },
    ops: { image: v.opsImage },
  };
}
