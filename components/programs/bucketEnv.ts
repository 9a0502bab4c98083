import type { Input } from "@pulumi/pulumi";
import type { BackupBucket, BucketLock } from "../backup/bucketRights";

/** The locked bucket as programs find it. */
export interface FoundBucket extends BackupBucket {
  bucketName: Input<string>;
  /** The account that it must be of. */
  owner: Input<string>;
  lock: BucketLock;
}

/** As `connectBucket` (ops/archive/bucket.ts) reads it. */
export const bucketEnv = ({ bucketName, region, owner, lock }: FoundBucket): Record<string, Input<string>> => ({
  BACKUP_BUCKET: bucketName,
  BACKUP_REGION: region,
  BACKUP_BUCKET_OWNER: owner,
  BACKUP_LOCK_MODE: lock.mode,
  BACKUP_LOCK_DAYS: String(lock.days),
});
