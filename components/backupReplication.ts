import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { encryptionKey } from "./encryptionKey";

export interface BackupReplicationArgs {
  /** Where the copies go. RDS offers this between certain pairs of regions only. */
  region: string;
  /** The instance whose automated backups are copied; they must be on. */
  sourceArn: pulumi.Input<string>;
  /** Days the copies can be restored to, 1 to 35. */
  retentionDays: number;
  /** Pulumi refuses to end the copying and to delete the copies' key. */
  deletionProtection: boolean;
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

/**
 * RDS' own backups, snapshots and WAL, copied as they are made to a third region: a restore to any second within the
 * retention, even with both servers' regions lost. The copies are under a key of their own, since whoever may read the
 * bucket's dumps need not be able to restore the server.
 */
export class BackupReplication extends pulumi.ComponentResource {
  readonly key: aws.kms.Key;
  readonly replication: aws.rds.InstanceAutomatedBackupsReplication;

  constructor(name: string, args: BackupReplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:backupReplication:BackupReplication", name, {}, opts);
    const { region, deletionProtection, tags } = args;
    this.key = encryptionKey(
      `${name}-key`,
      { region, description: "Authensor: copies of RDS' automated backups", tags },
      // RDS keeps the copies it has when the copying ends.
      { parent: this, protect: deletionProtection, retainOnDelete: true },
    );
    this.replication = new aws.rds.InstanceAutomatedBackupsReplication(
      name,
      { region, sourceDbInstanceArn: args.sourceArn, kmsKeyId: this.key.arn, retentionPeriod: args.retentionDays },
      { parent: this, protect: deletionProtection, customTimeouts: { create: "2h", delete: "2h" } },
    );

    this.registerOutputs({ id: this.replication.id });
  }
}
