/** A snapshot of the primary, as `aws rds create-db-snapshot` makes one: it outlives its stack. */
import { rdsRoot } from "../cloud/aws/rds/api/service";
import { findBackup } from "../cloud/aws/rds/backups/automated";
import { snapshotArn, takeSnapshot } from "../cloud/aws/rds/backups/snapshots";
import { instanceType } from "../cloud/aws/rds/lookup";
import type { Environment } from "./environment";

/** Returns its ARN. */
export async function snapshotPrimary({ state }: Environment, name: string, signal: AbortSignal): Promise<string> {
  const primary = state.entries.find(
    ({ type, inputs }) => type === instanceType && inputs["replicateSourceDb"] === undefined,
  );
  const rds = rdsRoot(state.root);
  const { region, localBackupId: id } = (primary?.outputs ?? {}) as Record<string, string>;
  const backup = region === undefined || id === undefined ? undefined : findBackup(rds, { region, id });
  if (backup === undefined) throw new Error("there is no primary with automated backups");
  return snapshotArn(await takeSnapshot(rds, { backup, name, signal }));
}
