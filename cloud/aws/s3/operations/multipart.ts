/** Uploads in parts. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html */
import { accountId } from "../../account";
import { assemble } from "../assemble";
import { type Algorithm, algorithmOf, type ChecksumType, checksumElements, headerOf } from "../checksums";
import { sentChecksum } from "../digests";
import { S3Error } from "../errors";
import { receive } from "../receive";
import { header } from "../header";
import { bodyText, type Call, type Reply } from "../request";
import { checkLockedUpload, demandKey, etagOf, wantedBy } from "../upload";
import type { MultipartUpload, Part } from "../uploads";
import { fromXml, listOf, toXml } from "../xml";
import { encryptionHeaders, store, versionHeader } from "./objects";

/** Of every part but the last. */
const leastBytes = 5 * 1024 * 1024;

const mostParts = 10_000;

const uploadOf = ({ bucket, key, query }: Call) => bucket.uploads.find(query.get("uploadId") ?? "", key);

export async function createUpload(call: Call): Promise<Reply> {
  const { request, bucket, key, now } = call;
  const name = header(request, "x-amz-checksum-algorithm");
  const algorithm = name === undefined ? "CRC64NVME" : algorithmOf(name);
  const checksum = { algorithm, type: typeOf(header(request, "x-amz-checksum-type"), algorithm) };
  const wanted = wantedBy(call);
  demandKey(call, wanted.headers, "kms:Decrypt");
  const { uploadId } = await bucket.uploads.begin({ key, initiated: now.toISOString(), checksum, wanted });
  return {
    body: toXml("InitiateMultipartUploadResult", { Bucket: bucket.name, Key: key, UploadId: uploadId }),
    headers: { "x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": checksum.type },
  };
}

/** A SHA of the whole does not follow from those of its parts; CRC64NVME is always of the whole. */
function typeOf(given: string | undefined, algorithm: Algorithm): ChecksumType {
  const possible: ChecksumType[] =
    algorithm === "CRC64NVME"
      ? ["FULL_OBJECT"]
      : algorithm.startsWith("SHA")
        ? ["COMPOSITE"]
        : ["COMPOSITE", "FULL_OBJECT"];
  const found = given === undefined ? possible[0] : possible.find((type) => type === given);
  if (found === undefined)
    throw new S3Error("InvalidRequest", `The ${given} checksum type cannot be used with the ${algorithm} algorithm.`);
  return found;
}

export async function uploadPart(call: Call): Promise<Reply> {
  const { request, signed, bucket, query, now } = call;
  const upload = uploadOf(call);
  const number = Number(query.get("partNumber"));
  if (!Number.isInteger(number) || number < 1 || number > mostParts)
    throw new S3Error("InvalidArgument", `Part number must be an integer between 1 and ${mostParts}, inclusive`);
  const { algorithm } = upload.checksum;
  checkPartChecksum(upload, sentChecksum(request)?.algorithm);
  const received = await receive({ request, signed, directory: bucket.files.incoming, algorithm });
  checkLockedUpload(upload.wanted, received.checked);
  const part = await bucket.uploads.addPart(upload, number, received, now);
  return { headers: { etag: `"${part.etag}"`, [headerOf(algorithm)]: part.checksum } };
}

/** What is made of the parts' checksums needs one of each part, and all of one kind. */
function checkPartChecksum({ checksum }: MultipartUpload, sent: Algorithm | undefined): void {
  if (sent === checksum.algorithm || (sent === undefined && checksum.type === "FULL_OBJECT")) return;
  const [expected, actual] = [checksum.algorithm, sent ?? "null"].map((name) => name.toLowerCase());
  throw new S3Error(
    "InvalidRequest",
    `Checksum Type mismatch occurred, expected checksum Type: ${expected}, actual checksum Type: ${actual}`,
  );
}

export async function completeUpload(call: Call): Promise<Reply> {
  const { request, bucket, key } = call;
  const { Part: given } = fromXml("CompleteMultipartUpload", await bodyText(call, "unchecked"));
  const upload = uploadOf(call);
  const parts = chosen(upload, bucket.uploads.parts(upload), listOf(given));
  const whole = await assemble(bucket.uploads, upload, parts, bucket.files.incoming);
  const version = await store(call, whole, {
    describe: () => {
      uploadOf(call); // Another may have completed it meanwhile.
      checkWhole(call, whole);
      const { wanted, initiated: lastModified } = upload;
      const { size, checksum } = whole;
      return { key, ...wanted, size, lastModified, etag: etagOf(whole.etag, wanted.headers), checksum };
    },
    done: () => bucket.uploads.remove(upload),
  });
  const host = header(request, "host");
  const result = {
    Location: `http://${host}/${bucket.name}/${encodeURIComponent(key)}`,
    Bucket: bucket.name,
    Key: key,
    ETag: `"${version.etag}"`,
    ...checksumElements(version.checksum),
  };
  return {
    body: toXml("CompleteMultipartUploadResult", result),
    headers: { ...versionHeader(version), ...encryptionHeaders(version) },
  };
}

/** The parts that the client names, which must be those that came. */
function chosen(upload: MultipartUpload, stored: Part[], given: Record<string, unknown>[]): Part[] {
  if (given.length === 0) throw new S3Error("MalformedXML", "an upload is completed with at least one Part");
  const { algorithm, type } = upload.checksum;
  if (type === "COMPOSITE" && given.some((one) => one[`Checksum${algorithm}`] === undefined))
    throw new S3Error(
      "InvalidRequest",
      `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part.`,
    );
  const parts = given.map((one) => {
    const part = stored.find(({ number }) => number === Number(one["PartNumber"]));
    const checksum = one[`Checksum${algorithm}`];
    const etag = typeof one["ETag"] === "string" ? one["ETag"].replaceAll('"', "") : undefined;
    if (part === undefined || part.etag !== etag || (checksum !== undefined && checksum !== part.checksum))
      throw new S3Error(
        "InvalidPart",
        "One or more of the specified parts could not be found, or its ETag or checksum is not that of the uploaded part.",
        { elements: { UploadId: upload.uploadId, PartNumber: String(Number(one["PartNumber"])) } },
      );
    return part;
  });
  if (parts.some((part, at) => at > 0 && part.number <= parts[at - 1]!.number))
    throw new S3Error("InvalidPartOrder", "The list of parts was not in ascending order.");
  if (parts.slice(0, -1).some(({ size }) => size < leastBytes))
    throw new S3Error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size: 5 MiB a part");
  return parts;
}

function checkWhole(
  { request }: Call,
  { size, checksum }: { size: number; checksum: { algorithm: Algorithm; value: string } },
) {
  const wantedSize = header(request, "x-amz-mp-object-size");
  if (wantedSize !== undefined && Number(wantedSize) !== size)
    throw new S3Error("InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed.");
  const wanted = header(request, headerOf(checksum.algorithm));
  if (wanted !== undefined && wanted !== checksum.value && !checksum.value.startsWith(`${wanted}-`))
    throw new S3Error("BadDigest", `The ${checksum.algorithm} you specified did not match the calculated checksum.`);
}

export async function abortUpload(call: Call): Promise<Reply> {
  await call.bucket.uploads.remove(uploadOf(call));
  return { status: 204 };
}

// eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
export async function listParts(call: Call): Promise<Reply> {
  const { bucket, key, query } = call;
  const upload = uploadOf(call);
  const max = Math.min(Number(query.get("max-parts") ?? 1000), 1000);
  const marker = Number(query.get("part-number-marker") ?? 0);
  const rest = bucket.uploads.parts(upload).filter(({ number }) => number > marker);
  const parts = rest.slice(0, max);
  const { algorithm, type } = upload.checksum;
  return {
    body: toXml("ListPartsResult", {
      Bucket: bucket.name,
      Key: key,
      UploadId: upload.uploadId,
      PartNumberMarker: marker,
      NextPartNumberMarker: parts.at(-1)?.number,
      MaxParts: max,
      IsTruncated: parts.length < rest.length,
      StorageClass: upload.wanted.storageClass,
      ChecksumAlgorithm: algorithm,
      ChecksumType: type,
      Part: parts.map((part) => ({
        PartNumber: part.number,
        LastModified: part.lastModified,
        ETag: `"${part.etag}"`,
        Size: part.size,
        [`Checksum${algorithm}`]: part.checksum,
      })),
    }),
  };
}

/** All in one page: what is under way here is little. */
export function listUploads({ bucket, query }: Call): Reply {
  const prefix = query.get("prefix") ?? "";
  const uploads = bucket.uploads.all().filter(({ key }) => key.startsWith(prefix));
  return {
    body: toXml("ListMultipartUploadsResult", {
      Bucket: bucket.name,
      Prefix: prefix,
      IsTruncated: false,
      Upload: uploads
        .sort((a, b) => (a.key < b.key ? -1 : 1))
        .map(({ key, uploadId, initiated, wanted, checksum }) => ({
          Key: key,
          UploadId: uploadId,
          Initiated: initiated,
          StorageClass: wanted.storageClass,
          Owner: { ID: accountId },
          ChecksumAlgorithm: checksum.algorithm,
          ChecksumType: checksum.type,
        })),
    }),
  };
}
