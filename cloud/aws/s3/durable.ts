/** Steps that have happened once they return, whatever is killed or loses power afterwards. */
import { open, rename, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { writeDurably } from "../../host/files";

/** Makes the names in a directory last. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

export async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Makes a directory below one that is there. */
export async function makeDurably(path: string): Promise<void> {
  if ((await mkdir(path, { recursive: true, mode: 0o700 })) !== undefined) await syncDirectory(dirname(path));
}

/** Puts a file of ours where others see it, and what is said of it beside it: without that it does not count. */
export async function publish(file: string, target: string, description: { path: string; content: string }) {
  await rename(file, target);
  await describe(description);
}

export async function describe({ path, content }: { path: string; content: string }): Promise<void> {
  await writeDurably(path, content);
  await syncDirectory(dirname(path));
}
