/** Files of this machine, read and written so that nobody ever sees half of one. */
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { ServiceUser } from "./user";

/** The content, or undefined where there is no such file. Any other trouble is thrown: what cannot be read is still there. */
export function readIfThere(path: string): string | undefined {
  return bytesIfThere(path)?.toString("utf8");
}

function bytesIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    // ESRCH: a process below /proc that has just ended.
    if (["ENOENT", "ENOTDIR", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

export interface Access {
  /** Exactly this, whatever the umask is; 0600 unless given. */
  mode?: number;
  /** Who owns the file; this process' user unless given. */
  owner?: ServiceUser | undefined;
}

/**
 * Writes a file whole or not at all: a reader, and whoever comes after a kill, sees the old content or the new. Leaves a
 * file alone that has this content, and returns whether it had another.
 */
export function writeWhole(path: string, content: string | Buffer, { mode = 0o600, owner }: Access = {}): boolean {
  const wanted = Buffer.from(content);
  if (bytesIfThere(path)?.equals(wanted)) return false;
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true }); // of a killed command, perhaps with a mode that forbids writing
  writeFileSync(fresh, wanted, { mode });
  chmodSync(fresh, mode);
  if (owner) chownSync(fresh, owner.uid, owner.gid);
  renameSync(fresh, path);
  return true;
}

/** The same for a file that must also outlast a power cut: returns once it is on the disk. Mode 0600. */
export async function writeDurably(path: string, content: string): Promise<void> {
  const fresh = `${path}.new`;
  const file = await open(fresh, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(fresh, path);
}

/** Adds to the end of a file; returns once that is on the disk. Killed in between, it may have added a part of it. */
export async function appendDurably(path: string, content: string): Promise<void> {
  const file = await open(path, "a", 0o600);
  try {
    await file.appendFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Makes a directory and those above it that are missing, each for its owner only. */
export function makeDirectory(path: string, owner?: ServiceUser): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (!owner || first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) chownSync(made, owner.uid, owner.gid);
}

/** Closes a directory to everybody but its owner, whatever it was before. */
export function ownDirectory(directory: string, owner: ServiceUser | undefined): void {
  chmodSync(directory, 0o700);
  if (owner) chownSync(directory, owner.uid, owner.gid);
}
