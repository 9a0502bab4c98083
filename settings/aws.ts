import { z } from "zod";
import { isPrivateBlock } from "../components/addressBlocks";
import { instanceCapacity, knownFamilies } from "../components/instanceClass";
import { checked, choice, flag, integer, list, map, optional, optionalInteger, text, type About } from "./kinds";

const regionPattern = /^[a-z]{2}(-[a-z]+)+-\d$/;

const instanceClass = (key: string, about: Pick<About, "description">) =>
  checked(key, (value) => instanceCapacity(value) !== undefined, {
    ...about,
    rule: `an RDS instance class of a family that the parameters are tuned for: ${knownFamilies.join(", ")}`,
    example: "db.r7g.large",
    default: "db.t4g.medium",
  });

const kmsKeyArn = (role: string, region: string, what: string) =>
  optional(`${role}KmsKeyArn`, /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/, {
    description: `Existing KMS key for ${what}, decided when they are made; not set: keys are made, one for each purpose`,
    rule: `the ARN of a KMS key (not of an alias) in ${region}`,
    example: "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  });

const subnets = (key: string, what: string) =>
  list(key, /^subnet-[0-9a-f]{8,17}$/, {
    description: `Subnets in two zones at least ${what}`,
    rule: "ids of two subnets at least, as a JSON array or divided by commas",
    example: "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
  });

const eksClusterName = /^[A-Za-z0-9][\w-]{0,99}$/;

export const placement = {
  environment: text("environment", /^[a-z][a-z0-9]*(-[a-z0-9]+)*$(?<=^.{2,20})/, {
    description:
      "Name of this environment, in resource names and tags; 2 to 20 lowercase letters, digits, single hyphens",
    // RDS refuses an identifier with two hyphens in a row, or one at its end.
    rule: "2 to 20 lowercase letters, digits and single hyphens; a letter first, no hyphen last",
    example: "prod",
  }),
  regions: {
    primary: text("primaryRegion", regionPattern, {
      description: "AWS region of the primary and of the EKS cluster",
      rule: "an AWS region, the one of the EKS cluster",
      example: "eu-central-1",
    }),
    replica: optional("replicaRegion", regionPattern, {
      description: "AWS region of the replica, not the primary's; required unless `replica` is false",
      rule: "an AWS region other than primaryRegion; required unless replica is false",
      example: "eu-west-1",
    }),
    backup: text("backupRegion", regionPattern, {
      description: "AWS region of the backup bucket; not the primary's",
      rule: "an AWS region other than primaryRegion",
      example: "eu-north-1",
    }),
  },
  account: {
    id: optional("awsAccountId", /^\d{12}$/, {
      description: "AWS account that may be deployed into; with other credentials nothing is even looked up",
      rule: "an AWS account id of 12 digits",
      example: "123456789012",
    }),
    permissionsBoundaryArn: optional(
      "permissionsBoundaryArn",
      /^arn:aws[a-z-]*:iam::(\d{12}|aws):policy\/[\w+=,.@/-]+$/,
      {
        description: "IAM policy that bounds the role which the program makes, RDS' monitoring; not set: none does",
        rule: "the ARN of an IAM policy",
        example: "arn:aws:iam::123456789012:policy/boundary",
      },
    ),
    deployRoleArn: optional("deployRoleArn", /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/, {
      description: "IAM role to deploy as, for AWS and for the cluster; not set: the identity of whoever deploys",
      rule: "the ARN of an IAM role",
      example: "arn:aws:iam::123456789012:role/deploy",
    }),
  },
  kmsKeyArns: {
    primary: kmsKeyArn("primary", "primaryRegion", "the primary, its backups, its logs and the passwords"),
    replica: kmsKeyArn("replica", "replicaRegion", "the replica, its logs and the passwords' copies"),
    backup: kmsKeyArn("backup", "backupRegion", "the backup bucket and the copied backups"),
  },
  eksClusterName: text("eksClusterName", eksClusterName, {
    description: "Existing EKS cluster that PgBouncer, the control plane and the ops programs run on",
    rule: "the name of an existing EKS cluster",
    example: "platform-prod",
  }),
  tags: map("tags", /^(?!aws:).{1,128}$/, z.string().max(256), {
    description: "Tags of every AWS resource, beside those that the program sets",
    rule: "an object of texts of at most 256 characters; keys of 1 to 128 characters that do not start with aws:",
    example: '{"cost-center":"4711"}',
    default: "{}",
  }),
};

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

export const replica = {
  wanted: flag("replica", {
    description: "Whether there is a replica in another region; false only where deletionProtection is false",
    default: "true",
  }),
  cidr: checked("replicaCidr", (value) => isPrivateBlock(value, 16, 24), {
    description: "Private IPv4 block of the replica's VPC, /16 to /24; must not overlap the EKS cluster's VPC",
    rule: "a private IPv4 block from /16 to /24 without host bits, which the EKS cluster's VPC does not use",
    example: "10.90.0.0/20",
    default: "10.90.0.0/20",
  }),
  zones: integer("replicaZones", 2, 3, {
    description: "Availability zones of the replica's VPC, 2 or 3",
    rule: "2 or 3 availability zones",
    example: "3",
    default: "2",
  }),
  vpcId: optional("replicaVpcId", /^vpc-[0-9a-f]{8,17}$/, {
    description:
      "Existing VPC of replicaRegion for the replica, with replicaSubnetIds; not set: one is made, of replicaCidr",
    rule: "the id of a VPC in replicaRegion",
    example: "vpc-0123456789abcdef0",
  }),
  subnetIds: subnets("replicaSubnetIds", "for the replica, of replicaVpcId or of replicaEksClusterName's VPC"),
  eksClusterName: optional("replicaEksClusterName", eksClusterName, {
    description:
      "Existing EKS cluster of replicaRegion to place the replica beside, in its VPC's tagged private subnets",
    rule: "the name of an existing EKS cluster in replicaRegion",
    example: "platform-prod-west",
  }),
  connected: flag("replicaVpcConnected", {
    description:
      "Whether that VPC and the primary's reach each other already (a transit gateway); if not, both are peered and routed to each other",
    default: "false",
  }),
  instanceClass: instanceClass("replicaInstanceClass", {
    description: "RDS instance class of the replica; becomes the primary's in a failover",
  }),
};

export const backup = {
  copies: flag("backupCopies", {
    description: "Whether RDS' own backups are copied into backupRegion; false only where deletionProtection is false",
    default: "true",
  }),
  copyRetentionDays: integer("backupCopyRetentionDays", 1, 35, {
    description: "Days that the copies can be restored to, 1 to 35; a change ends one copying and begins another",
    rule: "1 to 35 days",
    example: "35",
    defaultFrom: "backupRetentionDays",
  }),
  regionConfirmed: flag("backupRegionConfirmed", {
    description:
      "Whether RDS copies backups from primaryRegion to backupRegion although this program's table of pairs (2022) lacks the pair",
    default: "false",
  }),
  lockMode: choice("lockMode", ["GOVERNANCE", "COMPLIANCE"], {
    description:
      "Object Lock of the backup bucket, GOVERNANCE or COMPLIANCE; nobody can delete under COMPLIANCE, destroy included",
    rule: "GOVERNANCE (can be lifted) or COMPLIANCE (nobody can delete before the end)",
    example: "COMPLIANCE",
    default: "GOVERNANCE",
  }),
  lockDays: integer("lockDays", 1, 36500, {
    description: "Days that an object in the backup bucket cannot be deleted, 1 to 36500",
    rule: "1 to 36500 days, no longer than the receipts are kept",
    example: "365",
    default: "30",
  }),
  receiptRetentionMonths: integer("receiptRetentionMonths", 6, 1200, {
    description: "Months until what is in the backup bucket expires, 6 (EU AI Act, Article 12) to 1200",
    rule: "6 months (EU AI Act, Article 12) to 1200",
    example: "24",
    default: "24",
  }),
};
