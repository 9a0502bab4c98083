/** Object Lock: who may remove what, and until when. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html */
import { S3Error } from "./errors";

export const lockModes = ["GOVERNANCE", "COMPLIANCE"] as const;
export type LockMode = (typeof lockModes)[number];

export interface Retention {
  mode: LockMode;
  /** ISO time. */
  until: string;
}

export interface Lock {
  retention?: Retention | undefined;
  legalHold?: boolean | undefined;
}

export interface DefaultRetention {
  mode: LockMode;
  days?: number | undefined;
  years?: number | undefined;
}

const day = 24 * 3600 * 1000;

/** From a bucket's default, for what is stored now. */
export function defaultRetention({ mode, days, years }: DefaultRetention, now: Date): Retention {
  return { mode, until: new Date(now.getTime() + (days ?? (years ?? 0) * 365) * day).toISOString() };
}

export function parseRetention(mode: string | undefined, until: string | undefined, now: Date): Retention {
  const known = lockModes.find((one) => one === mode);
  if (known === undefined) throw new S3Error("InvalidArgument", `${mode} is no mode of Object Lock`);
  const time = new Date(until ?? "");
  if (Number.isNaN(time.getTime()))
    throw new S3Error("InvalidArgument", "the retain until date must be an ISO 8601 time");
  if (time <= now) throw new S3Error("InvalidArgument", "The retain until date must be in the future!");
  return { mode: known, until: time.toISOString() };
}

const inForce = (retention: Retention | undefined, now: Date): Retention | undefined =>
  retention && new Date(retention.until) > now ? retention : undefined;

const protectedByLock = () => new S3Error("AccessDenied", "Access Denied because object protected by object lock.");

export const isLocked = ({ retention, legalHold }: Lock, now: Date): boolean =>
  legalHold === true || inForce(retention, now) !== undefined;

/** @throws where the version must stay. `bypass`: the caller asks for it, and is permitted to. */
export function checkRemoval({ retention, legalHold }: Lock, now: Date, bypass: boolean): void {
  if (legalHold) throw protectedByLock();
  checkLifting(inForce(retention, now), bypass);
}

/** @throws where the retention in force may not become this one: under COMPLIANCE it can only grow. */
export function checkRetention({ retention }: Lock, wanted: Retention | undefined, now: Date, bypass: boolean): void {
  const before = inForce(retention, now);
  if (before === undefined) return;
  const grows = wanted?.mode === before.mode && wanted.until >= before.until;
  if (!grows) checkLifting(before, bypass);
}

function checkLifting(retention: Retention | undefined, bypass: boolean): void {
  if (retention === undefined || (retention.mode === "GOVERNANCE" && bypass)) return;
  throw protectedByLock();
}
