import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { severities, type Severity } from "./alarm";
import { encryptionKey } from "../aws/encryptionKey";
import { partitionOf } from "../aws/partition";
import { regionOfArn } from "../aws/arn";

export interface AlarmTopicsArgs {
  region: string;
  /** ARN of a KMS key of this region to use; its policy must let the publishers use it. Default: one is made. */
  kmsKeyArn?: string | undefined;
  /** Addresses that are written to; each must confirm once. */
  emails: Record<Severity, readonly string[]>;
  /** ARNs of existing topics, in any region; those of this region are used instead of making one. */
  topicArns: Record<Severity, readonly string[]>;
  /** Added to every resource that takes tags. */
  tags: Record<string, string>;
}

/** Who publishes: alarms, and RDS' own events. */
const publishers = ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"];

/** One topic for each severity in a region, encrypted with a key that its publishers may use. */
export function alarmTopics(
  name: string,
  args: AlarmTopicsArgs,
  parent: pulumi.Resource,
): Record<Severity, pulumi.Output<string>> {
  const { region, emails, topicArns, tags } = args;
  const given = (severity: Severity) => topicArns[severity].find((arn) => regionOfArn(arn) === region);
  const account = aws.getCallerIdentityOutput({}, { parent }).accountId;
  const key = severities.every((severity) => given(severity) !== undefined)
    ? undefined
    : encryptionKey(
        `${name}-alarms-key`,
        {
          region,
          description: "Authensor: alarms on their way",
          given: args.kmsKeyArn,
          policy: account.apply((id) => JSON.stringify(keyPolicy(id, region))),
          tags,
        },
        { parent },
      );
  const topics = severities.map((severity) => {
    const existing = given(severity);
    if (existing !== undefined) return [severity, pulumi.output(existing)] as const;
    const topic = new aws.sns.Topic(`${name}-${severity}`, { region, kmsMasterKeyId: key?.arn, tags }, { parent });
    new aws.sns.TopicPolicy(
      `${name}-${severity}`,
      {
        region,
        arn: topic.arn,
        policy: pulumi.all([topic.arn, account]).apply(([arn, id]) => JSON.stringify(topicPolicy(arn, id))),
      },
      { parent },
    );
    for (const endpoint of emails[severity])
      new aws.sns.TopicSubscription(
        `${name}-${severity}-${endpoint}`,
        { region, topic: topic.arn, protocol: "email", endpoint },
        { parent },
      );
    return [severity, topic.arn] as const;
  });
  return Object.fromEntries(topics) as Record<Severity, pulumi.Output<string>>;
}

const ofAccount = (id: string) => ({ StringEquals: { "aws:SourceAccount": id } });

/** AWS, "Encrypting Amazon SNS topics": whoever publishes to a topic uses its key. The first statement is KMS' own default. */
export function keyPolicy(id: string, region: string) {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "Account",
        Effect: "Allow",
        Principal: { AWS: `arn:${partitionOf(region)}:iam::${id}:root` },
        Action: "kms:*",
        Resource: "*",
      },
      {
        Sid: "Publishers",
        Effect: "Allow",
        Principal: { Service: publishers },
        Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
        Resource: "*",
        Condition: ofAccount(id),
      },
    ],
  };
}

export function topicPolicy(arn: string, id: string) {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "Publishers",
        Effect: "Allow",
        Principal: { Service: publishers },
        Action: "sns:Publish",
        Resource: arn,
        Condition: ofAccount(id),
      },
    ],
  };
}
