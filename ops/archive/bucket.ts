/** The locked bucket: what is written is new, is compared before it counts, and is never written again. */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import {
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3Client,
  type ListObjectVersionsCommandOutput,
} from "@aws-sdk/client-s3";
import { Failure } from "../program";
import { howToLock, isWeaker, lockSetting, sayDemanded, type Lock, type Locked } from "./lock";

/** A name directly below a folder: an object with its versions, oldest first, or a folder. */
export interface Entry {
  key: string;
  folder: boolean;
  versions: { id: string | undefined; deleted: boolean }[];
}

/** An object as it is read. */
interface Opened {
  body: Readable;
  locked: Locked | undefined;
}

const dayMs = 86_400_000;

/** Whether another object has the key, or gets it at this moment. */
export const isTaken = (error: unknown): boolean =>
  error instanceof Error && /^(PreconditionFailed|ConditionalRequestConflict)$/.test(error.name);

export class Bucket {
  constructor(
    readonly client: S3Client,
    readonly name: string,
    readonly signal: AbortSignal,
    /** How it must lock, at least. Default: somehow. */
    readonly lock?: Lock,
  ) {}

  /** The same, for work that may end earlier. */
  within(signal: AbortSignal): Bucket {
    return new Bucket(this.client, this.name, signal, this.lock);
  }

  /** By S3's clock, as its last answer told it: this machine's may be years off, and locks end by S3's. */
  now(): number {
    return Date.now() + this.client.config.systemClockOffset;
  }

  /**
   * Everything directly below a folder, in order of its name. Of each object every version: a locked one cannot be deleted, but
   * anybody who may delete can hide it behind a marker, and who may write can put another on top.
   */
  async list(folder: string): Promise<Entry[]> {
    const entries = new Map<string, Entry>();
    const entry = (key: string, isFolder: boolean) => {
      const known = entries.get(key) ?? { key, folder: isFolder, versions: [] };
      entries.set(key, known);
      return known;
    };
    for await (const { CommonPrefixes = [], Versions = [], DeleteMarkers = [] } of this.pages(folder)) {
      for (const { Prefix = "" } of CommonPrefixes) entry(Prefix, true);
      // The newest is listed first.
      for (const { Key = "", VersionId: id } of Versions) entry(Key, false).versions.unshift({ id, deleted: false });
      for (const { Key = "", VersionId: id } of DeleteMarkers) entry(Key, false).versions.push({ id, deleted: true });
    }
    return [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  private async *pages(folder: string): AsyncGenerator<ListObjectVersionsCommandOutput> {
    let after: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } | undefined = {};
    while (after) {
      const page: ListObjectVersionsCommandOutput = await this.client.send(
        new ListObjectVersionsCommand({ Bucket: this.name, Prefix: folder, Delimiter: "/", ...after }),
        { abortSignal: this.signal },
      );
      yield page;
      const { IsTruncated, NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page;
      after = IsTruncated ? { KeyMarker, VersionIdMarker } : undefined;
    }
  }

  /** Opens an object to be read; the reader checks its hash. */
  async open(Key: string, VersionId?: string): Promise<Opened> {
    const command = new GetObjectCommand({ Bucket: this.name, Key, VersionId });
    const answer = await this.client.send(command, { abortSignal: this.signal });
    return { body: answer.Body as Readable, locked: lockIn(answer) };
  }

  async read(key: string, version?: string): Promise<Buffer> {
    return buffer((await this.open(key, version)).body);
  }

  async lockOf(Key: string, VersionId: string | undefined): Promise<Locked | undefined> {
    const head = new HeadObjectCommand({ Bucket: this.name, Key, VersionId });
    return lockIn(await this.client.send(head, { abortSignal: this.signal }));
  }

  /** Until when nobody may delete it; undefined where lifecycle rules, which run once a day, may have taken it by now. */
  async stillLockedUntil(key: string, version: string | undefined): Promise<Date | undefined> {
    const { until } = (await this.lockOf(key, version)) ?? {};
    return until && until.getTime() > this.now() + dayMs ? until : undefined;
  }

  /** Stores an object under a key that is free. Of two who try, one succeeds, and the other's error `isTaken`. */
  async putNew(key: string, body: Buffer, contentType: string): Promise<void> {
    const ChecksumSHA256 = createHash("sha256").update(body).digest("base64");
    // S3 asks for the algorithm's name where an object is to be locked, beside the checksum itself.
    const checksum = { ChecksumAlgorithm: "SHA256", ChecksumSHA256 } as const;
    const content = { Body: body, ContentLength: body.length, ContentType: contentType, ...checksum };
    await this.orStored(key, body.length, ChecksumSHA256, () =>
      this.client.send(new PutObjectCommand({ Bucket: this.name, Key: key, IfNoneMatch: "*", ...content }), {
        abortSignal: this.signal,
      }),
    );
  }

  /** Stores it, and makes sure that it is there: also where the answer was lost, and a second try met what the first had stored. */
  async orStored(key: string, bytes: number, checksum: string, store: () => Promise<unknown>): Promise<void> {
    const failure = await store().then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    const head = await this.assertStored(key, bytes, checksum).catch((error: unknown) => {
      throw failure ?? error;
    });
    this.assertLocked(key, lockIn(head));
  }

  /** What S3 has is what was sent, by the checksum that it computed itself. */
  private async assertStored(key: string, bytes: number, checksum: string): Promise<HeadObjectCommandOutput> {
    const head = await this.client.send(
      new HeadObjectCommand({ Bucket: this.name, Key: key, ChecksumMode: "ENABLED" }),
      { abortSignal: this.signal },
    );
    const { ContentLength, ChecksumSHA256 } = head;
    if (ContentLength === bytes && ChecksumSHA256 === checksum) return head;
    throw new Failure(
      `${key} in the bucket ${this.name} is not what was written: ${ContentLength} bytes with checksum ${ChecksumSHA256 ?? "(none)"}, expected ${bytes} with ${checksum}`,
    );
  }

  private assertLocked(key: string, locked: Locked | undefined): void {
    if (!locked)
      throw new Failure(
        `${key} in the bucket ${this.name} is not locked: give the bucket a default retention (Object Lock), and this program's role s3:GetObjectRetention`,
      );
    if (this.lock && isWeaker(this.lock, locked))
      throw new Failure(
        `${key} in the bucket ${this.name} is locked in ${locked.mode} mode until ${locked.until.toISOString()}; ${sayDemanded(this.lock)}`,
        [howToLock],
      );
  }
}

/** To the nearest day: the upload of an archive takes hours, and a lock may count from its beginning. */
function lockIn({
  ObjectLockMode: mode,
  ObjectLockRetainUntilDate: until,
  LastModified: since,
}: Pick<HeadObjectCommandOutput, "ObjectLockMode" | "ObjectLockRetainUntilDate" | "LastModified">): Locked | undefined {
  if (mode === undefined || until === undefined || since === undefined) return undefined;
  return { mode, until, days: Math.round((until.getTime() - since.getTime()) / dayMs) };
}

/**
 * Credentials and, on a machine that stands for AWS, the endpoint come from the environment, as the SDK reads it.
 * So do BACKUP_BUCKET_OWNER, the account whose bucket it must be, and how it must lock (lock.ts).
 * @param idleMs how long nothing may come of an answer: the time for a request ends with the answer's headers
 */
export function connectBucket(name: string, region: string, signal: AbortSignal, idleMs = 120_000): Bucket {
  const client = new S3Client({
    region,
    maxAttempts: 4,
    // Only AWS has a host name for each bucket.
    forcePathStyle: process.env["AWS_ENDPOINT_URL_S3"] !== undefined,
    requestHandler: {
      connectionTimeout: 5000,
      requestTimeout: 60_000,
      throwOnRequestTimeout: true,
      socketTimeout: idleMs,
    },
  });
  const owner = process.env["BACKUP_BUCKET_OWNER"];
  if (owner !== undefined) expectOwner(client, owner);
  return new Bucket(client, name, signal, lockSetting());
}

/** S3 refuses every request where a bucket of this name is another account's: names are free again once a bucket is gone. */
function expectOwner(client: S3Client, ExpectedBucketOwner: string): void {
  client.middlewareStack.add((next) => (args) => next({ ...args, input: { ...args.input, ExpectedBucketOwner } }), {
    step: "initialize",
  });
}
