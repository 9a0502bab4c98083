import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { foundation, instanceArgs, type DatabaseServerArgs } from "./databaseServer";
import type { EncryptionKey } from "../aws/encryptionKey";
import { expectedSettings } from "../parameters/parameter";
import { replicaParameters } from "../parameters/replicaParameters";
import { transformed } from "../stack/transform";

export interface ReplicaArgs extends DatabaseServerArgs {
  /** The primary in another region: its ARN, since an identifier means nothing across regions. */
  sourceArn: pulumi.Input<string>;
  /** The primary's: a standby with fewer replays nothing. */
  maxConnections: number;
  /** From the primary: IAM roles belong to no region. */
  monitoringRoleArn: pulumi.Input<string>;
  /** Days of the replica's own backups. With one at least, a promoted replica can be restored from its first minute. Default 1. */
  backupRetentionDays?: number;
}

const defaults = { backupRetentionDays: 1 };

/** A standby in another region: read by auditors, promoted when the primary's region is lost. */
export class Replica extends pulumi.ComponentResource {
  readonly key: EncryptionKey;
  readonly parameterGroup: aws.rds.ParameterGroup;
  readonly instance: aws.rds.Instance;
  /** Host name, without the port. */
  readonly address: pulumi.Output<string>;
  readonly port: pulumi.Output<number>;
  readonly arn: pulumi.Output<string>;
  readonly identifier: pulumi.Output<string>;
  /** What the server must report in `pg_settings` once it runs as deployed. */
  readonly expectedSettings: Record<string, string>;

  constructor(name: string, args: ReplicaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:database:Replica", name, {}, opts);
    const parameters = replicaParameters(args);
    const ground = foundation(name, args, parameters, this);
    this.key = ground.key;
    this.parameterGroup = ground.parameterGroup;
    const { args: instance, opts: instanceOpts } = transformed(
      args.transform?.instance,
      // Engine, its lifecycle support, database, user and password come from the source: RDS refuses them on a replica.
      {
        ...instanceArgs(args, ground, args.monitoringRoleArn),
        replicateSourceDb: args.sourceArn,
        backupRetentionPeriod: args.backupRetentionDays ?? defaults.backupRetentionDays,
        // Not together with the primary's, and its upgrades before the primary's: a standby may run a newer minor version
        // than its primary, not an older one.
        backupWindow: "02:30-03:30",
        maintenanceWindow: "sat:04:30-sat:05:30",
        // RDS takes no final snapshot of a replica.
        skipFinalSnapshot: true,
      },
      {
        parent: this,
        protect: args.deletionProtection,
        dependsOn: ground.logGroups,
        // Another subnet group is another VPC. RDS cannot move a replica there ("Updating the VPC for a DB instance"), nor
        // make a second one while the first is in its VPC (InvalidDBSubnetGroupFault).
        replaceOnChanges: ["dbSubnetGroupName"],
        deleteBeforeReplace: true,
        // The first copy of a large database crosses regions.
        customTimeouts: { create: "4h", update: "3h", delete: "1h" },
      },
    );
    this.instance = new aws.rds.Instance(name, instance, instanceOpts);
    this.address = this.instance.address;
    this.port = this.instance.port;
    this.arn = this.instance.arn;
    this.identifier = this.instance.identifier;
    this.expectedSettings = expectedSettings(parameters);

    this.registerOutputs({ address: this.address, port: this.port, arn: this.arn, identifier: this.identifier });
  }
}
