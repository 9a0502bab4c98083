/** What an upload asks for beside its bytes: in one request, or at the beginning of one in parts. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Bucket } from "./bucket";
import { S3Error } from "./errors";
import { header } from "./header";
import { defaultRetention, type Lock, parseRetention } from "./locks";
import type { Call } from "./request";
import type { Wanted } from "./version";

/** Headers that a reader is given back as they came. */
const kept = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
];

/** @throws where the caller may not lock, or not use the key */
export function wantedBy(call: Call): Wanted {
  const { request, bucket, now, access } = call;
  if (header(request, "x-amz-object-lock-mode") !== undefined) access.demand("s3:PutObjectRetention");
  if (header(request, "x-amz-object-lock-legal-hold") !== undefined) access.demand("s3:PutObjectLegalHold");
  const encryption = encryptionOf(request, bucket);
  demandKey(call, encryption, "kms:GenerateDataKey");
  return {
    headers: { "content-type": "binary/octet-stream", ...keptHeaders(request), ...encryption },
    storageClass: header(request, "x-amz-storage-class") ?? "STANDARD",
    ...lockWanted(request, bucket, now),
  };
}

function keptHeaders(request: IncomingMessage): Record<string, string> {
  const names = Object.keys(request.headers).filter((name) => kept.includes(name) || name.startsWith("x-amz-meta-"));
  const headers = Object.fromEntries(names.map((name) => [name, header(request, name)!]));
  // aws-chunked is how the body came, not what it is.
  const encoding = headers["content-encoding"]
    ?.replace(/(^|,)\s*aws-chunked\s*(,|$)/, "$1")
    .replace(/,$/, "")
    .trim();
  delete headers["content-encoding"];
  return encoding ? { ...headers, "content-encoding": encoding } : headers;
}

function encryptionOf(request: IncomingMessage, bucket: Bucket): Record<string, string> {
  const byDefault = bucket.setting("encryption");
  const algorithm = header(request, "x-amz-server-side-encryption") ?? byDefault?.algorithm ?? "AES256";
  if (algorithm === "AES256") return { "x-amz-server-side-encryption": algorithm };
  const key = header(request, "x-amz-server-side-encryption-aws-kms-key-id") ?? byDefault?.keyArn;
  return {
    "x-amz-server-side-encryption": algorithm,
    ...(key !== undefined && { "x-amz-server-side-encryption-aws-kms-key-id": key }),
    ...(byDefault?.bucketKey && { "x-amz-server-side-encryption-bucket-key-enabled": "true" }),
  };
}

/** S3 uses a KMS key in the name of who asks. */
export function demandKey({ access, bucket }: Call, headers: Readonly<Record<string, string>>, action: string): void {
  const resource = headers["x-amz-server-side-encryption-aws-kms-key-id"];
  const keys = { "kms:ViaService": `s3.${bucket.facts.region}.amazonaws.com` };
  if (resource !== undefined) access.demand(action, { resource, keys });
}

/** Under a KMS key an ETag is not the MD5 of the object: nobody may take it for that. */
export function etagOf(md5: string, headers: Readonly<Record<string, string>>): string {
  const key = headers["x-amz-server-side-encryption-aws-kms-key-id"];
  return key === undefined ? md5 : createHash("md5").update(`${key} ${md5}`).digest("hex");
}

function lockWanted(request: IncomingMessage, bucket: Bucket, now: Date): Lock {
  const mode = header(request, "x-amz-object-lock-mode");
  const until = header(request, "x-amz-object-lock-retain-until-date");
  const hold = header(request, "x-amz-object-lock-legal-hold");
  if (!bucket.facts.objectLock) {
    if (mode ?? until ?? hold) throw missingLock();
    return {};
  }
  if ((mode === undefined) !== (until === undefined))
    throw new S3Error(
      "InvalidArgument",
      "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
    );
  const byDefault = bucket.setting("defaultRetention");
  const retention =
    mode === undefined ? byDefault && defaultRetention(byDefault, now) : parseRetention(mode, until, now);
  return { ...(retention && { retention }), ...(hold !== undefined && { legalHold: parseHold(hold) }) };
}

export const missingLock = () => new S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration");

export function parseHold(status: unknown): boolean {
  if (status !== "ON" && status !== "OFF") throw new S3Error("MalformedXML", "a legal hold is ON or OFF");
  return status === "ON";
}

/** What will be locked must come with a checksum of the client's: nobody could repair it afterwards. */
export function checkLockedUpload({ retention, legalHold }: Lock, checked: boolean): void {
  if ((retention === undefined && !legalHold) || checked) return;
  throw new S3Error(
    "InvalidRequest",
    "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
  );
}
