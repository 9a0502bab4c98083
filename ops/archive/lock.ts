/**
 * How the bucket must lock what is written to it: at least as the settings of the deployment say, whoever the bucket is
 * of.
 */
import * as z from "zod/mini";
import { integerSetting, textSetting } from "../program";
import { count } from "./decode";

/** What was demanded of an object is in its manifest, so that a lock that was shortened later is seen. */
export const lockSchema = z.object({ mode: z.string(), days: count });

export type Lock = z.infer<typeof lockSchema>;

/** How an object is locked; its days are those from when it was stored. */
export interface Locked extends Lock {
  until: Date;
}

/** BACKUP_LOCK_MODE and BACKUP_LOCK_DAYS; undefined where they are not set: any lock will do. */
export function lockSetting(): Lock | undefined {
  const days = integerSetting("BACKUP_LOCK_DAYS", 0);
  return days === 0 ? undefined : { mode: textSetting("BACKUP_LOCK_MODE", "COMPLIANCE"), days };
}

export const isWeaker = (wanted: Lock, is: Lock | undefined): boolean =>
  is === undefined || (is.mode !== "COMPLIANCE" && is.mode !== wanted.mode) || is.days < wanted.days;

export const sayDemanded = ({ mode, days }: Lock): string => `lockMode ${mode} and lockDays ${days} demand more`;

export const howToLock =
  "Set the bucket's default retention so: pulumi up does for a bucket of this stack; one in another account has settings of its own (backup-account/). If it is right as it is, set lockMode and lockDays to what it has.";

/** What is wrong with an object's lock, in a sentence. @param wanted what was demanded when it was written, where that is known */
export function sayUnlocked(key: string, is: Locked | undefined, wanted: Lock | undefined): string[] {
  if (!wanted || !isWeaker(wanted, is)) return [];
  const lock = is
    ? `locked in ${is.mode} mode until ${is.until.toISOString()}`
    : "not locked, or this reader lacks s3:GetObjectRetention";
  return [
    `${key} is ${lock}, and was written to be locked in ${wanted.mode} mode for ${wanted.days} days: it may go before its time (docs/backups.md, Locks, says how to lock it anew)`,
  ];
}
