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
    rule: "ids of security groups of the primary's region, as a JSON array or divided by commas",
    example: "sg-0123456789abcdef0",
  }),
  postgresVersion: choice("postgresVersion", ["15", "16", "17", "18"], {
    description: "PostgreSQL major version, 15 to 18; minor versions are RDS's to apply",
    rule: "a PostgreSQL major version, 15 to 18",
    example: "17",
    default: "17",
  }),
  instanceClass: instanceClass("instanceClass", {
    description: "RDS instance class of the primary; its memory must carry maxConnections",
  }),
  storageGib: integer("storageGib", 20, 65536, {
    description: "Storage to start with, GiB, 20 to 65536",
    rule: "GiB from 20 (the least gp3 offers) to 65536",
    example: "100",
    default: "20",
  }),
  maxStorageGib: integer("maxStorageGib", 22, 65536, {
    description: "Storage that autoscaling may reach, GiB, at least 10 % above storageGib",
    rule: "GiB to grow to by itself: at least 10 % above storageGib",
    example: "1000",
    default: "100",
  }),
  multiAz: flag("multiAz", {
    description: "Whether the primary has a synchronous standby in a second zone",
    default: "true",
  }),
  maxConnections: integer("maxConnections", 25, 5000, {
    description: "max_connections of the primary, 25 to 5000; the pools are what is left of it after the reserve",
    rule: "25 to 5000 server connections",
    example: "200",
    default: "200",
  }),
  reservedConnections: integer("reservedConnections", 12, 1000, {
    description: "Connections that no pool may use, for migrations, maintenance, monitoring and people; at least 12",
    rule: "12 to 1000 connections kept from the pools",
    example: "30",
    default: "30",
  }),
  backupRetentionDays: integer("backupRetentionDays", 1, 35, {
    description: "Days of RDS backups and point-in-time recovery, 1 to 35",
    rule: "1 to 35 days: a replica needs backups on its source",
    example: "35",
    default: "7",
  }),
  deletionProtection: flag("deletionProtection", {
    description: "Whether the database refuses to be deleted until this is turned off",
    default: "true",
  }),
  keepAfterDestroy: flag("keepAfterDestroy", {
    description:
      "Whether a destroy leaves a final snapshot, the keys of the data and the servers' logs; if not, nothing that lasts",
    defaultFrom: "deletionProtection",
  }),
  applyImmediately: flag("applyImmediately", {
    description:
      "Whether a deployment makes the changes that interrupt the database, or leaves them to its maintenance window",
    default: "true",
  }),
  engineLifecycleSupport: choice(
    "engineLifecycleSupport",
    ["open-source-rds-extended-support-disabled", "open-source-rds-extended-support"],
    {
      description:
        "What follows the major version's standard support, decided when the database is made: an upgrade by RDS, or paid extended support (about 0.12 USD per vCPU-hour, standby and replica counted: some 500 USD a month for Pulumi.prod.yaml)",
      rule: "open-source-rds-extended-support-disabled, or open-source-rds-extended-support, which costs",
      example: "open-source-rds-extended-support",
      default: "open-source-rds-extended-support-disabled",
    },
  ),
  logRetentionDays: optionalInteger("logRetentionDays", 1, 3653, {
    description:
      "Days that CloudWatch keeps the servers' logs; not set: as long as the receipts (receiptRetentionMonths)",
    rule: "a retention that CloudWatch Logs knows: 1 to 3653 days",
    example: "365",
  }),
  parameterWaitMinutes: integer("parameterWaitMinutes", 0, 60, {
    description:
      "Minutes that RDS may take to apply parameters that need no reboot, 0 to 60; then the deployment fails, naming them",
    rule: "0 to 60 minutes",
    example: "10",
    default: "10",
  }),
  passwordGeneration: integer("passwordGeneration", 1, 1_000_000, {
    description: "Raise by one to give every database role a new password",
    rule: "a whole number from 1; a higher one makes new passwords",
    example: "2",
    default: "1",
  }),
  caFile: optional("databaseCaFile", /./, {
    description: "PEM file to trust instead of the RDS bundle of the regions in use",
    rule: "a PEM file to trust instead of the RDS bundle",
    example: "/etc/ssl/rds-gov.pem",
  }),
};
