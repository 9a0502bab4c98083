/** Who may do what to a bucket: the policies of who asks, and the bucket's own. */
import type { IncomingMessage } from "node:http";
import { accountId } from "../account";
import { effectOf, readPolicy, type Statement } from "../iam/policy";
import type { Identity } from "../iam/roles";
import type { Bucket } from "./bucket";
import { S3Error } from "./errors";
import { header } from "./header";

export interface On {
  /** ARN; the object of the request, or its bucket, unless given. */
  resource?: string;
  /** What conditions compare beside what every request says. */
  keys?: Record<string, string | undefined>;
}

export interface Access {
  may(action: string, on?: On): boolean;
  /** @throws where it may not */
  demand(action: string, on?: On): void;
}

/** Without an identity there is nobody to be denied: tests of S3 alone. */
export type Who = Identity | undefined;

interface Asking {
  request: IncomingMessage;
  bucket: Bucket;
  key: string;
  now: Date;
}

export const bucketArn = (bucket: Bucket) => `arn:aws:s3:::${bucket.name}`;
export const objectArn = (bucket: Bucket, key: string) => `${bucketArn(bucket)}/${key}`;

export function accessOf(who: Who, { request, bucket, key, now }: Asking): Access {
  const ofRequest = { ...keysOf(request, now), "aws:PrincipalArn": who?.principal };
  const policy = bucket.setting("policy");
  const ofBucket: Statement[] = policy === undefined ? [] : readPolicy(policy);
  const [, , , , from] = who?.principal.split(":") ?? [];
  // A key's policy is not kept here: only the bucket's own is asked for.
  const isForeign = (action: string) => action.startsWith("s3:") && from !== (bucket.facts.account ?? accountId);
  const refusal = (action: string, { resource, keys = {} }: On): string | undefined => {
    if (who === undefined) return undefined;
    const target = resource ?? (key === "" ? bucketArn(bucket) : objectArn(bucket, key));
    const asked = { action, resource: target, principal: who.principal, keys: { ...ofRequest, ...keys } };
    const [byBucket, own] = [effectOf(ofBucket, asked), effectOf(who.statements ?? [], asked)];
    const what = `User: ${who.principal} is not authorized to perform: ${action} on resource: "${target}"`;
    if (byBucket === "Deny") return `${what} with an explicit deny in a resource-based policy`;
    if (own === "Deny") return `${what} with an explicit deny in an identity-based policy`;
    const foreign = isForeign(action);
    // Of another account's bucket both have to allow it.
    if (foreign && byBucket !== "Allow") return `${what} because no resource-based policy allows the ${action} action`;
    if (who.statements === undefined || (byBucket === "Allow" && !foreign) || own === "Allow") return undefined;
    return `${what} because no identity-based policy allows the ${action} action`;
  };
  return {
    may: (action, on = {}) => refusal(action, on) === undefined,
    demand(action, on = {}) {
      const message = refusal(action, on);
      if (message !== undefined) throw new S3Error("AccessDenied", message);
    },
  };
}

const byHeader = {
  "s3:x-amz-server-side-encryption": "x-amz-server-side-encryption",
  "s3:x-amz-server-side-encryption-aws-kms-key-id": "x-amz-server-side-encryption-aws-kms-key-id",
  "s3:x-amz-storage-class": "x-amz-storage-class",
  "s3:object-lock-legal-hold": "x-amz-object-lock-legal-hold",
  "s3:if-none-match": "if-none-match",
  "s3:if-match": "if-match",
} as const;

/** What crosses no network is as safe as TLS makes it: conditions see a request over TLS 1.3. */
const transport = { "aws:SecureTransport": "true", "s3:TlsVersion": "1.3" };

function keysOf(request: IncomingMessage, now: Date): Record<string, string | undefined> {
  const headers = Object.entries(byHeader).map(([key, name]) => [key, header(request, name)] as const);
  const query = new URLSearchParams((request.url ?? "").split("?")[1]);
  return {
    ...transport,
    ...Object.fromEntries(headers),
    ...lockKeys(header(request, "x-amz-object-lock-mode"), header(request, "x-amz-object-lock-retain-until-date"), now),
    "s3:prefix": query.get("prefix") ?? undefined,
    "s3:delimiter": query.get("delimiter") ?? undefined,
    "s3:VersionId": query.get("versionId") ?? undefined,
  };
}

const day = 24 * 3600 * 1000;

/** Days are whole ones that are left: whoever must lock for 30 locks for a little more, which passes however S3 rounds. */
export function lockKeys(mode: string | undefined, until: string | undefined, now: Date): On["keys"] {
  const left = (new Date(until ?? "").getTime() - now.getTime()) / day;
  return {
    "s3:object-lock-mode": mode,
    "s3:object-lock-retain-until-date": until,
    "s3:object-lock-remaining-retention-days": Number.isNaN(left) ? undefined : String(Math.floor(left)),
  };
}
