/** Another name for a directory whose own is more than one word. */
import { createHash } from "node:crypto";
import { lstatSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";

/**
 * The same directory by a name that is one word: a path inside a container has no spaces, and stands unquoted in shell
 * lines, NODE_OPTIONS and connection strings; a checkout's path may have some.
 */
export function wordSafe(directory: string, root: string): string {
  if (/^[\w./-]+$/.test(directory)) return directory;
  const alias = aliasOf(root);
  try {
    symlinkSync(root, alias);
  } catch (error) {
    if (!leadsTo(alias, root)) throw error;
  }
  return join(alias, relative(root, directory));
}

export function forgetAlias(root: string): void {
  const alias = aliasOf(root);
  if (leadsTo(alias, root)) rmSync(alias);
}

function aliasOf(root: string): string {
  const hash = createHash("sha256").update(root).digest("hex").slice(0, 10);
  return join("/tmp", `local-cloud-${process.getuid?.() ?? 0}-${hash}`);
}

function leadsTo(alias: string, root: string): boolean {
  const existing = lstatSync(alias, { throwIfNoEntry: false });
  const ours = existing?.uid === process.getuid?.() && existing?.isSymbolicLink() === true;
  return ours && readlinkSync(alias) === root;
}
