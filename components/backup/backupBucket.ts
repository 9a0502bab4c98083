import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { BucketLock } from "./bucketRights";
import { bucketPolicy, daysOfMonths, lifecycleRules } from "./backupRules";
import { keyPolicy, ofBucket, visitorStatements, type Visitors } from "./otherAccount";
import { encryptionKey, type EncryptionKey } from "../aws/encryptionKey";
import { complete, type WithDefaults } from "../stack/defaults";

/** What holds where nothing is said: what the program's settings have too. */
export const backupBucketDefaults = {
  lockMode: "GOVERNANCE",
  lockDays: 30,
  retentionDays: daysOfMonths(24),
  deletionProtection: true,
  keepAfterDestroy: true,
} as const;

interface AllBackupBucketArgs {
  /** Neither the primary's region nor, better, the replica's. */
  region: string;
  /** GOVERNANCE lets whoever holds the permission lift a lock; COMPLIANCE nobody, until it ends: `destroy` fails till then. */
  lockMode: "GOVERNANCE" | "COMPLIANCE";
  /** Days that every object is locked from its upload. */
  lockDays: number;
  /** Days after which an object expires; at least `lockDays`. */
  retentionDays: number;
  /** Pulumi refuses to delete the bucket and its key. */
  deletionProtection: boolean;
  /** Whether a destroy leaves the bucket, what is in it and its key. */
  keepAfterDestroy: boolean;
  /** ARN of a KMS key of this region to use. Default: one is made. */
  kmsKeyArn?: string;
  /** Who uses the bucket from another account; the key that is made lets them. Default: nobody does. */
  visitors?: Visitors;
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

/** Arguments of `BackupBucket`; `backupBucketDefaults` has what holds for those that are left out. */
export type BackupBucketArgs = WithDefaults<AllBackupBucketArgs, typeof backupBucketDefaults>;

/**
 * Where dumps, archived partitions and anchors go: what is written here stays as it is until its time is over.
 * @throws where `retentionDays` is below `lockDays`: S3 cannot expire locked objects
 */
export class BackupBucket extends pulumi.ComponentResource {
  readonly key: EncryptionKey;
  readonly bucket: aws.s3.Bucket;
  /** Physical name. */
  readonly bucketName: pulumi.Output<string>;
  readonly arn: pulumi.Output<string>;
  readonly keyArn: pulumi.Output<string>;
  /** The account that it is made in. */
  readonly owner: pulumi.Output<string>;
  readonly lock: BucketLock;
  readonly region: string;

  constructor(name: string, given: BackupBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:backup:BackupBucket", name, {}, opts);
    const args = complete<AllBackupBucketArgs, typeof backupBucketDefaults>(given, backupBucketDefaults);
    const { region, lockDays, retentionDays, deletionProtection, keepAfterDestroy, tags } = args;
    if (retentionDays < lockDays) {
      throw new pulumi.RunError(
        `retentionDays ${retentionDays} is below lockDays ${lockDays}: S3 cannot expire locked objects. Raise retentionDays or lower lockDays.`,
      );
    }
    const parent = { parent: this };
    this.region = region;
    this.lock = { mode: args.lockMode, days: lockDays };
    this.owner = aws.getCallerIdentityOutput({}, parent).accountId;
    const visiting = (arn: pulumi.Input<string>, keyArn: pulumi.Input<string>) =>
      args.visitors ? visitorStatements({ arn, region, keyArn }, args.visitors) : [];
    this.key = encryptionKey(
      `${name}-key`,
      {
        region,
        description: "Authensor: dumps, archived partitions and anchors",
        given: args.kmsKeyArn,
        policy: args.visitors && this.keyPolicyFor(visiting("*", "*")),
        tags,
      },
      { ...parent, protect: deletionProtection, retainOnDelete: keepAfterDestroy },
    );
    this.bucket = new aws.s3.Bucket(
      name,
      // Object Lock from the first day: what was written before cannot be locked by default afterwards.
      { region, objectLockEnabled: true, forceDestroy: false, tags },
      // After the key, so that a bucket that cannot be deleted yet, since locked objects are in it, keeps its key.
      { ...parent, protect: deletionProtection, retainOnDelete: keepAfterDestroy, dependsOn: this.key.resource },
    );
    const bucket = { region, bucket: this.bucket.bucket };
    // They go with the bucket. Deleted one by one, before it, they would strip a bucket that cannot be deleted yet of policy,
    // default lock, encryption and the rules by which it empties itself.
    const part = { ...parent, retainOnDelete: true };
    const versioning = new aws.s3.BucketVersioning(
      name,
      { ...bucket, versioningConfiguration: { status: "Enabled" } },
      part,
    );
    const afterVersioning = { ...part, dependsOn: [versioning] };
    new aws.s3.BucketObjectLockConfiguration(
      name,
      { ...bucket, rule: { defaultRetention: { mode: args.lockMode, days: lockDays } } },
      afterVersioning,
    );
    new aws.s3.BucketServerSideEncryptionConfiguration(
      name,
      {
        ...bucket,
        rules: [
          {
            applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: this.key.arn },
            // One KMS call per bucket and hour instead of one per object.
            bucketKeyEnabled: true,
            // A key that the client brings names no key of ours: nobody could read the object once that key is lost.
            blockedEncryptionTypes: ["SSE-C"],
          },
        ],
      },
      part,
    );
    new aws.s3.BucketOwnershipControls(name, { ...bucket, rule: { objectOwnership: "BucketOwnerEnforced" } }, part);
    const publicAccess = new aws.s3.BucketPublicAccessBlock(
      name,
      {
        ...bucket,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      part,
    );
    const { Version, Statement } = bucketPolicy({
      bucketArn: this.bucket.arn,
      keyArn: this.key.arn,
      lockMode: args.lockMode,
      lockDays,
    });
    const allowed = ofBucket(visiting(this.bucket.arn, this.key.arn));
    new aws.s3.BucketPolicy(
      name,
      { ...bucket, policy: pulumi.jsonStringify({ Version, Statement: [...Statement, ...allowed] }) },
      // S3 answers one of two simultaneous changes to a bucket's access with a conflict.
      { ...part, dependsOn: [publicAccess] },
    );
    new aws.s3.BucketLifecycleConfiguration(name, { ...bucket, rules: lifecycleRules(retentionDays) }, afterVersioning);
    this.bucketName = this.bucket.bucket;
    this.arn = this.bucket.arn;
    this.keyArn = this.key.arn;

    this.registerOutputs({ bucketName: this.bucketName, arn: this.arn, keyArn: this.keyArn });
  }

  private keyPolicyFor(statements: ReturnType<typeof visitorStatements>): pulumi.Output<string> {
    return pulumi.jsonStringify(this.owner.apply((id) => keyPolicy(id, this.region, statements)));
  }
}
