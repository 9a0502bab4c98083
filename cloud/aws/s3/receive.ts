/** Takes in a request's body: to a file, in pieces, and with every checksum that was sent with it. */
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Algorithm, hasher, type Hasher, headerOf } from "./checksums";
import { decodeChunks } from "./chunked";
import { compareDigests, sentChecksum } from "./digests";
import { syncFile } from "./durable";
import { S3Error } from "./errors";
import type { Staged } from "./objects";
import type { Signed } from "./signature";

export interface Received extends Staged {
  size: number;
  /** Hex. */
  md5: string;
  checksum: { algorithm: Algorithm; value: string };
  /** Whether the client sent a checksum of its own. */
  checked: boolean;
}

export interface ReceiveOptions {
  request: IncomingMessage;
  signed: Signed;
  directory: string;
  /** What to compute where the client sends none. */
  algorithm?: Algorithm | undefined;
}

/** S3 takes an object or part of up to 5 GiB in one request. */
const mostBytes = 5 * 1024 ** 3;

/** Returns once the body is on the disk and is what its checksums say; otherwise nothing of it is left. */
export async function receive({ request, signed, directory, algorithm }: ReceiveOptions): Promise<Received> {
  const path = join(directory, randomBytes(16).toString("hex"));
  try {
    return await take({ request, signed, path, algorithm });
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

async function take(options: Omit<ReceiveOptions, "directory"> & { path: string }): Promise<Received> {
  const { request, signed, path } = options;
  const { headers } = request;
  const streaming = signed.payload.startsWith("STREAMING-");
  const declared = streaming ? headers["x-amz-decoded-content-length"] : headers["content-length"];
  const length = Number(declared ?? NaN);
  if (!Number.isInteger(length))
    throw new S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.");
  if (length > mostBytes)
    throw new S3Error(
      "EntityTooLarge",
      "Your proposed upload exceeds the maximum allowed size of 5 GiB; upload it in parts.",
    );
  const sent = sentChecksum(request);
  const algorithm = sent?.algorithm ?? options.algorithm ?? "CRC64NVME";
  const hashes = { md5: hasher("MD5"), sha256: hasher("SHA256"), checksum: hasher(algorithm) };
  const trailers = new Map<string, string>();
  const verify = signed.payload.startsWith("STREAMING-AWS4-HMAC") ? signed.checkPart : undefined;
  const taken = { size: 0 };
  await pipeline(
    request,
    (source: AsyncIterable<Buffer>) => (streaming ? decodeChunks(source, trailers, verify) : source),
    counting(taken, Object.values(hashes), length),
    createWriteStream(path, { flags: "wx", mode: 0o600 }),
  );
  if (taken.size !== length)
    throw new S3Error(
      "IncompleteBody",
      "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    );
  const [md5, sha256, value] = await Promise.all([hashes.md5, hashes.sha256, hashes.checksum].map((h) => h.digest()));
  compareDigests(request, signed, {
    md5: md5!,
    sha256: sha256!,
    checksum: sent && { algorithm, expected: sent.value ?? trailers.get(headerOf(algorithm)), value: value! },
  });
  await syncFile(path);
  return {
    path,
    size: taken.size,
    md5: Buffer.from(md5!, "base64").toString("hex"),
    checksum: { algorithm, value: value! },
    checked: sent !== undefined || headers["content-md5"] !== undefined,
  };
}

/** Passes a body on, and counts and hashes what passes. */
function counting(taken: { size: number }, hashes: Hasher[], most: number) {
  return async function* (source: AsyncIterable<Buffer>) {
    for await (const piece of source) {
      taken.size += piece.length;
      if (taken.size > most) break;
      for (const hash of hashes) hash.update(piece);
      yield piece;
    }
  };
}
