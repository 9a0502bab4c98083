/** What a client says of a body, against what came. */
import type { IncomingMessage } from "node:http";
import { algorithmOf, algorithms, digestOf, headerOf, type Algorithm } from "./checksums";
import { S3Error } from "./errors";
import type { Signed } from "./signature";

/** The checksum that comes with a body: in a header, or in a trailer that a header announces. */
export function sentChecksum({ headers }: IncomingMessage): { algorithm: Algorithm; value?: string } | undefined {
  const sent = algorithms.flatMap((algorithm) => {
    const value = headers[headerOf(algorithm)];
    return typeof value === "string" ? [{ algorithm, value }] : [];
  });
  if (sent.length > 1)
    throw new S3Error(
      "InvalidRequest",
      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    );
  const trailer = headers["x-amz-trailer"];
  if (sent.length === 1 || typeof trailer !== "string") return sent[0];
  return { algorithm: algorithmOf(trailer.replace(/^x-amz-checksum-/i, "")) };
}

export interface Digests {
  /** All in base64. */
  md5: string;
  sha256: string;
  checksum: { algorithm: Algorithm; expected: string | undefined; value: string } | undefined;
}

/** @throws where the body is not what the client says it is */
export function compareDigests({ headers }: IncomingMessage, signed: Signed, { md5, sha256, checksum }: Digests): void {
  if (checksum && checksum.expected !== checksum.value)
    throw new S3Error("BadDigest", `The ${checksum.algorithm} you specified did not match the calculated checksum.`);
  const wantedMd5 = headers["content-md5"];
  if (wantedMd5 !== undefined && wantedMd5 !== md5)
    throw new S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.");
  const wantedSha256 = /^[0-9a-f]{64}$/.test(signed.payload) ? signed.payload : undefined;
  if (wantedSha256 !== undefined && wantedSha256 !== Buffer.from(sha256, "base64").toString("hex"))
    throw new S3Error(
      "XAmzContentSHA256Mismatch",
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
}

export async function checkDigests(
  request: IncomingMessage,
  body: Buffer,
  signed: Signed,
  mode: "checked" | "unchecked",
): Promise<void> {
  const sent = mode === "checked" ? sentChecksum(request) : undefined;
  compareDigests(request, signed, {
    md5: await digestOf("MD5", body),
    sha256: await digestOf("SHA256", body),
    checksum: sent && {
      algorithm: sent.algorithm,
      expected: sent.value,
      value: await digestOf(sent.algorithm, body),
    },
  });
}
