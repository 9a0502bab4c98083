import { BackupBucket } from "../components/backup/backupBucket";
import { daysOfMonths } from "../components/backup/backupRules";
import { awsProvider } from "../components/stack/accountAccess";
import { readSettings } from "./settings";

/** The locked bucket in an account of its own (docs/backups.md). Its outputs are settings of the database's stack. */
function program() {
  const { environment, region, accountId, databaseAccountId, lockMode, lockDays, receiptRetentionMonths } =
    readSettings();
  const backups = new BackupBucket(
    `authensor-${environment}-backups`,
    {
      ...{ region, lockMode, lockDays },
      retentionDays: daysOfMonths(receiptRetentionMonths),
      visitors: { account: databaseAccountId, environment },
      deletionProtection: true,
      keepAfterDestroy: true,
      tags: { "authensor:environment": environment },
    },
    { providers: { aws: awsProvider(region, { id: accountId }) } },
  );
  return { backupRegion: region, backupBucketArn: backups.arn, backupBucketKmsKeyArn: backups.keyArn };
}

export = program;
