import { interpolate, type Input } from "@pulumi/pulumi";

interface Statement {
  Sid: string;
  Effect: "Deny";
  Principal: "*";
  Action: string | string[];
  Resource: Input<string>[];
  Condition?: Record<string, Record<string, Input<string>>>;
}

export interface BucketPolicyInput {
  bucketArn: Input<string>;
  keyArn: Input<string>;
  lockDays: number;
}

/**
 * Only denials: who may write and read is said by the roles. None names an exception, so that lifting a lock or deleting a
 * version first takes a change of this policy, which CloudTrail and the next preview show. Lifecycle rules are S3's own
 * doing and pass. Legal holds stay possible: they only ever add protection.
 */
export function bucketPolicy({ bucketArn, keyArn, lockDays }: BucketPolicyInput) {
  const objects = join(bucketArn, "/*");
  const deny = (statement: Omit<Statement, "Effect" | "Principal">): Statement => ({
    Effect: "Deny",
    Principal: "*",
    ...statement,
  });
  const everything = { Action: "s3:*", Resource: [bucketArn, objects] };
  const uploads = { Action: "s3:PutObject", Resource: [objects] };
  return {
    Version: "2012-10-17",
    Statement: [
      deny({ Sid: "TlsOnly", ...everything, Condition: { Bool: { "aws:SecureTransport": "false" } } }),
      deny({ Sid: "Tls12OrNewer", ...everything, Condition: { NumericLessThan: { "s3:TlsVersion": "1.2" } } }),
      // An upload that names no encryption gets the bucket's default. `Null` keeps it from matching: a negated comparison
      // with an absent key is true.
      deny({
        Sid: "NoOtherEncryption",
        ...uploads,
        Condition: {
          StringNotEquals: { "s3:x-amz-server-side-encryption": "aws:kms" },
          Null: { "s3:x-amz-server-side-encryption": "false" },
        },
      }),
      deny({
        Sid: "NoOtherKey",
        ...uploads,
        Condition: {
          StringNotEquals: { "s3:x-amz-server-side-encryption-aws-kms-key-id": keyArn },
          Null: { "s3:x-amz-server-side-encryption-aws-kms-key-id": "false" },
        },
      }),
      deny({
        Sid: "NoShorterLock",
        Action: ["s3:PutObject", "s3:PutObjectRetention"],
        Resource: [objects],
        Condition: { NumericLessThan: { "s3:object-lock-remaining-retention-days": String(lockDays) } },
      }),
      deny({
        Sid: "NoLiftingOfLocksNoDeletionOfVersions",
        Action: ["s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"],
        Resource: [objects],
      }),
    ],
  };
}

function join(arn: Input<string>, suffix: string): Input<string> {
  return interpolate`${arn}${suffix}`;
}

export interface LifecycleInput {
  /** Days that every object is locked from its upload. */
  lockDays: number;
  /** Days after which an object expires. */
  retentionDays: number;
}

// What is restored is needed within minutes: Glacier Instant Retrieval, never the classes that take hours to thaw.
// Infrequent Access takes objects of 30 days at the earliest.
const colderAfterDays = [
  { days: 30, storageClass: "STANDARD_IA" },
  { days: 90, storageClass: "GLACIER_IR" },
] as const;

/** Colder with age, gone when its time is over, and nothing left behind of uploads that never ended. */
export function lifecycleRules({ lockDays, retentionDays }: LifecycleInput) {
  const transitions = colderAfterDays.filter(({ days }) => days < retentionDays);
  return [
    {
      id: "colder-then-gone",
      status: "Enabled",
      filter: {},
      transitions,
      expiration: { days: retentionDays },
      // In a versioned bucket expiry only hides: the version goes this many days later, and S3 keeps it while it is locked.
      noncurrentVersionExpiration: { noncurrentDays: Math.max(lockDays, 1) },
    },
    {
      id: "leftovers",
      status: "Enabled",
      filter: {},
      expiration: { expiredObjectDeleteMarker: true },
      abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
    },
  ];
}
