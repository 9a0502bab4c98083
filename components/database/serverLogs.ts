import { partitionOf } from "../aws/partition";
import { daysOfMonths } from "../backup/backupRules";

/** Days of retention that CloudWatch Logs knows (PutRetentionPolicy); it can also keep for ever, which is 0 here. */
export const logRetentions = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

/** The least retention that lasts so many days; for ever where none does. */
export function retentionOfAtLeast(days: number): number {
  return logRetentions.find((known) => known >= days) ?? 0;
}

/** As long as the receipts are kept: the log says who changed what around them. */
export function logRetentionOf(receiptRetentionMonths: number): number {
  return retentionOfAtLeast(daysOfMonths(receiptRetentionMonths));
}

/** Where RDS writes one log of an instance. */
export const logGroupName = (identifier: string, log: string) => `/aws/rds/instance/${identifier}/${log}`;

/**
 * Policy of a key that CloudWatch Logs of its region encrypts with as well, for the log groups of the servers of this name. The first
 * statement is KMS' own default. AWS, "Encrypt log data in CloudWatch Logs using AWS KMS".
 */
export function logsKeyPolicy({ accountId, region, name }: { accountId: string; region: string; name: string }) {
  const partition = partitionOf(region);
  const groups = `arn:${partition}:logs:${region}:${accountId}:log-group:${logGroupName(`${name}-*`, "*")}`;
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "Account",
        Effect: "Allow",
        Principal: { AWS: `arn:${partition}:iam::${accountId}:root` },
        Action: "kms:*",
        Resource: "*",
      },
      {
        Sid: "Logs",
        Effect: "Allow",
        Principal: { Service: `logs.${region}.amazonaws.com${partition === "aws-cn" ? ".cn" : ""}` },
        Action: ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        Resource: "*",
        Condition: { ArnLike: { "kms:EncryptionContext:aws:logs:arn": groups } },
      },
    ],
  };
}
