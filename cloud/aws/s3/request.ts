/** A request as S3 reads it, and its answer. */
import type { IncomingMessage } from "node:http";
import type { Access } from "./access";
import type { Bucket } from "./bucket";
import { checkDigests } from "./digests";
import { S3Error } from "./errors";
import type { Signed } from "./signature";

export interface Target {
  /** "" where the request is for the service itself. */
  bucket: string;
  /** "" where it is for a bucket. */
  key: string;
  query: URLSearchParams;
}

/** Path style: /bucket/key. */
export function targetOf(url: string): Target {
  const [path = "", search = ""] = url.split("?", 2);
  const [, bucket = "", rawKey = ""] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? [];
  let key: string;
  try {
    key = decodeURIComponent(rawKey);
  } catch {
    throw new S3Error("InvalidURI", "Couldn't parse the specified URI.");
  }
  if (Buffer.byteLength(key) > 1024)
    throw new S3Error("KeyTooLongError", "Your key is too long: 1,024 bytes are the most.");
  return { bucket, key, query: new URLSearchParams(search) };
}

/** What an operation works with. */
export interface Call {
  request: IncomingMessage;
  signed: Signed;
  query: URLSearchParams;
  bucket: Bucket;
  key: string;
  now: Date;
  access: Access;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string | number | undefined>;
  /** XML. */
  body?: string;
  /** Bytes of a file. */
  file?: { path: string; start: number; end: number };
}

/** A small body whole: the XML of a request. A checksum may be meant for something else than this body. */
export async function bodyText(
  { request, signed }: Call,
  checksum: "checked" | "unchecked" = "checked",
): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > 2 * 1024 * 1024) throw new S3Error("MalformedXML", "the body is larger than 2 MiB");
    pieces.push(piece);
  }
  const body = Buffer.concat(pieces);
  await checkDigests(request, body, signed, checksum);
  return body.toString("utf8");
}
