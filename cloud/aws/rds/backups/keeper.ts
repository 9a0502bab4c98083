/** Looks after every backup, in the background: a base backup each day, copies in other regions, and what expires. */
import { findServiceUser } from "../../../host/user";
import { find } from "../api/known";
import { serverBehind } from "../api/servers";
import {
  announceBackup,
  endBackup,
  findBackup,
  listBackups,
  makePlace,
  placeOf,
  type AutomatedBackup,
} from "./automated";
import { listBases, takeBase } from "./base";
import { copyBackup } from "./copies";
import { expire } from "./expiry";

const day = 24 * 3600 * 1000;

/** One round. What fails is said and tried again in the next; the others go on. */
export async function keepBackups(rds: string, signal: AbortSignal, now = new Date()): Promise<void> {
  const backups = listBackups(rds);
  // Copies last: they have what was new in this round.
  for (const backup of backups.sort((a, b) => Number(a.copyOf !== undefined) - Number(b.copyOf !== undefined))) {
    try {
      if (backup.endedAt === undefined) await keep(rds, backup, signal, now);
      expire(rds, backup, now);
    } catch (error) {
      signal.throwIfAborted();
      console.error(`backup of ${backup.instance.identifier} in ${backup.region}: ${(error as Error).message}`);
    }
  }
}

async function keep(rds: string, backup: AutomatedBackup, signal: AbortSignal, now: Date): Promise<void> {
  const owner = findServiceUser();
  const place = makePlace(rds, backup, owner);
  if (backup.copyOf !== undefined) {
    const source = findBackup(rds, backup.copyOf);
    if (source === undefined) return endBackup(rds, backup, owner);
    await copyBackup(placeOf(rds, source), place, backup.retentionDays);
    // What a restore needs to know of the instance.
    return announceBackup(rds, { ...backup, instance: source.instance }, owner);
  }
  const newest = listBases(place).at(-1);
  const fresh = newest !== undefined && new Date(newest.endedAt).getTime() + day > now.getTime();
  // The log of another major version leads on from no earlier one's.
  if (fresh && newest.major === backup.instance.major) return;
  const known = find(rds, backup.region, backup.instance.identifier);
  if (known === undefined) return;
  const server = serverBehind(known, signal);
  // A standby does not archive; once it is promoted, it does.
  if (server.alive && !(await isStandby(server))) await takeBase(server, place);
}

async function isStandby(server: ReturnType<typeof serverBehind>): Promise<boolean> {
  const [row] = await server.query<{ standby: boolean }>("select pg_is_in_recovery() as standby");
  return row?.standby !== false;
}
