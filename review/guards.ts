/** What protects data and would no longer, or otherwise: nothing is lost by it yet. */
import type { Change } from "./change";
import { shown } from "./values";

type Guard = (change: Change) => string | undefined;

/** A property that had this value and has another one now. */
const no = (property: string, protecting: boolean, what: string): Guard => {
  return ({ kind, before, after }) =>
    kind === "update" && before[property] === protecting && after[property] !== protecting ? what : undefined;
};

/** A resource that is nothing but a guard. */
const altered = (what: string): Guard => {
  return ({ kind }) => (kind === "create" ? undefined : `${what} ${kind === "delete" ? "goes" : "changes"}`);
};

const fewerDays: Guard = ({ kind, before, after }) => {
  const [was, will] = [before["backupRetentionPeriod"], after["backupRetentionPeriod"]];
  return kind === "update" && Number(will) < Number(was)
    ? `it can be restored to any second of ${shown(will)} days, no longer of ${shown(was)}`
    : undefined;
};

/** By Pulumi type token. */
const guards: Readonly<Record<string, readonly Guard[]>> = {
  "aws:rds/instance:Instance": [
    no("deletionProtection", true, "RDS no longer refuses to delete it"),
    no("skipFinalSnapshot", false, "no final snapshot is made when it is deleted"),
    no("publiclyAccessible", false, "it gets an address in the Internet"),
    fewerDays,
  ],
  "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": [altered("the lock of new objects")],
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": [
    altered("the rule that deletes objects by their age"),
  ],
  "aws:s3/bucketPolicy:BucketPolicy": [altered("the bucket's policy")],
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": [altered("the block of public access")],
  "aws:s3/bucketVersioning:BucketVersioning": [altered("the bucket's versioning")],
};

/** The engine's own, on any resource that stays. */
const engines: readonly Guard[] = [
  ({ old, step }) =>
    old?.protect && step.newState && !step.newState.protect ? "Pulumi no longer refuses to delete it" : undefined,
  ({ old, step }) =>
    old?.retainOnDelete && step.newState && !step.newState.retainOnDelete ? "a destroy no longer keeps it" : undefined,
];

export const guardsLost = (change: Change): string[] =>
  [...engines, ...(guards[change.type] ?? [])].flatMap((guard) => guard(change) ?? []);
