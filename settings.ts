import { closest } from "fastest-levenshtein";
import * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";
import { confidential, crossChecks, type Key, keys, type Values } from "./settingsRules";

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

function describe({ key, value, rule, example }: Problem): string {
  return `  ${key}${value === undefined ? " is missing" : ` = ${value}`}\n    rule: ${rule}\n    example: ${example}`;
}

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
