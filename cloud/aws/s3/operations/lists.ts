/** Lists of objects and of their versions. */
import { accountId } from "../../account";
import { checksumElements } from "../checksums";
import { S3Error } from "../errors";
import { page } from "../listing";
import type { Call, Reply } from "../request";
import type { Version } from "../version";
import { toXml } from "../xml";

/** The most that a page holds. */
const mostKeys = 1000;

/** With encoding-type=url keys are told so that any XML parser can read them. */
function shared({ query, bucket }: Call) {
  const max = Number(query.get("max-keys") ?? mostKeys);
  if (!Number.isInteger(max) || max < 0) throw new S3Error("InvalidArgument", "max-keys must be a whole number from 0");
  const encodingType = query.get("encoding-type") ?? undefined;
  const encoded = (text: string) => (encodingType === "url" ? encodeURIComponent(text).replaceAll("%2F", "/") : text);
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  return {
    options: { prefix, delimiter, max: Math.min(max, mostKeys) },
    encoded,
    head: {
      Name: bucket.name,
      Prefix: encoded(prefix),
      ...(delimiter !== "" && { Delimiter: encoded(delimiter) }),
      EncodingType: encodingType,
      MaxKeys: max,
    },
    prefixes: (found: string[]) => found.map((one) => ({ Prefix: encoded(one) })),
  };
}

const owner = { Owner: { ID: accountId } };

function described(version: Version, key: string) {
  const { checksum, etag, size, storageClass, lastModified } = version;
  return {
    Key: key,
    LastModified: lastModified,
    ETag: `"${etag}"`,
    ...(checksum && {
      ChecksumAlgorithm: checksum.algorithm,
      ChecksumType: checksumElements(checksum)?.["ChecksumType"],
    }),
    Size: size,
    StorageClass: storageClass,
  };
}

// eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
export async function listObjects(call: Call): Promise<Reply> {
  const { query, bucket } = call;
  if (query.get("list-type") !== "2")
    throw new S3Error("NotImplemented", "the local cloud lists objects with list-type=2");
  const { options, encoded, head, prefixes } = shared(call);
  const token = query.get("continuation-token");
  const startAfter = query.get("start-after") ?? "";
  const after = token === null ? startAfter : Buffer.from(token, "base64url").toString("utf8");
  const found = page(bucket.objects.keys, { ...options, after }, (key) => {
    const version = key === after ? undefined : bucket.objects.current(key);
    return version ? [version] : [];
  });
  const { items, next } = found;
  return {
    body: toXml("ListBucketResult", {
      ...head,
      StartAfter: startAfter === "" ? undefined : encoded(startAfter),
      ContinuationToken: token ?? undefined,
      KeyCount: items.length + found.prefixes.length,
      IsTruncated: next !== undefined,
      NextContinuationToken: next && Buffer.from(next.key).toString("base64url"),
      Contents: items.map((version) => ({
        ...described(version, encoded(version.key)),
        ...(query.get("fetch-owner") === "true" && owner),
      })),
      CommonPrefixes: prefixes(found.prefixes),
    }),
  };
}

// eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
export async function listObjectVersions(call: Call): Promise<Reply> {
  const { query, bucket } = call;
  const { objects } = bucket;
  const { options, encoded, head, prefixes } = shared(call);
  const keyMarker = query.get("key-marker") ?? "";
  const versionMarker = query.get("version-id-marker") ?? "";
  const found = page(objects.keys, { ...options, after: keyMarker }, (key) => {
    const versions = objects.versions(key);
    if (key !== keyMarker) return versions;
    return versionMarker === "" ? [] : versions.slice(versions.findIndex((v) => v.versionId === versionMarker) + 1);
  });
  const { items, next } = found;
  const common = (version: Version) => ({
    VersionId: version.versionId,
    IsLatest: objects.versions(version.key)[0] === version,
    ...owner,
  });
  const markers = items.filter(({ deleteMarker }) => deleteMarker);
  return {
    body: toXml("ListVersionsResult", {
      ...head,
      KeyMarker: encoded(keyMarker),
      VersionIdMarker: versionMarker,
      IsTruncated: next !== undefined,
      NextKeyMarker: next && encoded(next.key),
      NextVersionIdMarker: next?.item?.versionId,
      Version: items
        .filter(({ deleteMarker }) => !deleteMarker)
        .map((version) => ({ ...described(version, encoded(version.key)), ...common(version) })),
      DeleteMarker: markers.map((version) => ({
        Key: encoded(version.key),
        LastModified: version.lastModified,
        ...common(version),
      })),
      CommonPrefixes: prefixes(found.prefixes),
    }),
  };
}
