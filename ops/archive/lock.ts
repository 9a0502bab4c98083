/**
 * How the bucket must lock what is written to it: at least as the settings of the deployment say, whoever the bucket is
 * of.
 */
import { integerSetting, textSetting } from "../program";

export interface Lock {
  mode: string;
  days: number;
}

/** BACKUP_LOCK_MODE and BACKUP_LOCK_DAYS; undefined where they are not set: any lock will do. */
export function lockSetting(): Lock | undefined {
  const days = integerSetting("BACKUP_LOCK_DAYS", 0);
  return days === 0 ? undefined : { mode: textSetting("BACKUP_LOCK_MODE", "COMPLIANCE"), days };
}

export const isWeaker = (wanted: Lock, mode: string | undefined, days: number): boolean =>
  (mode !== "COMPLIANCE" && mode !== wanted.mode) || days < wanted.days;

export const sayDemanded = ({ mode, days }: Lock): string => `lockMode ${mode} and lockDays ${days} demand more`;

export const howToLock =
  "Set the bucket's default retention so: pulumi up does for a bucket of this stack; one in another account has settings of its own (backup-account/). If it is right as it is, set lockMode and lockDays to what it has.";
