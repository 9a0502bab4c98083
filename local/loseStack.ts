/** A stack that is gone, on a cloud that is not: what a new one can be restored from. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { rdsRoot } from "../cloud/aws/rds/api/service";
import { backupArn, listBackups } from "../cloud/aws/rds/backups/automated";
import { bucketType } from "../cloud/aws/s3/handlers";
import type { State } from "../cloud/engine/state";
import { readIfThere, writeWhole } from "../cloud/host/files";
import type { Recorded, Restored } from "../components/stack/decidedOnce";
import type { Environment } from "./environment";
import type { LocalOutputs } from "./outputs";

const tokenFile = (root: string) => join(root, "admin-token");

/** Forgets it, and returns what to set for a stack that is made from what it leaves. */
export function loseStack(environment: Environment): string[] {
  const { directory, outputsFile, state } = environment;
  const came = cameUp(environment);
  const source = came ? ownBucket(state) : (restoredOf(state) ?? ownBucket(state));
  if (came) {
    // The keys in its database are restored with it, and a control plane that finds keys makes none of its own token.
    const { adminToken } = JSON.parse(readFileSync(outputsFile, "utf8")) as LocalOutputs;
    writeWhole(tokenFile(state.root), adminToken);
    rmSync(outputsFile);
  }
  rmSync(join(directory, "state.json"));
  return [
    came
      ? "the stack is forgotten; of it there are still:"
      : "the stack is forgotten, which never came up whole; to be restored from there are:",
    ...listBackups(rdsRoot(state.root)).map((backup) => `restoreFrom=${backupArn(backup)}`),
    `restoreBucketArn=${source.bucketArn}`,
    `restoreBucketKmsKeyArn=${source.bucketKmsKeyArn}`,
  ];
}

type Source = Pick<Restored, "bucketArn" | "bucketKmsKeyArn">;

function ownBucket({ entries }: State): Source {
  const bucket = entries.find(({ type }) => type === bucketType);
  const encryption = entries.find(({ type }) => type.endsWith(":BucketServerSideEncryptionConfiguration"));
  const key = /"(arn:[^"]+:kms:[^"]+)"/.exec(JSON.stringify(encryption?.inputs ?? {}))?.[1];
  return { bucketArn: String(bucket?.outputs["arn"]), bucketKmsKeyArn: String(key) };
}

/** What it was to be made from, as the program has recorded it. */
const restoredOf = ({ entries }: State): Source | undefined =>
  (entries.find(({ name }) => name === "decided-once")?.outputs["output"] as Recorded | undefined)?.restored;

/** Whether it has come up whole, once at least. */
const cameUp = ({ outputsFile }: Environment) => existsSync(outputsFile);

/** The record of a stack that never came up whole stands in another one's way: what forgets it is the local cloud's own command. */
export function sayHowToForget(error: unknown, environment: Environment): unknown {
  if (error instanceof Error && / but this stack was made /.test(error.message) && !cameUp(environment))
    error.message +=
      "\nThis stack never came up whole: `./authensor lose-stack` forgets it, and says what there is to be restored from. " +
      "Then begin anew, with any settings.";
  return error;
}

/** The admin token that is in a restored database. */
export function keptToken(root: string): { adminToken?: string } {
  const adminToken = readIfThere(tokenFile(root));
  return adminToken === undefined ? {} : { adminToken };
}
