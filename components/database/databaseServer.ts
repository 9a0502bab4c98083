import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { encryptionKey, type EncryptionKey } from "../aws/encryptionKey";
import { type Parameter, parameterGroupFamily } from "../parameters/parameter";
import { partitionOf } from "../aws/partition";
import { logGroupName, logsKeyPolicy } from "./serverLogs";
import type { UpgradeStep } from "../stack/majorVersion";
import type { Transform } from "../stack/transform";

/** What the primary and the replica are told alike. */
export interface DatabaseServerArgs {
  /** Region of the instance and of everything it stands on. */
  region: string;
  /** Major version, such as "17": RDS takes the newest minor one. */
  postgresVersion: string;
  /** RDS instance class, such as "db.r7g.large". */
  instanceClass: string;
  /** GiB allocated at first; gp3 takes 20 at least. A replica gets its source's at first, and grows with this setting from then on. */
  storageGib: number;
  /** GiB the storage may grow to by itself. */
  maxStorageGib: number;
  /** VPC of the subnets. */
  vpcId: pulumi.Input<string>;
  /** Subnets in two zones at least. */
  subnetIds: pulumi.Input<pulumi.Input<string>[]>;
  /** The only security group: who may connect is decided by it. */
  securityGroupId: pulumi.Input<string>;
  /**
   * Guards against deletion on two paths: by RDS, and by Pulumi (`protect`). RDS is known to ignore it where it makes a replica in
   * another region (the provider's own test of that is skipped): the next deployment turns it on, and Pulumi alone guards till then.
   */
  deletionProtection: boolean;
  /** What a destroy leaves: the final snapshot, the key that it needs, and the logs. Where false, nothing that costs or lasts. */
  keepAfterDestroy: boolean;
  /** Whether changes that interrupt are made by the deployment, or wait for the maintenance window. */
  applyImmediately: boolean;
  /** The step of a major upgrade that is taken. Default: "none". */
  majorUpgrade?: UpgradeStep;
  /** Days that CloudWatch keeps the server's logs: one of `logRetentions`, or 0 for ever. */
  logRetentionDays: number;
  /** ARN of a KMS key of this region to use. Default: one is made. CloudWatch Logs must be allowed to use it, as `logsKeyPolicy` does. */
  kmsKeyArn?: string;
  /** Escape hatch, by what it is applied to. */
  transform?: { instance?: Transform<aws.rds.InstanceArgs> };
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

/** What an instance stands on in its region. */
export interface Foundation {
  key: EncryptionKey;
  parameterGroup: aws.rds.ParameterGroup;
  subnetGroup: aws.rds.SubnetGroup;
  /** Random hex, new with each new server: names made from it never collide with what an earlier one left behind. */
  suffix: pulumi.Output<string>;
  identifier: pulumi.Output<string>;
  logGroups: aws.cloudwatch.LogGroup[];
}

/**
 * When RDS makes backups and upgrades: not of both servers together, and the replica's upgrades before the primary's,
 * since a standby may run a newer minor version than its primary, not an older one.
 */
export const windows = {
  primary: { backupWindow: "01:00-02:00", maintenanceWindow: "sun:04:30-sun:05:30" },
  replica: { backupWindow: "02:30-03:30", maintenanceWindow: "sat:04:30-sat:05:30" },
};

const exportedLogs = ["postgresql", "upgrade"];

export function foundation(
  name: string,
  args: DatabaseServerArgs,
  parameters: readonly Parameter[],
  parent: pulumi.Resource,
): Foundation {
  const { region, postgresVersion, vpcId, subnetIds, deletionProtection, keepAfterDestroy, tags } = args;
  const key = encryptionKey(
    `${name}-key`,
    {
      region,
      description: `Authensor: database ${name}, its snapshots and its logs`,
      given: args.kmsKeyArn,
      policy: aws
        .getCallerIdentityOutput({}, { parent })
        .apply(({ accountId }) => JSON.stringify(logsKeyPolicy({ accountId, region, name }))),
      tags,
    },
    // The final snapshot outlives the stack, and can be restored for as long as its key exists.
    { parent, protect: deletionProtection, retainOnDelete: keepAfterDestroy },
  );
  const parameterGroup = new aws.rds.ParameterGroup(
    name,
    {
      region,
      family: parameterGroupFamily(postgresVersion),
      description: `Authensor: ${name}`,
      parameters: parameters.map(({ name, value, applyMethod }) => ({ name, value, applyMethod })),
      tags,
    },
    { parent },
  );
  // The identifier is fixed before the instance exists, so that its log groups can be made first: RDS would make them
  // without an end to their retention. Replacing the key replaces the instance, which then needs another name.
  const suffix = new random.RandomId(name, { byteLength: 4, keepers: { key: key.arn } }, { parent }).hex;
  const identifier = pulumi.interpolate`${name}-${suffix}`;
  const subnetGroup = new aws.rds.SubnetGroup(
    name,
    {
      region,
      // RDS takes no subnets of another VPC into a group that exists: with its VPC in its name, it becomes another group.
      name: pulumi.interpolate`${identifier}-${vpcId}`,
      description: `Authensor: ${name}`,
      subnetIds,
      tags,
    },
    { parent },
  );
  const logGroups = exportedLogs.map(
    (log) =>
      new aws.cloudwatch.LogGroup(
        `${name}-${log}`,
        {
          region,
          name: identifier.apply((made) => logGroupName(made, log)),
          retentionInDays: args.logRetentionDays,
          kmsKeyId: key.arn,
          tags,
        },
        { parent, retainOnDelete: keepAfterDestroy },
      ),
  );
  return { key, parameterGroup, subnetGroup, suffix, identifier, logGroups };
}

/**
 * From 400 GiB on RDS for PostgreSQL stripes gp3 over four volumes: that is its speed there without a surcharge. It is named, since the
 * provider sends the smaller size's 3000 IOPS with a storage that grows beyond, which RDS refuses (terraform-provider-aws issue 28382).
 * Below 400 GiB RDS refuses to be told a speed. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
 */
const stripedFromGib = 400;
const stripedBaseline = { iops: 12_000, storageThroughput: 500 };

/** The properties of an instance that do not depend on which of the two it is. */
export function instanceArgs(
  args: DatabaseServerArgs,
  { key, parameterGroup, subnetGroup, identifier }: Foundation,
  monitoringRoleArn: pulumi.Input<string>,
): aws.rds.InstanceArgs {
  return {
    region: args.region,
    identifier,
    instanceClass: args.instanceClass,
    parameterGroupName: parameterGroup.name,
    dbSubnetGroupName: subnetGroup.name,
    vpcSecurityGroupIds: [args.securityGroupId],
    publiclyAccessible: false,
    // Valid until 2061, RSA 2048; in every region's bundle.
    caCertIdentifier: "rds-ca-rsa2048-g1",
    // Everyone logs in with SCRAM, most through the pooler, which cannot use IAM tokens: a second way in would go unused.
    iamDatabaseAuthenticationEnabled: false,
    storageType: "gp3",
    allocatedStorage: args.storageGib,
    ...(args.storageGib >= stripedFromGib && stripedBaseline),
    maxAllocatedStorage: args.maxStorageGib,
    storageEncrypted: true,
    kmsKeyId: key.arn,
    copyTagsToSnapshot: true,
    deletionProtection: args.deletionProtection,
    // RDS keeps them for as long as it would have, and they end by themselves: the way back from a destroy that was a mistake, also
    // where nothing else is kept, since a key whose deletion is scheduled can be had back for 30 days.
    deleteAutomatedBackups: false,
    applyImmediately: args.applyImmediately,
    // Security fixes come by themselves. As the version is given as a major one, the provider sees no drift in them; a
    // major upgrade cannot be undone and needs the replica made anew, so that a changed setting alone does not start it.
    autoMinorVersionUpgrade: true,
    allowMajorVersionUpgrade: false,
    monitoringInterval: 60,
    monitoringRoleArn,
    // Standard mode with seven days is free of charge.
    databaseInsightsMode: "standard",
    performanceInsightsEnabled: true,
    performanceInsightsRetentionPeriod: 7,
    performanceInsightsKmsKeyId: key.arn,
    enabledCloudwatchLogsExports: exportedLogs,
    tags: args.tags,
  };
}

/**
 * What an instance that is written to has in the step that upgrades it. RDS takes the version and the parameter group, which must be of
 * that version's family, in one order, as the provider gives it; the deployment waits for it, since what comes next needs it.
 */
export const upgraded = ({ majorUpgrade, postgresVersion }: DatabaseServerArgs): Partial<aws.rds.InstanceArgs> =>
  majorUpgrade === "upgrade"
    ? { engineVersion: postgresVersion, allowMajorVersionUpgrade: true, applyImmediately: true }
    : {};

/**
 * A role that lets RDS' agents write enhanced monitoring; IAM knows no regions, so that one role serves both servers. `allowed` is what
 * lets it write: an instance made before that would be without monitoring, in silence.
 */
export function monitoringRole(
  name: string,
  {
    region,
    permissionsBoundaryArn,
    tags,
  }: Pick<DatabaseServerArgs, "region" | "tags"> & { permissionsBoundaryArn?: string | undefined },
  parent: pulumi.Resource,
): { arn: pulumi.Output<string>; allowed: pulumi.Resource } {
  const role = new aws.iam.Role(
    name,
    {
      description: "Authensor: RDS enhanced monitoring",
      permissionsBoundary: permissionsBoundaryArn,
      assumeRolePolicy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          { Effect: "Allow", Principal: { Service: "monitoring.rds.amazonaws.com" }, Action: "sts:AssumeRole" },
        ],
      }),
      tags,
    },
    { parent },
  );
  const allowed = new aws.iam.RolePolicyAttachment(
    name,
    {
      role: role.name,
      policyArn: `arn:${partitionOf(region)}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole`,
    },
    { parent },
  );
  return { arn: role.arn, allowed };
}
