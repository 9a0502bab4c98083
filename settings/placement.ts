import { z } from "zod";
import { eksClusterName, kmsKeyArn, regionPattern } from "./awsKinds";
import { map, optional, text } from "./kinds";

const givenKey = (role: string, region: string, what: string) =>
  optional(`${role}KmsKeyArn`, kmsKeyArn, {
    description: `Existing KMS key for ${what}, fixed when they are made; not set: the program makes one key for each purpose`,
    rule: `the ARN of a KMS key (not of an alias) in ${region}`,
    example: "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  });

/** Where everything goes, as whom it is made, and under which keys. */
export const placement = {
  environment: text("environment", /^[a-z][a-z0-9]*(-[a-z0-9]+)*$(?<=^.{2,20})/, {
    description:
      "Name of this environment, in resource names and tags; 2 to 20 lowercase letters, digits, single hyphens",
    // RDS refuses an identifier with two hyphens in a row, or one at its end.
    rule: "2 to 20 lowercase letters, digits and single hyphens; a letter first, no hyphen last",
    example: "prod",
  }),
  regions: {
    primary: text("primaryRegion", regionPattern, {
      description: "AWS region of the primary and of the EKS cluster",
      rule: "the AWS region of the EKS cluster",
      example: "eu-central-1",
    }),
    replica: optional("replicaRegion", regionPattern, {
      description: "AWS region of the replica; must differ from primaryRegion; required unless `replica` is false",
      rule: "an AWS region that differs from primaryRegion; required unless replica is false",
      example: "eu-west-1",
    }),
    backup: text("backupRegion", regionPattern, {
      description: "AWS region of the backup bucket; must differ from primaryRegion",
      rule: "an AWS region that differs from primaryRegion",
      example: "eu-north-1",
    }),
  },
  account: {
    id: optional("awsAccountId", /^\d{12}$/, {
      description: "AWS account to deploy into; the program stops at once with credentials of another account",
      rule: "an AWS account id of 12 digits",
      example: "123456789012",
    }),
    permissionsBoundaryArn: optional(
      "permissionsBoundaryArn",
      /^arn:aws[a-z-]*:iam::(\d{12}|aws):policy\/[\w+=,.@/-]+$/,
      {
        description:
          "IAM policy that limits the roles the program makes; what it must allow: docs/iam/README.md; not set: no limit",
        rule: "the ARN of an IAM policy",
        example: "arn:aws:iam::123456789012:policy/boundary",
      },
    ),
    deployRoleArn: optional("deployRoleArn", /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/, {
      description: "IAM role to deploy as, in AWS and in the cluster; not set: your own identity",
      rule: "the ARN of an IAM role",
      example: "arn:aws:iam::123456789012:role/deploy",
    }),
  },
  kmsKeyArns: {
    primary: givenKey("primary", "primaryRegion", "the primary, its backups, its logs and the passwords"),
    replica: givenKey("replica", "replicaRegion", "the replica, its logs and the passwords' copies"),
    backup: givenKey("backup", "backupRegion", "the backup bucket and the copied backups"),
  },
  eksClusterName: text("eksClusterName", eksClusterName, {
    description: "Existing EKS cluster that PgBouncer, the control plane and the ops programs run on",
    rule: "the name of an existing EKS cluster",
    example: "platform-prod",
  }),
  tags: map("tags", /^(?!aws:).{1,128}$/, z.string().max(256), {
    description: "More tags for every AWS resource, beside those that the program sets",
    rule: "an object of texts of at most 256 characters; keys of 1 to 128 characters that do not start with aws:",
    example: '{"cost-center":"4711"}',
    default: "{}",
  }),
};
