/** One object: put, get, head, delete. */
import { rm } from "node:fs/promises";
import { bucketArn, objectArn } from "../access";
import { checkRead, checkWrite, rangeOf } from "../conditions";
import { headerOf } from "../checksums";
import { S3Error } from "../errors";
import { checkRemoval } from "../locks";
import type { NewVersion, Version } from "../version";
import { receive } from "../receive";
import { header } from "../header";
import type { Call, Reply } from "../request";
import { checkLockedUpload, demandKey, etagOf, wantedBy } from "../upload";

export async function putObject(call: Call): Promise<Reply> {
  const { request, signed, bucket, key, now } = call;
  const wanted = wantedBy(call);
  const { checksum, checked, md5, ...staged } = await receive({ request, signed, directory: bucket.files.incoming });
  const version = await store(call, staged, {
    describe: () => {
      checkLockedUpload(wanted, checked);
      const { size } = staged;
      const lastModified = now.toISOString();
      const whole = { ...checksum, type: "FULL_OBJECT" as const };
      return { key, ...wanted, size, lastModified, etag: etagOf(md5, wanted.headers), checksum: whole };
    },
  });
  return {
    headers: {
      etag: `"${version.etag}"`,
      [headerOf(checksum.algorithm)]: checksum.value,
      "x-amz-checksum-type": "FULL_OBJECT",
      ...versionHeader(version),
      ...encryptionHeaders(version),
    },
  };
}

/** Makes an object of what was received, if the request's conditions hold at that moment; else nothing of it is left. */
export async function store(
  { request, bucket, key }: Call,
  staged: { path: string },
  { describe, done }: { describe: () => NewVersion; done?: () => Promise<void> },
): Promise<Version> {
  try {
    return await bucket.objects.exclusively(key, async () => {
      checkWrite(request.headers, bucket.objects.current(key));
      const version = await bucket.objects.add(describe(), staged, bucket.versioned);
      await done?.();
      return version;
    });
  } catch (error) {
    await rm(staged.path, { force: true });
    throw error;
  }
}

// eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
export async function getObject(call: Call): Promise<Reply> {
  const { request, bucket } = call;
  const version = readable(call);
  const range = rangeOf(header(request, "range"), version.size);
  const { start, end } = range ?? { start: 0, end: version.size - 1 };
  const headers = {
    ...headersOf(call, version, range === undefined),
    "content-length": end - start + 1,
    ...(range && { "content-range": `bytes ${start}-${end}/${version.size}` }),
  };
  const reads = request.method === "GET" || "x-amz-checksum-type" in headers;
  if (reads) demandKey(call, version.headers, "kms:Decrypt");
  const status = range ? 206 : 200;
  if (request.method === "HEAD" || version.size === 0) return { status, headers };
  return { status, headers, file: { path: bucket.objects.dataOf(version), start, end } };
}

/** The version that is asked for. Who may not list a bucket is not told what is in it. */
export function find({ bucket, key, query, access }: Call): Version {
  const versionId = query.get("versionId");
  const versions = bucket.objects.versions(key);
  const found = versionId === null ? versions[0] : versions.find((version) => version.versionId === versionId);
  if (found !== undefined) return found;
  access.demand("s3:ListBucket", { resource: bucketArn(bucket) });
  if (versionId === null)
    throw new S3Error("NoSuchKey", "The specified key does not exist.", { elements: { Key: key } });
  throw new S3Error("NoSuchVersion", "The specified version does not exist.", {
    elements: { Key: key, VersionId: versionId },
  });
}

function readable(call: Call): Version {
  const version = find(call);
  if (version.deleteMarker) {
    const headers = { "x-amz-delete-marker": "true", ...versionHeader(version) };
    if (call.query.has("versionId"))
      throw new S3Error("MethodNotAllowed", "The specified method is not allowed against this resource.", { headers });
    throw new S3Error("NoSuchKey", "The specified key does not exist.", { elements: { Key: call.key }, headers });
  }
  checkRead(call.request.headers, version);
  return version;
}

function headersOf(call: Call, version: Version, whole: boolean): NonNullable<Reply["headers"]> {
  const { retention, legalHold, checksum, storageClass } = version;
  const withChecksum = whole && header(call.request, "x-amz-checksum-mode")?.toUpperCase() === "ENABLED";
  return {
    ...version.headers,
    etag: `"${version.etag}"`,
    "last-modified": new Date(version.lastModified).toUTCString(),
    "accept-ranges": "bytes",
    ...versionHeader(version),
    ...(storageClass !== "STANDARD" && { "x-amz-storage-class": storageClass }),
    ...(retention &&
      call.access.may("s3:GetObjectRetention") && {
        "x-amz-object-lock-mode": retention.mode,
        "x-amz-object-lock-retain-until-date": retention.until,
      }),
    ...(legalHold !== undefined &&
      call.access.may("s3:GetObjectLegalHold") && { "x-amz-object-lock-legal-hold": legalHold ? "ON" : "OFF" }),
    ...(withChecksum &&
      checksum && { [headerOf(checksum.algorithm)]: checksum.value, "x-amz-checksum-type": checksum.type }),
  };
}

export function encryptionHeaders({ headers }: Version): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith("x-amz-server-side-encryption")),
  );
}

/** Outside of versioning answers name no version. */
export const versionHeader = ({ versionId }: Version): Record<string, string> =>
  versionId === "null" ? {} : { "x-amz-version-id": versionId };

export async function deleteObject(call: Call): Promise<Reply> {
  const { marker, versionId } = await remove(call, call.key, call.query.get("versionId") ?? undefined);
  return {
    status: 204,
    headers: { "x-amz-delete-marker": marker ? "true" : undefined, "x-amz-version-id": versionId },
  };
}

export interface Removed {
  /** Whether a delete marker was made, or removed. */
  marker: boolean;
  versionId: string | undefined;
}

/** With a version's id that version goes, unless it is locked; without one the object is hidden behind a delete marker. */
export async function remove(call: Call, key: string, versionId: string | undefined): Promise<Removed> {
  const { request, bucket, now } = call;
  const { objects } = bucket;
  const bypass = bypasses(call, key);
  return objects.exclusively(key, async () => {
    if (versionId !== undefined) {
      const version = objects.versions(key).find((one) => one.versionId === versionId);
      if (version) {
        checkRemoval(version, now, bypass);
        await objects.remove(version);
      }
      return { marker: version?.deleteMarker ?? false, versionId };
    }
    if (header(request, "if-match") !== undefined) checkWrite(request.headers, objects.current(key));
    if (bucket.setting("versioning") === undefined) {
      for (const version of objects.versions(key)) await objects.remove(version);
      return { marker: false, versionId: undefined };
    }
    const marker = await objects.add(deleteMarker(key, now), undefined, bucket.versioned);
    return { marker: true, versionId: marker.versionId };
  });
}

/** Whether a lock is to be bypassed. @throws where the caller asks for it and may not */
export function bypasses({ request, bucket, access }: Call, key: string): boolean {
  if (header(request, "x-amz-bypass-governance-retention")?.toLowerCase() !== "true") return false;
  access.demand("s3:BypassGovernanceRetention", { resource: objectArn(bucket, key) });
  return true;
}

export function deleteMarker(key: string, now: Date): NewVersion {
  return {
    key,
    deleteMarker: true,
    size: 0,
    etag: "",
    storageClass: "STANDARD",
    headers: {},
    lastModified: now.toISOString(),
  };
}
