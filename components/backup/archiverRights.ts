import { interpolate, type Input } from "@pulumi/pulumi";

/**
 * What the archiver may do: add objects and read them. Never delete one, never touch a lock, and never write where something is:
 * S3 takes an object of its only with `If-None-Match`. (Parts of an upload carry no such header; what completes it must.)
 */
export function archiverStatements({
  arn,
  region,
  keyArn,
}: {
  arn: Input<string>;
  region: string;
  keyArn: Input<string>;
}) {
  const objects = [interpolate`${arn}/manifests/*`, interpolate`${arn}/segments/*`];
  const allow = { Effect: "Allow" };
  return [
    {
      ...allow,
      Sid: "AddNewObjects",
      Action: "s3:PutObject",
      Resource: objects,
      Condition: { Null: { "s3:if-none-match": "false" } },
    },
    {
      ...allow,
      Sid: "UploadParts",
      Action: "s3:PutObject",
      Resource: objects,
      Condition: { Bool: { "s3:ObjectCreationOperation": "false" } },
    },
    {
      ...allow,
      Sid: "ReadObjectsAndTheirLocks",
      Action: ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:AbortMultipartUpload"],
      Resource: objects,
    },
    { ...allow, Sid: "List", Action: ["s3:ListBucket", "s3:ListBucketVersions"], Resource: arn },
    {
      ...allow,
      Sid: "UseTheBucketsKey",
      Action: ["kms:GenerateDataKey", "kms:Decrypt"],
      Resource: keyArn,
      Condition: { StringEquals: { "kms:ViaService": `s3.${region}.amazonaws.com` } },
    },
  ];
}
