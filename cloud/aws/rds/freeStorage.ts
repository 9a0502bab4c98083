/** How much storage an instance has left: what it was given, less what its data takes, and never more than the disk that it is on has. */
import { lstatSync, readdirSync, statfsSync } from "node:fs";
import { join } from "node:path";

const gib = 2 ** 30;
/** What `blocks` counts, whatever the file system's own are. */
const blockBytes = 512;

/** Bytes; undefined where there is no data. @param storageGib what it was given; default: as much as there is */
export function freeStorage(data: string, storageGib = Infinity): number | undefined {
  const taken = takenBy(data);
  if (taken === undefined) return undefined;
  const { bavail, bsize } = statfsSync(data);
  return Math.max(0, Math.min(storageGib * gib - taken, bavail * bsize));
}

/** On disk, by all files of a directory. A server makes and removes some meanwhile. */
function takenBy(directory: string): number | undefined {
  const entries = ifThere(() => readdirSync(directory, { withFileTypes: true }));
  return entries?.reduce((sum, entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return sum + (takenBy(path) ?? 0);
    return sum + (ifThere(() => lstatSync(path))?.blocks ?? 0) * blockBytes;
  }, 0);
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
