/** The local cloud's S3 for tests, with a clock that they turn. */
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeleteObjectCommand, S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { readPolicy } from "../cloud/aws/iam/policy";
import { type BucketSettings, writeSetting } from "../cloud/aws/s3/settings";
import { createS3 } from "../cloud/aws/s3/server";
import type { Bucket } from "../ops/archive/bucket";

export const testRegion = "eu-west-1";
const owner = { accessKeyId: "AKIATEST", secretAccessKey: "secret" };

/** A bucket as whoever deploys makes it: versioned, locked by default for 30 days. */
export const lockedBucket: BucketSettings = {
  versioning: "Enabled",
  defaultRetention: { mode: "GOVERNANCE", days: 30 },
};

export function makeBucket(root: string, name: string, { bucket, ...settings }: BucketSettings = {}): void {
  const objectLock = settings.defaultRetention !== undefined;
  const facts = { region: testRegion, id: `${name} ${Math.random()}`, created: "2026-01-01T00:00:00.000Z", objectLock };
  writeSetting(root, name, "bucket", { ...facts, ...bucket }, undefined);
  for (const [aspect, value] of Object.entries(settings))
    writeSetting(root, name, aspect as keyof BucketSettings, value as never, undefined);
}

export interface TestS3 {
  root: string;
  url: string;
  /** What a program in a process of its own needs to be its client. */
  environment: Record<string, string>;
  client(more?: S3ClientConfig): S3Client;
  /** As a role of those given. */
  as(role: string): S3Client;
  /** Does what lifecycle rules say is due by its clock. */
  applyLifecycles: () => Promise<void>;
  /** Milliseconds that its clock is ahead. */
  ahead: number;
  close(): Promise<void>;
}

/** @param roles the statements of each one's policy; the owner may do what no bucket's policy denies */
export async function testS3(
  buckets: Record<string, BucketSettings>,
  roles: Record<string, object[]> = {},
): Promise<TestS3> {
  const known = [owner.accessKeyId, ...Object.keys(roles)];
  const root = mkdtempSync(join(tmpdir(), "s3-"));
  for (const [name, settings] of Object.entries(buckets)) makeBucket(root, name, settings);
  const clients: S3Client[] = [];
  const { server, applyLifecycles } = createS3({
    root,
    secretOf: (accessKeyId) => (known.includes(accessKeyId) ? owner.secretAccessKey : undefined),
    identityOf: (accessKeyId) => ({
      principal: `arn:aws:iam::000000000000:${accessKeyId === owner.accessKeyId ? "root" : `role/${accessKeyId}`}`,
      statements: roles[accessKeyId] && readPolicy(JSON.stringify({ Statement: roles[accessKeyId] })),
    }),
    now: () => new Date(Date.now() + s3.ahead),
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const s3: TestS3 = {
    root,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    environment: { AWS_ACCESS_KEY_ID: owner.accessKeyId, AWS_SECRET_ACCESS_KEY: owner.secretAccessKey },
    ahead: 0,
    applyLifecycles,
    client(more) {
      const client = new S3Client({
        region: testRegion,
        endpoint: s3.url,
        credentials: owner,
        maxAttempts: 1,
        ...more,
      });
      clients.push(client);
      return client;
    },
    as: (role) => s3.client({ credentials: { ...owner, accessKeyId: role } }),
    async close() {
      for (const client of clients) client.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      rmSync(root, { recursive: true, force: true });
    },
  };
  return s3;
}

/** What becomes of an object; undefined leaves it out. */
export type Change = (key: string, bytes: Buffer) => Buffer | undefined;

/** The same objects in another bucket. */
export async function copyBucket(from: Bucket, to: Bucket, but: Change = (_, bytes) => bytes): Promise<Bucket> {
  for (const folder of ["manifests/", "segments/", "months/", "archives/", "dumps/", "parts/"])
    for (const key of await keysIn(from, folder)) {
      const bytes = but(key, await from.read(key));
      if (bytes) await to.putNew(key, bytes, "application/gzip");
    }
  return to;
}

/** All that are below a folder. */
export async function keysIn(bucket: Bucket, folder: string): Promise<string[]> {
  const keys: string[] = [];
  for (const { key, folder: isFolder } of await bucket.list(folder))
    keys.push(...(isFolder ? await keysIn(bucket, key) : [key]));
  return keys;
}

/** As the bucket's owner under governance. */
export async function removeObject(bucket: Bucket, key: string): Promise<void> {
  const [entry] = await bucket.list(key);
  for (const { id: VersionId } of entry!.versions)
    await bucket.client.send(
      new DeleteObjectCommand({ Bucket: bucket.name, Key: key, VersionId, BypassGovernanceRetention: true }),
    );
}

/** By the same: one byte, counted from the end where negative. */
export async function alterObject(bucket: Bucket, key: string, at: number): Promise<void> {
  const bytes = await bucket.read(key);
  const place = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8(bytes.readUInt8(place) ^ 0xff, place);
  await removeObject(bucket, key);
  await bucket.putNew(key, bytes, "application/gzip");
}

/** With one bit altered, in the middle. */
export const flipped = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes);
  copy[bytes.length >> 1]! ^= 1;
  return copy;
};
