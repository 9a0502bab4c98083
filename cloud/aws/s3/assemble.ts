/** Makes one file of an upload's parts, and what is said of the whole. */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Checksum, digestOf, hasher } from "./checksums";
import { syncFile } from "./durable";
import type { MultipartUpload, Part, Uploads } from "./uploads";

export interface Assembled {
  path: string;
  size: number;
  /** MD5 of the parts' MD5s, and how many they are. */
  etag: string;
  checksum: Checksum;
}

export async function assemble(
  uploads: Uploads,
  upload: MultipartUpload,
  parts: readonly Part[],
  directory: string,
): Promise<Assembled> {
  const { algorithm, type } = upload.checksum;
  const path = join(directory, randomBytes(16).toString("hex"));
  const whole = hasher(algorithm);
  async function* bytes(): AsyncGenerator<Buffer> {
    for (const part of parts)
      for await (const piece of createReadStream(uploads.dataOf(upload, part)) as AsyncIterable<Buffer>) {
        if (type === "FULL_OBJECT") whole.update(piece);
        yield piece;
      }
  }
  try {
    await pipeline(bytes, createWriteStream(path, { flags: "wx", mode: 0o600 }));
    await syncFile(path);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  const md5s = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, "hex")));
  const checksums = parts.map(({ checksum }) => Buffer.from(checksum, "base64"));
  const value =
    type === "FULL_OBJECT" ? await whole.digest() : `${await digestOf(algorithm, ...checksums)}-${parts.length}`;
  return {
    path,
    size: parts.reduce((sum, { size }) => sum + size, 0),
    etag: `${createHash("md5").update(md5s).digest("hex")}-${parts.length}`,
    checksum: { algorithm, type, value },
  };
}
