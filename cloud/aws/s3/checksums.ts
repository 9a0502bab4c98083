/** Checksums of objects. https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
import { createHash } from "node:crypto";
import { Crc32, Crc32c, Crc64Nvme } from "@aws-sdk/checksums/crc";
import { S3Error } from "./errors";

export const algorithms = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const;
export type Algorithm = (typeof algorithms)[number];

/** Of the whole object, or of its parts' checksums. */
export type ChecksumType = "FULL_OBJECT" | "COMPOSITE";

export interface Checksum {
  algorithm: Algorithm;
  /** Base64; of a composite one, followed by "-" and the number of parts. */
  value: string;
  type: ChecksumType;
}

export interface Hasher {
  update(data: Uint8Array): void;
  /** Base64. */
  digest(): Promise<string>;
}

export function hasher(algorithm: Algorithm | "MD5"): Hasher {
  if (algorithm === "MD5" || algorithm === "SHA1" || algorithm === "SHA256") {
    const hash = createHash(algorithm);
    return { update: (data) => void hash.update(data), digest: () => Promise.resolve(hash.digest("base64")) };
  }
  const crc = new { CRC32: Crc32, CRC32C: Crc32c, CRC64NVME: Crc64Nvme }[algorithm]();
  return {
    update: (data) => crc.update(data),
    digest: async () => Buffer.from(await crc.digest()).toString("base64"),
  };
}

export const headerOf = (algorithm: Algorithm) => `x-amz-checksum-${algorithm.toLowerCase()}`;

export function algorithmOf(name: string): Algorithm {
  const found = algorithms.find((algorithm) => algorithm === name.toUpperCase());
  if (found === undefined)
    throw new S3Error("InvalidRequest", `${name} is no checksum algorithm; use ${algorithms.join(", ")}`);
  return found;
}

/** As elements of an answer: ChecksumCRC32, ChecksumType. */
export const checksumElements = (checksum: Checksum | undefined) =>
  checksum && { [`Checksum${checksum.algorithm}`]: checksum.value, ChecksumType: checksum.type };

export async function digestOf(algorithm: Algorithm | "MD5", ...parts: Uint8Array[]): Promise<string> {
  const hash = hasher(algorithm);
  for (const part of parts) hash.update(part);
  return hash.digest();
}
