import { interpolate, type Input, output } from "@pulumi/pulumi";
import { drillTag, scratchName } from "../../ops/drill/name";
import { archiveReaderStatements, reportStatements, type BackupBucket } from "./bucketRights";

/** What a drill restores, and what it gives to the instance that it restores into. */
export interface DrillTarget {
  region: string;
  /** ARN of the copies of the primary's automated backups. */
  copiesArn: Input<string>;
  /** ARN of the key that they are under. */
  copiesKeyArn: Input<string>;
  /** Names, but the security group's id. */
  subnetGroup: Input<string>;
  securityGroup: Input<string>;
  parameterGroup: Input<string>;
}

const allow = { Effect: "Allow" };

/**
 * What a drill may do: restore the copies into the one instance of its name, which it must tag as its own and may not make public; change,
 * reboot and delete that instance while it has the tag; read the bucket, and add its report. Which resources and conditions each action
 * knows: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html
 */
export function drillStatements(environment: string, bucket: BackupBucket, target: DrillTarget) {
  const { region, copiesArn, copiesKeyArn, subnetGroup, parameterGroup } = target;
  // arn:aws:rds:<region>:<account>:
  const ofRds = output(copiesArn).apply((arn) => arn.replace(/auto-backup:.*$/, ""));
  const scratch = interpolate`${ofRds}db:${scratchName(environment)}`;
  const throughRds = { "kms:ViaService": `rds.${region}.amazonaws.com` };
  return [
    ...archiveReaderStatements(bucket),
    ...reportStatements(bucket),
    {
      ...allow,
      Sid: "Look",
      Action: ["rds:DescribeDBInstances", "rds:DescribeDBInstanceAutomatedBackups"],
      Resource: [scratch, copiesArn],
    },
    // Knows no resources.
    { ...allow, Sid: "LookWhyARestoreFailed", Action: "rds:DescribeEvents", Resource: "*" },
    {
      ...allow,
      Sid: "RestoreTheCopies",
      Action: "rds:RestoreDBInstanceToPointInTime",
      Resource: [
        scratch,
        copiesArn,
        interpolate`${ofRds}subgrp:${subnetGroup}`,
        interpolate`${ofRds}pg:${parameterGroup}`,
        interpolate`${ofRds}og:default*`,
      ],
      Condition: {
        StringEquals: { [`aws:RequestTag/${drillTag}`]: environment },
        Bool: { "rds:PubliclyAccessible": "false" },
      },
    },
    {
      ...allow,
      Sid: "TagIt",
      Action: "rds:AddTagsToResource",
      Resource: scratch,
      Condition: { StringEquals: { [`aws:RequestTag/${drillTag}`]: environment } },
    },
    {
      ...allow,
      Sid: "UseAndRemoveIt",
      Action: ["rds:ModifyDBInstance", "rds:RebootDBInstance", "rds:DeleteDBInstance"],
      Resource: scratch,
      Condition: { StringEquals: { [`aws:ResourceTag/${drillTag}`]: environment } },
    },
    {
      ...allow,
      Sid: "DecryptTheCopies",
      Action: ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"],
      Resource: copiesKeyArn,
      Condition: { StringEquals: throughRds },
    },
    {
      ...allow,
      Sid: "LetRdsDecryptThem",
      Action: "kms:CreateGrant",
      Resource: copiesKeyArn,
      Condition: { StringEquals: throughRds, Bool: { "kms:GrantIsForAWSResource": "true" } },
    },
  ];
}
