/**
 * A bucket's objects on the disk: each version is a file of bytes and a file that describes it, which comes last. What is
 * not described was never stored: a kill at any moment leaves nothing that a reader could take for an object.
 */
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, makeDurably, publish, syncDirectory } from "./durable";
import { compareKeys, insert, removeKey } from "./keys";
import type { NewVersion, Version } from "./version";

/** What an upload came to before it is an object: a file with its bytes, already on the disk. */
export interface Staged {
  path: string;
}

export class Objects {
  /** Newest first. */
  private readonly byKey = new Map<string, Version[]>();
  private readonly sorted: string[] = [];
  private readonly busy = new Map<string, Promise<unknown>>();
  private last = 0;

  private constructor(private readonly directory: string) {}

  /** @param directory exists */
  static load(directory: string): Objects {
    const objects = new Objects(directory);
    for (const name of readdirSync(directory)) objects.loadKey(join(directory, name));
    objects.sorted.push(...[...objects.byKey.keys()].sort(compareKeys));
    return objects;
  }

  /** In the order of S3's lists. */
  get keys(): readonly string[] {
    return this.sorted;
  }

  versions(key: string): readonly Version[] {
    return this.byKey.get(key) ?? [];
  }

  /** Undefined where there is none, or a delete marker hides it. */
  current(key: string): Version | undefined {
    const [newest] = this.versions(key);
    return newest?.deleteMarker ? undefined : newest;
  }

  /** One change of a key at a time: what is checked within holds until it is done. */
  exclusively<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.busy.get(key) ?? Promise.resolve();
    const done = before.then(work, work);
    const quiet = done
      .catch(() => undefined)
      .finally(() => {
        if (this.busy.get(key) === quiet) this.busy.delete(key);
      });
    this.busy.set(key, quiet);
    return done;
  }

  /** Adds a version; where versioning is not on, in place of the one that came the same way. */
  async add(fresh: NewVersion, staged: Staged | undefined, versioned: boolean): Promise<Version> {
    const versionId = versioned ? randomBytes(16).toString("hex") : "null";
    const version: Version = { ...fresh, versionId, order: ++this.last };
    await makeDurably(this.directoryOf(version.key));
    const description = { path: this.descriptionOf(version), content: JSON.stringify(version) };
    if (staged) await publish(staged.path, this.dataOf(version), description);
    else await describe(description);
    const others = this.versions(version.key);
    if (others.length === 0) insert(this.sorted, version.key);
    this.byKey.set(version.key, [version, ...others]);
    for (const replaced of others) if (!versioned && replaced.versionId === "null") await this.remove(replaced);
    return version;
  }

  /** Changes what is said of a version: its lock, its storage class. */
  async change(version: Version, changes: Partial<Version>): Promise<Version> {
    const changed = { ...version, ...changes };
    await describe({ path: this.descriptionOf(version), content: JSON.stringify(changed) });
    const others = this.versions(version.key);
    this.byKey.set(
      version.key,
      others.map((other) => (other.order === version.order ? changed : other)),
    );
    return changed;
  }

  async remove(version: Version): Promise<void> {
    await rm(this.descriptionOf(version), { force: true });
    await syncDirectory(this.directoryOf(version.key));
    await rm(this.dataOf(version), { force: true });
    const rest = this.versions(version.key).filter(({ order }) => order !== version.order);
    this.byKey.set(version.key, rest);
    if (rest.length > 0) return;
    this.byKey.delete(version.key);
    removeKey(this.sorted, version.key);
    await rm(this.directoryOf(version.key), { recursive: true, force: true });
  }

  dataOf({ key, order }: Pick<Version, "key" | "order">): string {
    return join(this.directoryOf(key), `${order}.data`);
  }

  private descriptionOf({ key, order }: Version): string {
    return join(this.directoryOf(key), `${order}.json`);
  }

  /** A key has up to 1,024 bytes of any kind, a file's name 255 and no slash. */
  private directoryOf(key: string): string {
    return join(this.directory, createHash("sha256").update(key).digest("hex"));
  }

  private loadKey(directory: string): void {
    const names = readdirSync(directory);
    const described = names.filter((name) => name.endsWith(".json"));
    const versions = described.map((name) => JSON.parse(readFileSync(join(directory, name), "utf8")) as Version);
    for (const name of names)
      if (!described.includes(`${name.split(".")[0]}.json`) || name.endsWith(".new")) rmSync(join(directory, name));
    versions.sort((a, b) => b.order - a.order);
    const [newest] = versions;
    if (newest === undefined) return rmSync(directory, { recursive: true });
    this.last = Math.max(this.last, newest.order);
    // A kill may have come between an object without a version and the one that it replaced.
    const unversioned = versions.find(({ versionId }) => versionId === "null");
    const kept = versions.filter((version) => version.versionId !== "null" || version === unversioned);
    this.byKey.set(newest.key, kept);
  }
}
