import type { ScheduledInputs } from "../../components/programs/scheduledProgram";

/** What the entries of programs on schedule are made of, in tests. */
export const scheduledInputs: ScheduledInputs = {
  environment: "prod",
  monthsAhead: 4,
  backups: {
    bucketName: "backups",
    arn: "arn:aws:s3:::backups",
    region: "eu-north-1",
    keyArn: "arn:aws:kms:eu-north-1:123456789012:key/k",
    owner: "123456789012",
    lock: { mode: "GOVERNANCE", days: 30 },
  },
  archiveKnownFlaws: 0,
  archiveDelayDays: 7,
  migrations: { sql: "sql-1", expectations: "expectations-1" },
};
