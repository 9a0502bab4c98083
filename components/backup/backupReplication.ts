import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { encryptionKey, type EncryptionKey } from "../aws/encryptionKey";

export interface BackupReplicationArgs {
  /** Where the copies go. RDS offers this between certain pairs of regions only. */
  region: string;
  /** The instance whose automated backups are copied; they must be on. */
  sourceArn: pulumi.Input<string>;
  /** Days the copies can be restored to, 1 to 35. */
  retentionDays: number;
  /** Pulumi refuses to delete the copies' key. */
  deletionProtection: boolean;
  /** Whether a destroy leaves the copies' key. */
  keepAfterDestroy: boolean;
  /** ARN of a KMS key of this region to use. Default: one is made. */
  kmsKeyArn?: string;
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

/**
 * RDS' own backups, snapshots and WAL, copied as they are made to a third region: a restore to any second within the
 * retention, even with both servers' regions lost. The copies are under a key of their own, since whoever may read the
 * bucket's dumps need not be able to restore the server.
 *
 * Make it after the replica (`dependsOn`): while a replica in another region is made, the source is `modifying`, and RDS refuses.
 *
 * Copies stay when the copying ends, each until the retention that it was made with is over: that is why nothing guards the
 * copying itself, and the key is guarded. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/AutomatedBackups.StopReplicating.html
 */
export class BackupReplication extends pulumi.ComponentResource {
  readonly key: EncryptionKey;
  readonly replication: aws.rds.InstanceAutomatedBackupsReplication;
  /** Of the copies: what a restore names. */
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: BackupReplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:backup:BackupReplication", name, {}, opts);
    const { region, deletionProtection, keepAfterDestroy, tags } = args;
    this.key = encryptionKey(
      `${name}-key`,
      { region, description: "Authensor: copies of RDS' automated backups", given: args.kmsKeyArn, tags },
      { parent: this, protect: deletionProtection, retainOnDelete: keepAfterDestroy },
    );
    this.replication = new aws.rds.InstanceAutomatedBackupsReplication(
      name,
      { region, sourceDbInstanceArn: args.sourceArn, kmsKeyId: this.key.arn, retentionPeriod: args.retentionDays },
      {
        parent: this,
        // The retention cannot be changed. RDS knows a replication by its source alone, so that ending the old one after the
        // new one was made would end the new one.
        deleteBeforeReplace: true,
        customTimeouts: { create: "2h", delete: "2h" },
      },
    );

    this.arn = this.replication.id;

    this.registerOutputs({ id: this.replication.id });
  }
}
