/** Copies of a backup in another region: whole files, the log before the base backups that need it. */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../host/command";
import { findServiceUser } from "../../../host/user";
import type { BackupPlace } from "./automated";
import { listBases, removeUnfinished } from "./base";
import { oldestNeeded } from "./expiry";
import { isBefore } from "./segments";

/** Brings the copy up to its source, as far as that has got, without what the copy would let expire at once. */
export async function copyBackup(from: BackupPlace, to: BackupPlace, retentionDays: number): Promise<void> {
  removeUnfinished(to);
  const bases = listBases(from);
  const oldest = oldestNeeded(bases, retentionDays, new Date());
  if (oldest === undefined) return;
  const files = readdirSync(from.wal).filter((file) => !file.endsWith(".new") && !isBefore(file, oldest.first));
  for (const file of files.sort()) await copy(from.wal, to.wal, file);
  for (const { name } of bases) if (name >= oldest.name) await copy(from.bases, to.bases, name);
}

/** With the times of its files: those of segments say which moments they reach. As the user that restored servers run as. */
export async function copy(from: string, to: string, name: string): Promise<void> {
  const target = join(to, name);
  if (existsSync(target)) return;
  const user = findServiceUser();
  rmSync(`${target}.new`, { recursive: true, force: true });
  await run("cp", ["-a", join(from, name), `${target}.new`], user && { user });
  renameSync(`${target}.new`, target);
}
