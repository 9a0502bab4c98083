/**
 * `make verify`, `anchor`, `search`, `hold` and `reconcile`: the ops programs that people run, on this machine's
 * deployment.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { readOutputs, type LocalOutputs } from "./outputs";

/** Of `ops/<name>.ts`. */
export const auditorPrograms = {
  verify: "verify the audit trail",
  anchor: "print where every chain of the trail ends now",
  search: "find receipts by words, by id, or the latest",
  hold: "keep months from expiring in the locked bucket: place, release, list",
  reconcile: "name receipts that a failover left behind; --bring-in stores them",
};

/** As its CronJob has them. The replica is preferred by the program itself, where there is one and it answers. */
const databasesOf = (program: string, args: readonly string[], outputs: LocalOutputs) => {
  // Run by hand, it tells the database nothing.
  if (program === "hold") return { DATABASE_URL: undefined, REPLICA_URL: undefined };
  // Only who stores them needs to be the owner.
  if (program === "reconcile")
    return { DATABASE_URL: args.includes("--bring-in") ? outputs.ownerUrl : outputs.verifierUrl };
  return program === "verify"
    ? { DATABASE_URL: outputs.verifierUrl, REPLICA_URL: outputs.verifierReplicaUrl }
    : { DATABASE_URL: outputs.auditorUrl, REPLICA_URL: outputs.replicaUrl };
};

const environmentOf = (program: string, args: readonly string[], outputs: LocalOutputs) => ({
  ...outputs.backupBucketAccess,
  BACKUP_BUCKET: outputs.backupBucket.name,
  BACKUP_REGION: outputs.backupBucket.region,
  BACKUP_BUCKET_OWNER: outputs.backupBucket.owner,
  ...databasesOf(program, args, outputs),
});

/** Returns the program's exit code. */
export function runAsAuditor(outputsFile: string, program: string, args: readonly string[]): number {
  // Not those of somebody's shell: a URL of another deployment, a file with one. What is undefined is not passed on.
  const elsewhere = { DATABASE_URL_FILE: undefined, REPLICA_URL_FILE: undefined };
  const { status, error } = spawnSync(
    process.execPath,
    [join(__dirname, "program.cjs"), join(__dirname, `../ops/${program}.ts`), ...args],
    {
      stdio: "inherit",
      env: { ...process.env, ...elsewhere, ...environmentOf(program, args, readOutputs(outputsFile)) },
    },
  );
  if (error) throw new Error(`cannot start ${program}: ${error.message}`);
  return status ?? 1;
}
