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
  lockMode: "GOVERNANCE" | "COMPLIANCE";
  lockDays: number;
}

/**
 * Only denials: who may write and read is said by the roles. None names an exception, so that lifting a lock or deleting a
 * version first takes a change of this policy, which CloudTrail and the next preview show. Lifecycle rules are S3's own
 * doing and pass. Legal holds stay possible: they only ever add protection.
 */
export function bucketPolicy({ bucketArn, keyArn, lockMode, lockDays }: BucketPolicyInput) {
  const objects = join(bucketArn, "/*");
  const deny = (statement: Omit<Statement, "Effect" | "Principal">): Statement => ({
    Effect: "Deny",
    Principal: "*",
    ...statement,
  });
  const everything = { Action: "s3:*", Resource: [bucketArn, objects] };
  const uploads = { Action: "s3:PutObject", Resource: [objects] };
  const locks = { Action: ["s3:PutObject", "s3:PutObjectRetention"], Resource: [objects] };
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
      // GOVERNANCE in a COMPLIANCE bucket could be lifted, COMPLIANCE in a GOVERNANCE bucket never. Without a mode the bucket's applies.
      deny({
        Sid: "NoOtherLockMode",
        ...locks,
        Condition: {
          StringNotEquals: { "s3:object-lock-mode": lockMode },
          Null: { "s3:object-lock-mode": "false" },
        },
      }),
      deny({
        Sid: "NoShorterLock",
        ...locks,
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

// What is restored is needed within minutes: Glacier Instant Retrieval, never the classes that take hours to thaw.
// Infrequent Access takes objects of 30 days at the earliest.
const colderAfterDays = [
  { days: 30, storageClass: "STANDARD_IA" },
  { days: 90, storageClass: "GLACIER_IR" },
] as const;

/** Days that so many months in a row have at most, whichever is the first: nothing expires before its last month is over. */
export function daysOfMonths(months: number): number {
  const days = (first: number) => (Date.UTC(2000, first + months) - Date.UTC(2000, first)) / 86_400_000;
  return Math.max(...Array.from({ length: 48 }, (_, first) => days(first)));
}

/** Colder with age, gone after `retentionDays`, and nothing left behind of uploads that never ended. */
export function lifecycleRules(retentionDays: number) {
  const transitions = colderAfterDays.filter(({ days }) => days < retentionDays);
  return [
    {
      id: "colder-then-gone",
      status: "Enabled",
      filter: {},
      transitions,
      expiration: { days: retentionDays },
      // In a versioned bucket expiry only hides: the version goes a day later, or, where it is locked longer, with the lock's end.
      noncurrentVersionExpiration: { noncurrentDays: 1 },
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
