import { kmsKeyArn } from "./awsKinds";
import { optional } from "./kinds";

export const automatedBackup = /^arn:aws[a-z-]*:rds:([a-z0-9-]+):(\d{12}):auto-backup:ab-[a-z0-9]+$/;

/** Of those that RDS makes itself, and AWS Backup, the name begins with who made it. */
export const snapshot =
  /^arn:aws[a-z-]*:rds:([a-z0-9-]+):(\d{12}):snapshot:(?:rds:|awsbackup:)?[a-zA-Z](?:-?[a-zA-Z0-9])*$/;

/** What `restoreFrom` says where the locked bucket is all that there is. */
export const fromBucket = "bucket";

/** What the primary is made from. Read with a stack's first deployment, recorded, and never again (decidedOnce.ts). */
export const restore = {
  from: optional(
    "restoreFrom",
    (value) => value === fromBucket || automatedBackup.test(value) || snapshot.test(value),
    {
      description:
        "What a new stack's primary is made from, in place of an empty one: the ARN of automated backups of RDS, or of copies of them, or of a snapshot, in primaryRegion; or `bucket`, restoreBucketArn alone. Only with the first deployment; taken away later it changes nothing: docs/restore.md",
      rule: "the ARN of automated backups (or of their copies) or of a DB snapshot, in primaryRegion; or bucket",
      example: "arn:aws:rds:eu-central-1:123456789012:auto-backup:ab-0123456789abcdefghijklmnop",
    },
  ),
  time: optional("restoreTime", isTime, {
    description: "Moment, in UTC, that the automated backups are restored to; not set: the newest that they lead to",
    rule: "a time in UTC to the second that is over, as 2026-11-29T07:24:02Z",
    example: "2026-11-29T07:24:02Z",
  }),
  bucketArn: optional("restoreBucketArn", /^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, {
    description:
      "Locked bucket that the database archived into which restoreFrom is a backup of: every chain is verified against every manifest in it before anything writes to the new primary. The new stack archives into a bucket of its own",
    rule: "the ARN of the source's backup bucket, with restoreFrom and restoreBucketKmsKeyArn",
    example: "arn:aws:s3:::authensor-prod-backups-1a2b3c4",
  }),
  bucketKmsKeyArn: optional("restoreBucketKmsKeyArn", kmsKeyArn, {
    description: "KMS key of that bucket, which says its region and its account",
    rule: "the ARN of the key of restoreBucketArn",
    example: "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  }),
};

function isTime(text: string): boolean {
  const time = Date.parse(text);
  // Of a 31st of April JavaScript makes the 1st of May.
  return time < Date.now() && new Date(time).toISOString().replace(".000Z", "Z") === text;
}
