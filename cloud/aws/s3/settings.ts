/** A bucket and its settings, each in a file of its own: written by whoever makes the bucket, read at every request. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, readIfThere, writeWhole } from "../../host/files";
import type { ServiceUser } from "../../host/user";
import type { DefaultRetention } from "./locks";

export interface BucketSettings {
  bucket?: {
    region: string;
    /** Tells it from an earlier one of its name. */
    id: string;
    /** ISO time. */
    created: string;
    objectLock: boolean;
    /** Whose it is. Default: the local cloud's own account's. */
    account?: string;
  };
  versioning?: "Enabled" | "Suspended";
  /** Undefined where objects are locked only as their uploads say. */
  defaultRetention?: DefaultRetention;
  encryption?: { algorithm: string; keyArn?: string | undefined; bucketKey: boolean; blocked: string[] };
  lifecycle?: LifecycleRule[];
  policy?: string;
}

export interface LifecycleRule {
  id: string;
  prefix: string;
  transitions: { days: number; storageClass: string }[];
  expirationDays?: number | undefined;
  expiredObjectDeleteMarker: boolean;
  noncurrentDays?: number | undefined;
  abortUploadsAfterDays?: number | undefined;
}

type Aspect = keyof BucketSettings;

const bucketsDirectory = (root: string) => join(root, "buckets");

export const bucketFiles = (root: string, bucket: string) => {
  const directory = join(bucketsDirectory(root), bucket);
  return {
    directory,
    settings: join(directory, "settings"),
    objects: join(directory, "objects"),
    uploads: join(directory, "uploads"),
    /** What is being received. */
    incoming: join(directory, "incoming"),
  };
};

const aspectFile = (root: string, bucket: string, aspect: Aspect) =>
  join(bucketFiles(root, bucket).settings, `${aspect}.json`);

export function writeSetting<A extends Aspect>(
  root: string,
  bucket: string,
  aspect: A,
  value: NonNullable<BucketSettings[A]>,
  owner: ServiceUser | undefined,
): void {
  for (const directory of Object.values(bucketFiles(root, bucket))) makeDirectory(directory, owner);
  writeWhole(aspectFile(root, bucket, aspect), JSON.stringify(value), { owner });
}

export const removeSetting = (root: string, bucket: string, aspect: Aspect) =>
  rmSync(aspectFile(root, bucket, aspect), { force: true });

export function readSetting<A extends Aspect>(root: string, bucket: string, aspect: A): BucketSettings[A] {
  const content = readIfThere(aspectFile(root, bucket, aspect));
  return content === undefined ? undefined : (JSON.parse(content) as BucketSettings[A]);
}

/** Names of the buckets that are there. */
export function bucketNames(root: string): string[] {
  let names: string[];
  try {
    names = readdirSync(bucketsDirectory(root));
  } catch {
    return [];
  }
  return names.filter((name) => readSetting(root, name, "bucket") !== undefined).sort();
}

/** What a bucket holds, as its files say: for whoever asks beside the endpoint. */
export function contents(root: string, bucket: string): { versions: number; bytes: number } {
  const { objects } = bucketFiles(root, bucket);
  const files = readdirSync(objects, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));
  // One that is removed meanwhile counts no more.
  const versions = files.flatMap((name) => readIfThere(join(objects, name)) ?? []);
  const sizes = versions.map((text) => (JSON.parse(text) as { size: number }).size);
  return { versions: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}
