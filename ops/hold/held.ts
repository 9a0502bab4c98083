/** What is held for which hold: noted in the bucket first, then held, so that a run that is ended leaves nothing that a release would miss. */
import { randomBytes } from "node:crypto";
import { HeadObjectCommand, PutObjectLegalHoldCommand } from "@aws-sdk/client-s3";
import * as z from "zod/mini";
import type { Bucket } from "../archive/bucket";
import { decode } from "../archive/decode";
import { heldFolder } from "../archive/keys";
import { firstVersion } from "../archive/newest";
import { isGone } from "../archive/unreadable";
import type { Log } from "../log";
import type { HeldObject } from "./record";

const schema = z.array(z.object({ key: z.string(), version: z.string() }));

export const nameOf = ({ key, version }: HeldObject): string => `${key} ${version ?? ""}`;

interface Noted {
  /** By their names. */
  objects: Map<string, HeldObject>;
  /** The notes themselves. */
  notes: HeldObject[];
}

export async function notedFor(bucket: Bucket, hold: number): Promise<Noted> {
  const noted: Noted = { objects: new Map(), notes: [] };
  for (const entry of await bucket.list(heldFolder(hold))) {
    const first = firstVersion(entry);
    if (!first) continue;
    noted.notes.push({ key: entry.key, version: first.version });
    const bytes = await bucket.read(entry.key, first.version);
    for (const object of decode(schema, bytes, "note of what is held", entry.key))
      noted.objects.set(nameOf(object), object);
  }
  return noted;
}

export async function note(bucket: Bucket, hold: number, objects: readonly HeldObject[]): Promise<void> {
  const key = `${heldFolder(hold)}${new Date(bucket.now()).toISOString().slice(0, 10)}-${randomBytes(6).toString("hex")}.json`;
  await bucket.putNew(key, Buffer.from(`${JSON.stringify(objects)}\n`), "application/json");
}

const atOnce = 16;
const sayEvery = 1000;

export interface Turned {
  changed: number;
  gone: string[];
}

/** Gives each object a legal hold, or takes it away; what has it, or has it not, is left alone. */
export async function turn(
  bucket: Bucket,
  objects: readonly HeldObject[],
  to: "ON" | "OFF",
  log: Log,
): Promise<Turned> {
  const turned: Turned = { changed: 0, gone: [] };
  const one = async ({ key: Key, version: VersionId }: HeldObject) => {
    const where = { Bucket: bucket.name, Key, VersionId };
    const by = { abortSignal: bucket.signal };
    try {
      const { ObjectLockLegalHoldStatus: is = "OFF" } = await bucket.client.send(new HeadObjectCommand(where), by);
      if (is === to) return;
      await bucket.client.send(new PutObjectLegalHoldCommand({ ...where, LegalHold: { Status: to } }), by);
      turned.changed++;
    } catch (error) {
      if (!isGone(error)) throw error;
      turned.gone.push(Key);
    }
  };
  for (let at = 0; at < objects.length; at += atOnce) {
    bucket.signal.throwIfAborted();
    await Promise.all(objects.slice(at, at + atOnce).map(one));
    if (at > 0 && at % sayEvery < atOnce)
      log.info(to === "ON" ? "holding" : "releasing", { done: at, of: objects.length });
  }
  return turned;
}
