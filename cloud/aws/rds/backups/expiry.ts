/** What of a backup is older than anything that can still be restored by it. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { removeBackup, type AutomatedBackup, placeOf } from "./automated";
import { listBases, type Base } from "./base";
import { isBefore } from "./segments";

const day = 24 * 3600 * 1000;

/** The oldest base backup that its retention needs: the newest from before it began. What is older may go, with its log. */
export function oldestNeeded(bases: readonly Base[], retentionDays: number, now: Date): Base | undefined {
  const begins = now.getTime() - retentionDays * day;
  return bases.findLast(({ endedAt }) => new Date(endedAt).getTime() <= begins) ?? bases[0];
}

/** Removes what has expired; of one that has ended, everything in time. */
export function expire(rds: string, backup: AutomatedBackup, now: Date): void {
  const { endedAt, retentionDays } = backup;
  if (endedAt !== undefined && new Date(endedAt).getTime() + retentionDays * day < now.getTime())
    return removeBackup(rds, backup);
  const place = placeOf(rds, backup);
  const bases = listBases(place);
  const oldest = oldestNeeded(bases, retentionDays, now);
  if (oldest === undefined) return;
  for (const { name } of bases.filter(({ name }) => name < oldest.name))
    rmSync(join(place.bases, name), { recursive: true, force: true });
  for (const file of readdirSync(place.wal))
    if (/^[0-9A-F]{24}\b/.test(file) && isBefore(file, oldest.first)) rmSync(join(place.wal, file), { force: true });
}
