/** Uploads in parts, on the disk until they are completed or aborted. Nothing of them is an object before. */
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere } from "../../host/files";
import type { Algorithm, ChecksumType } from "./checksums";
import { describe, publish, syncDirectory } from "./durable";
import { S3Error } from "./errors";
import type { Received } from "./receive";
import type { Wanted } from "./version";

export interface MultipartUpload {
  uploadId: string;
  key: string;
  /** ISO time; the object's as well, once there is one. */
  initiated: string;
  checksum: { algorithm: Algorithm; type: ChecksumType };
  /** What its object will be. */
  wanted: Wanted;
}

export interface Part {
  number: number;
  size: number;
  /** MD5 in hex. */
  etag: string;
  /** Base64. */
  checksum: string;
  lastModified: string;
}

export class Uploads {
  constructor(private readonly directory: string) {}

  all(): MultipartUpload[] {
    return readdirSync(this.directory).flatMap((uploadId) => this.read(uploadId) ?? []);
  }

  /** @throws where there is none of this id for this key */
  find(uploadId: string, key: string): MultipartUpload {
    const upload = /^[0-9a-f]{32}$/.test(uploadId) ? this.read(uploadId) : undefined;
    if (upload?.key === key) return upload;
    throw new S3Error(
      "NoSuchUpload",
      "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
      { elements: { UploadId: uploadId } },
    );
  }

  async begin(fresh: Omit<MultipartUpload, "uploadId">): Promise<MultipartUpload> {
    const upload = { ...fresh, uploadId: randomBytes(16).toString("hex") };
    await mkdir(this.of(upload), { mode: 0o700 });
    await describe({ path: join(this.of(upload), "upload.json"), content: JSON.stringify(upload) });
    await syncDirectory(this.directory);
    return upload;
  }

  /** A part that is sent again takes the place of the first. */
  async addPart(upload: MultipartUpload, number: number, received: Received, now: Date): Promise<Part> {
    const { path, size, md5, checksum } = received;
    const part = { number, size, etag: md5, checksum: checksum.value, lastModified: now.toISOString() };
    const description = { path: join(this.of(upload), `${number}.json`), content: JSON.stringify(part) };
    await publish(path, this.dataOf(upload, part), description);
    return part;
  }

  /** By number. */
  parts(upload: MultipartUpload): Part[] {
    return readdirSync(this.of(upload))
      .filter((name) => /^\d+\.json$/.test(name))
      .map((name) => JSON.parse(readIfThere(join(this.of(upload), name)) ?? "null") as Part | null)
      .filter((part) => part !== null)
      .sort((a, b) => a.number - b.number);
  }

  /** Named by what it holds: a part that is sent again does not change the bytes that a description stands for. */
  dataOf(upload: MultipartUpload, { number, etag }: Part): string {
    return join(this.of(upload), `${number}-${etag}.data`);
  }

  async remove(upload: MultipartUpload): Promise<void> {
    await rm(join(this.of(upload), "upload.json"), { force: true });
    await rm(this.of(upload), { recursive: true, force: true });
  }

  private read(uploadId: string): MultipartUpload | undefined {
    const content = readIfThere(join(this.directory, uploadId, "upload.json"));
    return content === undefined ? undefined : (JSON.parse(content) as MultipartUpload);
  }

  private of({ uploadId }: MultipartUpload): string {
    return join(this.directory, uploadId);
  }
}
