/** Stores a stream of any length, in parts if it is long, holding two parts at most. */
import { createHash } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type CompletedPart,
} from "@aws-sdk/client-s3";
import { Failure } from "../program";
import type { Bucket } from "./bucket";

const partBytes = 8 * 1024 * 1024;
/** What S3 takes. */
const mostParts = 10_000;

export interface Stored {
  bytes: number;
  /** SHA-256 of the object, hex. */
  sha256: string;
}

/** Under a key that is free. An upload that ends early leaves no object. */
export async function upload(
  bucket: Bucket,
  key: string,
  source: AsyncIterable<Buffer>,
  contentType: string,
): Promise<Stored> {
  const whole = createHash("sha256");
  let bytes = 0;
  const parts = cut(source, (chunk) => {
    whole.update(chunk);
    bytes += chunk.length;
  });
  const begun = await firstTwo(parts);
  if (begun.length < 2) await bucket.putNew(key, begun[0] ?? Buffer.alloc(0), contentType);
  else await uploadParts(bucket, key, contentType, chain(begun, parts));
  return { bytes, sha256: whole.digest("hex") };
}

/** Cuts a stream into buffers of a part's size. */
async function* cut(source: AsyncIterable<Buffer>, seen: (chunk: Buffer) => void): AsyncGenerator<Buffer, undefined> {
  let [chunks, bytes]: [Buffer[], number] = [[], 0];
  for await (const chunk of source) {
    seen(chunk);
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < partBytes) continue;
    const part = Buffer.concat(chunks);
    // Before the part is handed over: it may be on its way for long.
    [chunks, bytes] = [[], 0];
    yield part;
  }
  if (bytes > 0) yield Buffer.concat(chunks);
  return undefined;
}

async function firstTwo(parts: AsyncGenerator<Buffer, undefined>): Promise<Buffer[]> {
  const begun: Buffer[] = [];
  while (begun.length < 2) {
    const next = await parts.next();
    if (next.done) break;
    begun.push(next.value);
  }
  return begun;
}

/** Those begun with are taken out of the list: what was sent is not kept until the last is. */
async function* chain(begun: Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  while (begun.length > 0) yield begun.shift()!;
  yield* rest;
}

async function uploadParts(
  bucket: Bucket,
  Key: string,
  ContentType: string,
  source: AsyncIterable<Buffer>,
): Promise<void> {
  const { client, name: Bucket, signal: abortSignal } = bucket;
  const create = new CreateMultipartUploadCommand({ Bucket, Key, ContentType, ChecksumAlgorithm: "SHA256" });
  const { UploadId } = await client.send(create, { abortSignal });
  const parts: CompletedPart[] = [];
  const digests: Buffer[] = [];
  let bytes = 0;
  const put = async (Body: Buffer) => {
    const digest = createHash("sha256").update(Body).digest();
    const PartNumber = digests.push(digest);
    if (PartNumber > mostParts) throw new Failure(`${Key} is longer than ${mostParts} parts of ${partBytes} bytes`);
    bytes += Body.length;
    const ChecksumSHA256 = digest.toString("base64");
    const checksum = { ChecksumAlgorithm: "SHA256", ChecksumSHA256 } as const;
    const part = { Bucket, Key, UploadId, PartNumber, Body, ContentLength: Body.length, ...checksum };
    const { ETag } = await client.send(new UploadPartCommand(part), { abortSignal });
    parts.push({ PartNumber, ETag, ChecksumSHA256 });
  };
  try {
    // One is on its way while the next is put together.
    let sending = Promise.resolve();
    for await (const body of source) {
      await sending;
      sending = put(body);
      sending.catch(() => undefined);
    }
    await sending;
    // S3's checksum of an object in parts: that of the parts' checksums.
    const checksum = `${createHash("sha256").update(Buffer.concat(digests)).digest("base64")}-${parts.length}`;
    const complete = { Bucket, Key, UploadId, MultipartUpload: { Parts: parts }, IfNoneMatch: "*" };
    await bucket.orStored(Key, bytes, checksum, () =>
      client.send(new CompleteMultipartUploadCommand(complete), { abortSignal }),
    );
  } catch (error) {
    // Not by the signal, which may be what ended it. What stays behind is S3's to clear away (components/backupRules.ts).
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(() => undefined);
    throw error;
  }
}
