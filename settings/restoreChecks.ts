import type { Restored } from "../components/stack/decidedOnce";
import type { CrossCheck } from "./crossCheck";
import { automatedBackup, snapshot } from "./restore";
import type { Settings } from "./table";

/** As a stack records it; what belongs together is set together (below). */
export const restoredBy = ({ restore: { from, time, bucketArn, bucketKmsKeyArn } }: Settings): Restored | undefined =>
  from === undefined || bucketArn === undefined || bucketKmsKeyArn === undefined
    ? undefined
    : { from, ...(time !== undefined && { time }), bucketArn, bucketKmsKeyArn };

/** What of it does not go together. */
export const restoreChecks: readonly CrossCheck[] = [
  {
    key: "restoreFrom",
    broken: ({ account, regions, restore: { from, bucketArn } }) => {
      if (from === undefined) return undefined;
      const [, region, owner] = automatedBackup.exec(from) ?? snapshot.exec(from) ?? [];
      if (region !== undefined && region !== regions.primary)
        return `must be in primaryRegion ${regions.primary}, but it is in ${region}: RDS restores where the backups are. A stack that was restored needs this no more, and may have it taken away`;
      if (account.id !== undefined && owner !== undefined && owner !== account.id)
        return `must be of awsAccountId ${account.id}, but it is of ${owner}: RDS restores automated backups in their own account, and of another's encrypted snapshots only copies in one's own`;
      return bucketArn === undefined
        ? "needs restoreBucketArn, the bucket that its source archived into: what is restored is verified against it before anything is written"
        : undefined;
    },
  },
  {
    key: "restoreTime",
    broken: ({ restore: { from, time } }) =>
      time !== undefined && (from === undefined || !automatedBackup.test(from))
        ? "must not be set without automated backups as restoreFrom: a snapshot and the bucket have one moment each"
        : undefined,
  },
  {
    key: "restoreBucketArn",
    broken: ({ backup, restore: { from, bucketArn, bucketKmsKeyArn } }) => {
      if (bucketArn === undefined) return undefined;
      if (from === undefined) return "must not be set without restoreFrom: an empty primary would be made";
      if (bucketKmsKeyArn === undefined) return "needs restoreBucketKmsKeyArn: the key of that bucket";
      return bucketArn === backup.bucketArn
        ? "must differ from backupBucketArn: two databases would archive into one bucket, and fork every chain in it. Name another bucket as backupBucketArn, or none"
        : undefined;
    },
  },
  {
    key: "restoreBucketKmsKeyArn",
    broken: ({ restore: { bucketArn, bucketKmsKeyArn } }) =>
      bucketKmsKeyArn !== undefined && bucketArn === undefined
        ? "needs restoreBucketArn: the bucket of that key"
        : undefined,
  },
];
