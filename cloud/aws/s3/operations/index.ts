/** Which request is which operation. What is not in the table is refused, never half done. */
import type { IncomingMessage } from "node:http";
import { S3Error } from "../errors";
import type { Call, Reply, Target } from "../request";
import { getLocation, getObjectLock, getVersioning, headBucket } from "./buckets";
import { deleteObjects } from "./deleteMany";
import { listObjects, listObjectVersions } from "./lists";
import { getLegalHold, getRetention, putLegalHold, putRetention } from "./locks";
import { abortUpload, completeUpload, createUpload, listParts, listUploads, uploadPart } from "./multipart";
import { deleteObject, getObject, putObject } from "./objects";

export interface Operation {
  method: string;
  on: "bucket" | "object";
  /** The query parameter that chooses it. */
  chosenBy?: string;
  /** Further parameters that it knows. */
  parameters?: readonly string[];
  /** Permission that it takes; undefined where it asks for what it finds in the request's body. */
  action?: string;
  /** Permission where it names a version. */
  versionAction?: string;
  /** What conditions of policies compare. */
  keys?: Record<string, string>;
  run(call: Call): Promise<Reply> | Reply;
}

const listing = ["prefix", "delimiter", "max-keys", "encoding-type"];
const ofV2 = ["continuation-token", "start-after", "fetch-owner", ...listing];
const version = ["versionId"];
const creates = { "s3:ObjectCreationOperation": "true" };
const createsLater = { "s3:ObjectCreationOperation": "false" };

const operations: readonly Operation[] = [
  { method: "HEAD", on: "bucket", action: "s3:ListBucket", run: headBucket },
  { method: "GET", on: "bucket", chosenBy: "location", action: "s3:GetBucketLocation", run: getLocation },
  { method: "GET", on: "bucket", chosenBy: "versioning", action: "s3:GetBucketVersioning", run: getVersioning },
  {
    method: "GET",
    on: "bucket",
    chosenBy: "object-lock",
    action: "s3:GetBucketObjectLockConfiguration",
    run: getObjectLock,
  },
  {
    method: "GET",
    on: "bucket",
    chosenBy: "versions",
    parameters: ["key-marker", "version-id-marker", ...listing],
    action: "s3:ListBucketVersions",
    run: listObjectVersions,
  },
  {
    method: "GET",
    on: "bucket",
    chosenBy: "list-type",
    parameters: ofV2,
    action: "s3:ListBucket",
    run: listObjects,
  },
  { method: "POST", on: "bucket", chosenBy: "delete", run: deleteObjects },
  {
    method: "GET",
    on: "bucket",
    chosenBy: "uploads",
    parameters: ["prefix"],
    action: "s3:ListBucketMultipartUploads",
    run: listUploads,
  },
  { method: "POST", on: "object", chosenBy: "uploads", action: "s3:PutObject", keys: createsLater, run: createUpload },
  {
    method: "PUT",
    on: "object",
    chosenBy: "uploadId",
    parameters: ["partNumber"],
    action: "s3:PutObject",
    keys: createsLater,
    run: uploadPart,
  },
  { method: "POST", on: "object", chosenBy: "uploadId", action: "s3:PutObject", keys: creates, run: completeUpload },
  { method: "DELETE", on: "object", chosenBy: "uploadId", action: "s3:AbortMultipartUpload", run: abortUpload },
  {
    method: "GET",
    on: "object",
    chosenBy: "uploadId",
    parameters: ["max-parts", "part-number-marker"],
    action: "s3:ListMultipartUploadParts",
    run: listParts,
  },
  {
    method: "GET",
    on: "object",
    chosenBy: "retention",
    parameters: version,
    action: "s3:GetObjectRetention",
    run: getRetention,
  },
  {
    method: "PUT",
    on: "object",
    chosenBy: "retention",
    parameters: version,
    run: putRetention,
  },
  {
    method: "GET",
    on: "object",
    chosenBy: "legal-hold",
    parameters: version,
    action: "s3:GetObjectLegalHold",
    run: getLegalHold,
  },
  {
    method: "PUT",
    on: "object",
    chosenBy: "legal-hold",
    parameters: version,
    action: "s3:PutObjectLegalHold",
    run: putLegalHold,
  },
  { method: "PUT", on: "object", action: "s3:PutObject", keys: creates, run: putObject },
  {
    method: "GET",
    on: "object",
    parameters: version,
    action: "s3:GetObject",
    versionAction: "s3:GetObjectVersion",
    run: getObject,
  },
  {
    method: "HEAD",
    on: "object",
    parameters: version,
    action: "s3:GetObject",
    versionAction: "s3:GetObjectVersion",
    run: getObject,
  },
  {
    method: "DELETE",
    on: "object",
    parameters: version,
    action: "s3:DeleteObject",
    versionAction: "s3:DeleteObjectVersion",
    run: deleteObject,
  },
];

/** The SDKs' own note of an operation, and what carries a signature in a URL. */
const everywhere = /^(x-id$|X-Amz-)/;

/** x-amz-… headers that some operation reads. */
const knownHeaders = new RegExp(
  `^x-amz-(${[
    "date|content-sha256|security-token|user-agent|decoded-content-length|trailer|expected-bucket-owner",
    "meta-.*|storage-class|server-side-encryption(-aws-kms-key-id|-bucket-key-enabled)?",
    "checksum-(crc32|crc32c|crc64nvme|sha1|sha256|algorithm|mode|type)|sdk-checksum-algorithm|mp-object-size",
    "object-lock-(mode|retain-until-date|legal-hold)|bypass-governance-retention",
  ].join("|")})$`,
);

export function operationOf({ method, headers }: IncomingMessage, { key, query }: Target): Operation {
  const on = key === "" ? "bucket" : "object";
  const names = [...query.keys()].filter((name) => !everywhere.test(name));
  const found = operations
    .filter((one) => one.method === method && one.on === on)
    .find(({ chosenBy }) => chosenBy === undefined || names.includes(chosenBy));
  const unknown = [
    ...names.filter((name) => name !== found?.chosenBy && !found?.parameters?.includes(name)),
    ...Object.keys(headers).filter((name) => name.startsWith("x-amz-") && !knownHeaders.test(name)),
  ];
  if (found === undefined || unknown.length > 0)
    throw new S3Error(
      "NotImplemented",
      `the local cloud does not know ${method} of ${on === "bucket" ? "a bucket" : "an object"}` +
        (unknown.length === 0 ? "" : ` with ${unknown.join(", ")}`),
    );
  return found;
}
