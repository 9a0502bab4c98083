/** A stack that is gone, on a cloud that is not: what a new one can be restored from. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { rdsRoot } from "../cloud/aws/rds/api/service";
import { backupArn, listBackups } from "../cloud/aws/rds/backups/automated";
import { bucketType } from "../cloud/aws/s3/handlers";
import { readIfThere, writeWhole } from "../cloud/host/files";
import type { Environment } from "./environment";
import type { LocalOutputs } from "./outputs";

const tokenFile = (root: string) => join(root, "admin-token");

/** Forgets it, and returns what to set for a stack that is made from what it leaves. */
export function loseStack({ directory, outputsFile, state }: Environment): string[] {
  const bucket = state.entries.find(({ type }) => type === bucketType);
  const encryption = state.entries.find(({ type }) => type.endsWith(":BucketServerSideEncryptionConfiguration"));
  const key = /"(arn:[^"]+:kms:[^"]+)"/.exec(JSON.stringify(encryption?.inputs ?? {}))?.[1];
  // The keys in its database are restored with it, and a control plane that finds keys makes none of its own token.
  const { adminToken } = JSON.parse(readFileSync(outputsFile, "utf8")) as LocalOutputs;
  writeWhole(tokenFile(state.root), adminToken);
  rmSync(outputsFile);
  rmSync(join(directory, "state.json"));
  return [
    "the stack is forgotten; of it there are still:",
    ...listBackups(rdsRoot(state.root)).map((backup) => `restoreFrom=${backupArn(backup)}`),
    `restoreBucketArn=${String(bucket?.outputs["arn"])}`,
    `restoreBucketKmsKeyArn=${key}`,
  ];
}

/** The admin token that is in a restored database. */
export function keptToken(root: string): { adminToken?: string } {
  const adminToken = readIfThere(tokenFile(root));
  return adminToken === undefined ? {} : { adminToken };
}
