/** Conditional requests. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html */
import type { IncomingHttpHeaders } from "node:http";
import { S3Error } from "./errors";

interface Stored {
  /** Without quotation marks. */
  etag: string;
  lastModified: string;
}

const same = (header: string, etag: string) =>
  header.split(",").some((one) => ["*", etag, `"${etag}"`].includes(one.trim()));

const failed = (condition: string) =>
  new S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
    elements: { Condition: condition },
  });

/** @param current undefined where there is no object, or a delete marker hides it */
export function checkWrite(headers: IncomingHttpHeaders, current: Stored | undefined): void {
  const { "if-none-match": absent, "if-match": present } = headers;
  if (absent !== undefined && absent !== "*") throw new S3Error("NotImplemented", "If-None-Match of a write must be *");
  if (absent !== undefined && current !== undefined) throw failed("If-None-Match");
  if (present === undefined) return;
  if (current === undefined) throw new S3Error("NoSuchKey", "The specified key does not exist.");
  if (!same(present, current.etag)) throw failed("If-Match");
}

export function checkRead(headers: IncomingHttpHeaders, { etag, lastModified }: Stored): void {
  const { "if-match": match, "if-none-match": noneMatch } = headers;
  const modified = Math.floor(new Date(lastModified).getTime() / 1000);
  const since = (header: string | undefined) => (header === undefined ? NaN : Date.parse(header) / 1000);
  if (match !== undefined && !same(match, etag)) throw failed("If-Match");
  if (match === undefined && modified > since(headers["if-unmodified-since"])) throw failed("If-Unmodified-Since");
  const unchanged = noneMatch === undefined ? modified <= since(headers["if-modified-since"]) : same(noneMatch, etag);
  if (unchanged) throw new S3Error("NotModified", "Not Modified", { headers: { etag: `"${etag}"` } });
}

/** Which bytes are asked for; undefined for all of them. A Range that cannot be read is ignored, as HTTP has it. */
export function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return undefined;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== "" && to !== "" && Number(to) < start) return undefined;
  if (start >= size || (from === "" && Number(to) === 0))
    throw new S3Error("InvalidRange", "The requested range is not satisfiable", {
      headers: { "content-range": `bytes */${size}` },
    });
  return { start, end };
}
