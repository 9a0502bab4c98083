/** Buckets as the endpoint has them: their settings as they are now, and their objects. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { S3Error } from "./errors";
import { Objects } from "./objects";
import { bucketFiles, bucketNames, type BucketSettings, readSetting } from "./settings";
import { Uploads } from "./uploads";

type Aspect = keyof BucketSettings;

export class Bucket {
  constructor(
    private readonly root: string,
    readonly name: string,
    readonly facts: NonNullable<BucketSettings["bucket"]>,
    readonly objects: Objects,
    readonly uploads: Uploads,
  ) {}

  get files() {
    return bucketFiles(this.root, this.name);
  }

  setting<A extends Exclude<Aspect, "bucket">>(aspect: A): BucketSettings[A] {
    return readSetting(this.root, this.name, aspect);
  }

  get versioned(): boolean {
    return this.setting("versioning") === "Enabled";
  }
}

export class Buckets {
  private readonly opened = new Map<string, Bucket>();

  constructor(private readonly root: string) {}

  all(): Bucket[] {
    return bucketNames(this.root).map((name) => this.open(name));
  }

  open(name: string): Bucket {
    const known = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name);
    const facts = known ? readSetting(this.root, name, "bucket") : undefined;
    if (facts === undefined)
      throw new S3Error("NoSuchBucket", "The specified bucket does not exist", { elements: { BucketName: name } });
    const opened = this.opened.get(name);
    if (opened?.facts.id === facts.id) return opened;
    const { objects, uploads, incoming } = bucketFiles(this.root, name);
    // Of uploads that a kill cut off.
    for (const leftover of readdirSync(incoming)) rmSync(join(incoming, leftover));
    const bucket = new Bucket(this.root, name, facts, Objects.load(objects), new Uploads(uploads));
    this.opened.set(name, bucket);
    return bucket;
  }
}
