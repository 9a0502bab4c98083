/** Large parts of a dump that came to no end, each noted beside it as soon as it is written: the next run takes them, and does not begin anew. */
import { randomBytes } from "node:crypto";
import type { Bucket } from "../archive/bucket";
import { begunFolder } from "../archive/keys";
import { firstVersion } from "../archive/newest";
import { isUnreadable } from "../archive/unreadable";
import { decodePart, type Part } from "./manifest";
import { nameOf } from "./parts";

/** What is smaller is soon written again. */
const leastBytes = 1024 * 1024;

export async function notePart(bucket: Bucket, number: number, part: Part): Promise<void> {
  if ((part.object?.compressed.bytes ?? 0) < leastBytes) return;
  const key = `${begunFolder(number)}${randomBytes(6).toString("hex")}.json`;
  await bucket.putNew(key, Buffer.from(`${JSON.stringify(part)}\n`), "application/json");
}

/** By their names. One that cannot be read is written again. */
export async function notedParts(bucket: Bucket, number: number): Promise<Map<string, Part>> {
  const parts = new Map<string, Part>();
  for (const entry of await bucket.list(begunFolder(number))) {
    const first = firstVersion(entry);
    try {
      const part = first && decodePart(await bucket.read(entry.key, first.version), entry.key);
      if (part) parts.set(nameOf(part), part);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
  return parts;
}
