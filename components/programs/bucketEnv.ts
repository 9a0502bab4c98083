import type { Input } from "@pulumi/pulumi";
import type { BackupBucket } from "../backup/bucketRights";

/** The locked bucket as programs find it. */
export interface FoundBucket extends BackupBucket {
  bucketName: Input<string>;
  /** The account that it must be of. Default: whoever's it is. */
  owner?: string;
}

/** As `connectBucket` (ops/archive/bucket.ts) reads it. */
export const bucketEnv = ({ bucketName, region, owner }: FoundBucket): Record<string, Input<string>> => ({
  BACKUP_BUCKET: bucketName,
  BACKUP_REGION: region,
  ...(owner !== undefined && { BACKUP_BUCKET_OWNER: owner }),
});
