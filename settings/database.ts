import { upgradeSteps } from "../components/stack/majorVersion";
import { instanceClass, subnets } from "./awsKinds";
import { choice, flag, integer, list, optional, optionalInteger } from "./kinds";

/** The primary, and what it shares with the replica. */
export const database = {
  subnetIds: subnets(
    "databaseSubnetIds",
    "for the primary, of the EKS cluster's VPC; not set: its tagged private ones",
  ),
  clientSecurityGroupIds: list("clientSecurityGroupIds", /^sg-[0-9a-f]{8,17}$/, {
    description: "Security groups that may reach the primary; not set: the address blocks of the EKS cluster's VPC",
    rule: "ids of security groups of the primary's region, as a JSON array or separated by commas",
    example: "sg-0123456789abcdef0",
  }),
  postgresVersion: choice("postgresVersion", ["15", "16", "17", "18"], {
    description: "PostgreSQL major version, 15 to 18; RDS applies minor versions",
    rule: "a PostgreSQL major version, 15 to 18",
    example: "17",
    default: "17",
  }),
  majorUpgrade: choice("majorUpgrade", upgradeSteps, {
    description:
      "Step of a major upgrade that this deployment takes: release-replica, remove-replica, upgrade (the only one that may change postgresVersion; no receipt can be stored meanwhile), then none, which makes the replica anew: docs/major-upgrade.md",
    rule: "none, release-replica, remove-replica or upgrade, in this order",
    example: "release-replica",
    default: "none",
  }),
  instanceClass: instanceClass("instanceClass", {
    description: "RDS instance class of the primary; its memory must be enough for maxConnections",
  }),
  storageGib: integer("storageGib", 20, 65536, {
    description: "Storage to start with, GiB, 20 to 65536",
    rule: "20 (the smallest gp3 volume) to 65536 GiB",
    example: "100",
    default: "20",
  }),
  maxStorageGib: integer("maxStorageGib", 22, 65536, {
    description: "Most storage that RDS may grow to by itself, GiB; at least 10 % above storageGib",
    rule: "22 to 65536 GiB, at least 10 % above storageGib",
    example: "1000",
    default: "100",
  }),
  multiAz: flag("multiAz", {
    description: "Whether the primary has a synchronous standby in a second zone",
    default: "true",
  }),
  maxConnections: integer("maxConnections", 25, 5000, {
    description: "max_connections of the primary, 25 to 5000; the pools get what reservedConnections leaves",
    rule: "25 to 5000 server connections",
    example: "200",
    default: "200",
  }),
  rebootForParameters: flag("rebootForParameters", {
    description:
      "Whether a deployment reboots the primary and the replica, one after the other, for changed parameters that need it, such as maxConnections",
    default: "false",
  }),
  reservedConnections: integer("reservedConnections", 26, 1000, {
    description:
      "Connections that no pool may use, for migrations, maintenance, monitoring and people; at least 27, and two more for each PgBouncer pod beyond two",
    rule: "26 to 1000 connections",
    example: "30",
    default: "30",
  }),
  backupRetentionDays: integer("backupRetentionDays", 1, 35, {
    description: "Days of RDS backups and point-in-time recovery, 1 to 35",
    rule: "1 to 35 days (0 is not possible: a replica needs backups)",
    example: "35",
    default: "7",
  }),
  deletionProtection: flag("deletionProtection", {
    description: "Whether the database is protected from deletion until this is false",
    default: "true",
  }),
  keepAfterDestroy: flag("keepAfterDestroy", {
    description:
      "Whether a destroy keeps a final snapshot, the backup bucket, the keys of the data and the servers' logs; if not, it keeps nothing that lasts",
    default: "true",
  }),
  applyImmediately: flag("applyImmediately", {
    description:
      "Whether a deployment makes changes that interrupt the database at once; if not, RDS makes them in the maintenance window",
    default: "true",
  }),
  engineLifecycleSupport: choice(
    "engineLifecycleSupport",
    ["open-source-rds-extended-support-disabled", "open-source-rds-extended-support"],
    {
      description:
        "What happens after the major version's standard support, fixed when the database is made: an upgrade by RDS, or paid extended support (about 0.12 USD per vCPU-hour, standby and replica counted: some 500 USD a month for Pulumi.prod.yaml)",
      rule: "open-source-rds-extended-support-disabled, or open-source-rds-extended-support (paid)",
      example: "open-source-rds-extended-support",
      default: "open-source-rds-extended-support-disabled",
    },
  ),
  logRetentionDays: optionalInteger("logRetentionDays", 1, 3653, {
    description:
      "Days that CloudWatch keeps the servers' logs; not set: as long as the receipts (receiptRetentionMonths)",
    rule: "a retention that CloudWatch Logs offers, from 1 to 3653 days",
    example: "365",
  }),
  parameterWaitMinutes: integer("parameterWaitMinutes", 0, 60, {
    description:
      "Minutes to wait until RDS has applied parameters that need no reboot, 0 to 60; then the deployment fails and names them",
    rule: "0 to 60 minutes",
    example: "10",
    default: "10",
  }),
  passwordGeneration: integer("passwordGeneration", 1, 1_000_000, {
    description:
      "Raise by one to give every database role a new password without an interruption; the one before works until the next generation",
    rule: "a whole number from 1; one more makes new passwords",
    example: "2",
    default: "1",
  }),
  caFile: optional("databaseCaFile", /./, {
    description: "PEM file of certificates to trust instead of AWS' certificates for the regions in use",
    rule: "the path of a PEM file",
    example: "/etc/ssl/rds-gov.pem",
  }),
};
