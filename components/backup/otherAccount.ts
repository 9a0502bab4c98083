import { getCallerIdentity } from "@pulumi/aws";
import type { Input, InvokeOptions } from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";
import { accountOfArn } from "../aws/arn";
import { partitionOf } from "../aws/partition";
import {
  addingStatements,
  archiveReaderStatements,
  holdingStatements,
  reportStatements,
  type BackupBucket,
  type BucketLock,
} from "./bucketRights";

/** Whose programs use the bucket where it is in another account than the database. */
export interface Visitors {
  /** The database's AWS account. */
  account: string;
  /** The deployment's name: its programs' roles are `authensor-<environment>-<program>-…`. */
  environment: string;
}

interface Statement {
  Sid: string;
  Effect: string;
  Action: string | string[];
  Resource: Input<string> | Input<string>[];
  Condition?: object;
}

/** A bucket that is there, in another account, as the programs use it. */
export const bucketOfOther = (arn: string, keyArn: string, region: string, lock: BucketLock) => ({
  arn,
  keyArn,
  region,
  lock,
  bucketName: arn.replace(/^.*:/, ""),
  // The ARN of a bucket does not say whose it is; the key is of its account.
  owner: accountOfArn(keyArn),
});

/** @throws where the key is of the account that is deployed into: whoever owns the database could then empty the bucket */
export async function checkOtherAccount(keyArn: string, opts?: InvokeOptions): Promise<void> {
  const { accountId } = await getCallerIdentity({}, opts);
  if (accountId === accountOfArn(keyArn))
    throw new RunError(
      `backupBucketKmsKeyArn: ${keyArn} is of account ${accountId}, which the database is deployed into: name a bucket and a key of another account, or neither`,
    );
}

/**
 * What the owner of the bucket allows to programs of another account: the same as that account's policies do, and so never a deletion, an
 * overwriting or a shorter lock. By the roles' names, not by the roles: a policy that names a role loses it when that is made anew.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 */
export function visitorStatements(bucket: BackupBucket, { account, environment }: Visitors): Statement[] {
  const iam = `arn:${partitionOf(bucket.region)}:iam::${account}`;
  const to = (programs: readonly string[], statements: readonly Statement[]) =>
    statements.map((statement) => ({
      ...statement,
      Principal: { AWS: `${iam}:root` },
      Condition: {
        ...statement.Condition,
        ArnLike: {
          "aws:PrincipalArn": programs.map((program) => `${iam}:role/authensor-${environment}-${program}`),
        },
      },
    }));
  return [
    ...to(["*"], archiveReaderStatements(bucket)),
    ...to(["archive-*", "compact-*"], addingStatements(bucket)),
    ...to(["hold-*"], holdingStatements(bucket)),
    ...to(["drill-*"], reportStatements(bucket)),
  ];
}

const isOfKey = ({ Action }: Statement): boolean => [Action].flat().every((action) => action.startsWith("kms:"));

/** Those of them that the bucket's policy has. */
export const ofBucket = (statements: readonly Statement[]) => statements.filter((one) => !isOfKey(one));

/** The key's policy, with those of them that are its own. The first statement is KMS' default. */
export function keyPolicy(owner: string, region: string, statements: readonly Statement[]) {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "Account",
        Effect: "Allow",
        Principal: { AWS: `arn:${partitionOf(region)}:iam::${owner}:root` },
        Action: "kms:*",
        Resource: "*",
      },
      // In a key's policy that is the key itself.
      ...statements.filter(isOfKey).map((one) => ({ ...one, Resource: "*" })),
    ],
  };
}
