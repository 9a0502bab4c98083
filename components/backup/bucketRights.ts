import { interpolate, type Input } from "@pulumi/pulumi";

export interface BackupBucket {
  arn: Input<string>;
  region: string;
  keyArn: Input<string>;
}

/** How a bucket locks what is written to it, at least. */
export interface BucketLock {
  mode: string;
  days: number;
}

const allow = { Effect: "Allow" };

const foldersOf = (arn: Input<string>, folders: readonly string[]) =>
  folders.map((folder) => interpolate`${arn}/${folder}/*`);

const objectsOf = (arn: Input<string>) =>
  foldersOf(arn, ["manifests", "segments", "dumps", "parts", "months", "archives"]);

const throughS3 = (region: string) => ({ StringEquals: { "kms:ViaService": `s3.${region}.amazonaws.com` } });

/** What who verifies the archive may do: read it, in every version. */
export const archiveReaderStatements = ({ arn, region, keyArn }: BackupBucket) => [
  {
    ...allow,
    Sid: "ReadObjectsAndTheirLocks",
    Action: ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention"],
    Resource: objectsOf(arn),
  },
  { ...allow, Sid: "List", Action: ["s3:ListBucket", "s3:ListBucketVersions"], Resource: arn },
  { ...allow, Sid: "Decrypt", Action: "kms:Decrypt", Resource: keyArn, Condition: throughS3(region) },
];

/** What a drill may do beside reading: add a report. */
export const reportStatements = ({ arn, region, keyArn }: BackupBucket) => [
  {
    ...allow,
    Sid: "AddNewReports",
    Action: "s3:PutObject",
    Resource: interpolate`${arn}/drills/*`,
    Condition: { Null: { "s3:if-none-match": "false" } },
  },
  // What S3 has of it is compared.
  {
    ...allow,
    Sid: "ReadReports",
    Action: ["s3:GetObject", "s3:GetObjectRetention"],
    Resource: interpolate`${arn}/drills/*`,
  },
  { ...allow, Sid: "EncryptReports", Action: "kms:GenerateDataKey", Resource: keyArn, Condition: throughS3(region) },
];

/** What the archiver may do: read objects and add some. */
export const archiverStatements = (bucket: BackupBucket) => [
  ...archiveReaderStatements(bucket),
  ...addingStatements(bucket),
];

/**
 * Never delete an object, never touch a lock, and never write where something is: S3 takes an object of its only with `If-None-Match`.
 * (Parts of an upload carry no such header; what completes it must.)
 */
export function addingStatements({ arn, region, keyArn }: BackupBucket) {
  const objects = objectsOf(arn);
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
    { ...allow, Sid: "SeeHowItLocks", Action: "s3:GetBucketObjectLockConfiguration", Resource: arn },
    { ...allow, Sid: "GiveUpAnUpload", Action: "s3:AbortMultipartUpload", Resource: objects },
    { ...allow, Sid: "Encrypt", Action: "kms:GenerateDataKey", Resource: keyArn, Condition: throughS3(region) },
  ];
}

/** What who holds months may do. */
export const holdStatements = (bucket: BackupBucket) => [
  ...archiveReaderStatements(bucket),
  ...holdingStatements(bucket),
];

/** Beside reading: place and lift legal holds, and note them; no other lock, and nothing is deleted. */
export function holdingStatements({ arn, region, keyArn }: BackupBucket) {
  const notes = foldersOf(arn, ["holds", "held"]);
  return [
    {
      ...allow,
      Sid: "HoldAndRelease",
      Action: ["s3:PutObjectLegalHold", "s3:GetObjectLegalHold"],
      Resource: [...objectsOf(arn), ...notes],
    },
    {
      ...allow,
      Sid: "AddNewNotes",
      Action: "s3:PutObject",
      Resource: notes,
      Condition: { Null: { "s3:if-none-match": "false" } },
    },
    {
      ...allow,
      Sid: "ReadNotes",
      Action: ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention"],
      Resource: notes,
    },
    { ...allow, Sid: "EncryptNotes", Action: "kms:GenerateDataKey", Resource: keyArn, Condition: throughS3(region) },
  ];
}
