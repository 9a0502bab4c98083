import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { databaseName, roles } from "../../ops/roles";
import { foundation, instanceArgs, monitoringRole, upgraded, windows, type DatabaseServerArgs } from "./databaseServer";
import type { EncryptionKey } from "../aws/encryptionKey";
import { expectedSettings } from "../parameters/parameter";
import { passwordVersion } from "./passwordVersion";
import { transformed } from "../stack/transform";
import { primaryParameters } from "../parameters/primaryParameters";

export interface PrimaryArgs extends DatabaseServerArgs {
  /** A synchronous standby in another zone. */
  multiAz: boolean;
  /** Server connections, the reserve included. */
  maxConnections: number;
  /** Days to which every second can be restored, 1 to 35; 0 would rule out a replica. */
  backupRetentionDays: number;
  /**
   * What happens at the end of the major version's standard support. RDS takes it when the server is made, and never again.
   * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/extended-support.html
   */
  engineLifecycleSupport: "open-source-rds-extended-support" | "open-source-rds-extended-support-disabled";
  /** Policy that bounds the monitoring role. Default: none does. */
  permissionsBoundaryArn?: string | undefined;
  /** Of the role that owns everything, which is RDS' master user. */
  ownerPassword: pulumi.Input<string>;
  /** Backups that it is made from. Default: none, and it is made empty. */
  restoredFrom?: BackupsToRestore | undefined;
}

export interface BackupsToRestore {
  /** ARN of automated backups, or of copies of them, or of a DB snapshot, in the region. */
  from: string;
  /** UTC; a snapshot has one moment. Default: the newest that automated backups lead to. */
  time?: string | undefined;
}

/**
 * RDS has no parameter for the key of what it restores, which keeps that of its backup; with one given the provider
 * would replace the instance in the next deployment. The name of the database comes with the data too.
 */
function origin({ restoredFrom: backups }: PrimaryArgs): Partial<aws.rds.InstanceArgs> {
  if (!backups) return { dbName: databaseName };
  const kmsKeyId = undefined;
  if (/:snapshot:/.test(backups.from)) return { snapshotIdentifier: backups.from, kmsKeyId };
  const moment = backups.time === undefined ? { useLatestRestorableTime: true } : { restoreTime: backups.time };
  return { restoreToPointInTime: { sourceDbInstanceAutomatedBackupsArn: backups.from, ...moment }, kmsKeyId };
}

/** The PostgreSQL server that receipts are written to. */
export class Primary extends pulumi.ComponentResource {
  readonly key: EncryptionKey;
  readonly parameterGroup: aws.rds.ParameterGroup;
  /** For a replica too: IAM roles belong to no region. */
  readonly monitoringRoleArn: pulumi.Output<string>;
  readonly instance: aws.rds.Instance;
  /** Host name, without the port. */
  readonly address: pulumi.Output<string>;
  readonly port: pulumi.Output<number>;
  /** What a replica in another region is made from. */
  readonly arn: pulumi.Output<string>;
  readonly identifier: pulumi.Output<string>;
  /** Its major version. */
  readonly postgresVersion: string;
  /** What the server must report in `pg_settings` once it runs as deployed. */
  readonly expectedSettings: Record<string, string>;

  constructor(name: string, args: PrimaryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:database:Primary", name, {}, opts);
    const { deletionProtection, keepAfterDestroy } = args;
    const parameters = primaryParameters(args);
    const ground = foundation(name, args, parameters, this);
    this.key = ground.key;
    this.parameterGroup = ground.parameterGroup;
    const monitoring = monitoringRole(`${name}-monitoring`, args, this);
    this.monitoringRoleArn = monitoring.arn;
    const { args: instance, opts: instanceOpts } = transformed(
      args.transform?.instance,
      {
        ...instanceArgs(args, ground, monitoring.arn),
        engine: "postgres",
        engineVersion: args.postgresVersion,
        ...origin(args),
        username: roles.owner,
        // Write-only, so that it is never read back. RDS' own managed password rules out replicas on PostgreSQL.
        passwordWo: pulumi.secret(args.ownerPassword),
        passwordWoVersion: passwordVersion(args.ownerPassword),
        multiAz: args.multiAz,
        backupRetentionPeriod: args.backupRetentionDays,
        ...windows.primary,
        engineLifecycleSupport: args.engineLifecycleSupport,
        skipFinalSnapshot: !keepAfterDestroy,
        finalSnapshotIdentifier: keepAfterDestroy ? pulumi.interpolate`${name}-final-${ground.suffix}` : undefined,
        ...upgraded(args),
      },
      {
        parent: this,
        protect: deletionProtection,
        dependsOn: [...ground.logGroups, monitoring.allowed],
        // RDS refuses no change of it and makes none: every preview would show it again.
        // And nothing is restored over a database that is there: either of these would replace it.
        ignoreChanges: ["engineLifecycleSupport", "restoreToPointInTime", "snapshotIdentifier"],
        customTimeouts: { create: "1h", update: "3h", delete: "1h" },
      },
    );
    this.instance = new aws.rds.Instance(name, instance, instanceOpts);
    this.address = this.instance.address;
    this.port = this.instance.port;
    this.arn = this.instance.arn;
    this.identifier = this.instance.identifier;
    this.postgresVersion = args.postgresVersion;
    this.expectedSettings = expectedSettings(parameters);

    this.registerOutputs({ address: this.address, port: this.port, arn: this.arn, identifier: this.identifier });
  }
}
