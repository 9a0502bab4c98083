/**
 * The content encoding aws-chunked: a body in parts, each after a line with its length, and checksums in trailers at its end.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
import { createHash } from "node:crypto";
import { S3Error } from "./errors";

/** A line of a body's frame is short; whoever sends more of it sends something else. */
const longestLine = 8 * 1024;

const incomplete = () =>
  new S3Error(
    "IncompleteBody",
    "The request body terminated unexpectedly, or is not in the parts that aws-chunked asks for.",
  );

class Reader {
  private rest: Buffer = Buffer.alloc(0);
  private readonly source: AsyncIterator<Buffer>;

  constructor(source: AsyncIterable<Buffer>) {
    this.source = source[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.rest.indexOf("\r\n");
      if (end >= 0) {
        const line = this.rest.subarray(0, end).toString("latin1");
        this.rest = this.rest.subarray(end + 2);
        return line;
      }
      if (this.rest.length > longestLine) throw incomplete();
      this.rest = Buffer.concat([this.rest, await this.next()]);
    }
  }

  /** So many bytes, in pieces as they come. */
  async *take(length: number): AsyncGenerator<Buffer> {
    while (length > 0) {
      if (this.rest.length === 0) this.rest = await this.next();
      const piece = this.rest.subarray(0, length);
      this.rest = this.rest.subarray(piece.length);
      length -= piece.length;
      yield piece;
    }
  }

  private async next(): Promise<Buffer> {
    const next = await this.source.next();
    if (next.done) throw incomplete();
    return next.value;
  }
}

/** What the parts hold. Trailers are put into `trailers`, by name in lower case. */
export async function* decodeChunks(
  source: AsyncIterable<Buffer>,
  trailers: Map<string, string>,
  checkPart?: (sha256: string, signature: string) => void,
): AsyncGenerator<Buffer> {
  const reader = new Reader(source);
  for (;;) {
    const [, size, signature = ""] = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=(.*))?$/.exec(await reader.line()) ?? [];
    if (size === undefined) throw incomplete();
    const hash = createHash("sha256");
    for await (const piece of reader.take(parseInt(size, 16))) {
      if (checkPart) hash.update(piece);
      yield piece;
    }
    checkPart?.(hash.digest("hex"), signature);
    if (parseInt(size, 16) === 0) break;
    if ((await reader.line()) !== "") throw incomplete();
  }
  for (let line = await reader.line(); line !== ""; line = await reader.line()) {
    const colon = line.indexOf(":");
    trailers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
}
