import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { foundation, instanceArgs, upgraded, windows, type DatabaseServerArgs } from "./databaseServer";
import type { EncryptionKey } from "../aws/encryptionKey";
import { expectedSettings } from "../parameters/parameter";
import { passwordVersion } from "./passwordVersion";
import { replicaParameters } from "../parameters/replicaParameters";
import { transformed } from "../stack/transform";

export interface ReplicaOf {
  /** The primary in another region: its ARN, since an identifier means nothing across regions. */
  sourceArn: pulumi.Input<string>;
}

export interface Promoted {
  /** Of the role that owns everything, which is RDS' master user. */
  ownerPassword: pulumi.Input<string>;
  /**
   * A synchronous standby in another zone: false as long as somebody waits for the promotion, which it would make
   * longer.
   */
  multiAz: boolean;
}

export interface ReplicaArgs extends DatabaseServerArgs {
  /** Whose replica it is, or that it is none any more. */
  role: ReplicaOf | Promoted;
  /** The primary's: a standby with fewer replays nothing. */
  maxConnections: number;
  /** IAM roles belong to no region: it may be the primary's. */
  monitoringRoleArn: pulumi.Input<string>;
  /** Days of the replica's own backups. With one at least, a promoted replica can be restored from its first minute. Default 1. */
  backupRetentionDays?: number;
}

const defaults = { backupRetentionDays: 1 };

const ofReplica = ({ sourceArn }: ReplicaOf) => ({
  ...windows.replica,
  replicateSourceDb: sourceArn,
  // RDS takes no final snapshot of a replica.
  skipFinalSnapshot: true,
});

/**
 * The provider promotes an instance whose source is taken away, waits for it, and only then changes what else differs. What would make
 * that take longer (other parameters) or what the instance has from its source (`dbName`, whose change
 * would be a replacement) stays as it is.
 */
const ofPromoted = (
  { ownerPassword, multiAz }: Promoted,
  args: DatabaseServerArgs,
  { name, suffix }: { name: string; suffix: pulumi.Output<string> },
) => ({
  ...windows.primary,
  multiAz,
  passwordWo: pulumi.secret(ownerPassword),
  passwordWoVersion: passwordVersion(ownerPassword),
  skipFinalSnapshot: !args.keepAfterDestroy,
  finalSnapshotIdentifier: args.keepAfterDestroy ? pulumi.interpolate`${name}-final-${suffix}` : undefined,
  ...upgraded(args),
});

/**
 * The place of a replica while there is none: between its removal and the end of a major upgrade. What encrypts it, its parameters and
 * its log stay, under the names that it has again afterwards: it has the replica's type, which is part of each name in the stack.
 */
export class ReplicaGround extends pulumi.ComponentResource {
  constructor(
    name: string,
    args: Omit<ReplicaArgs, "role" | "monitoringRoleArn">,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("authensor:database:Replica", name, {}, opts);
    foundation(name, args, replicaParameters(args), this);
    this.registerOutputs({});
  }
}

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
  /** Major version. */
  readonly postgresVersion: string;

  constructor(name: string, args: ReplicaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:database:Replica", name, {}, opts);
    const parameters = replicaParameters(args);
    // A replica that is to be removed next; one that was promoted never is.
    const deletionProtection =
      args.deletionProtection && !("sourceArn" in args.role && args.majorUpgrade === "release-replica");
    const ground = foundation(name, args, parameters, this);
    this.key = ground.key;
    this.parameterGroup = ground.parameterGroup;
    const { args: instance, opts: instanceOpts } = transformed(
      args.transform?.instance,
      // Engine, its lifecycle support, database, user and password come from the source: RDS refuses them on a replica.
      {
        ...instanceArgs({ ...args, deletionProtection }, ground, args.monitoringRoleArn),
        backupRetentionPeriod: args.backupRetentionDays ?? defaults.backupRetentionDays,
        ...("sourceArn" in args.role
          ? ofReplica(args.role)
          : ofPromoted(args.role, args, { name, suffix: ground.suffix })),
      },
      {
        parent: this,
        protect: deletionProtection,
        dependsOn: ground.logGroups,
        // Another subnet group is another VPC. RDS cannot move a replica there ("Updating the VPC for a DB instance"), nor
        // make a second one while the first is in its VPC (InvalidDBSubnetGroupFault). Once promoted it has the receipts,
        // and is never to go first.
        ...("sourceArn" in args.role && { replaceOnChanges: ["dbSubnetGroupName"], deleteBeforeReplace: true }),
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
    this.postgresVersion = args.postgresVersion;

    this.registerOutputs({ address: this.address, port: this.port, arn: this.arn, identifier: this.identifier });
  }
}
