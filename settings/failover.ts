import { backupRegionsFor } from "../components/backup/backupRegions";
import type { Settings } from "./table";

/** The settings as the deployment is made from them: what a failover moves is where it has gone. */
export interface Placed extends Settings {
  /** The region that a failover is under way from. */
  lostRegion?: string;
}

/**
 * In a failover everything that was of the primary's region is of the replica's, and there is no replica: what the
 * settings themselves say once they name the primary's new place (docs/failover.md), and then a replica with it.
 * Backups are copied only where RDS is known to do so from there: it would refuse after the promotion, and with it all
 * that is made then.
 */
export function placed(settings: Settings): Placed {
  const { regions, replica, database, kmsKeyArns, backup } = settings;
  const { promoted, eksClusterName } = replica;
  // Not set is refused with a sentence of its own (crossChecks.ts).
  if (!promoted || regions.replica === undefined || eksClusterName === undefined) return settings;
  return {
    ...settings,
    lostRegion: regions.primary,
    regions: { ...regions, primary: regions.replica, replica: undefined },
    eksClusterName,
    kmsKeyArns: { ...kmsKeyArns, primary: kmsKeyArns.replica, replica: undefined },
    // Security groups are of one VPC.
    database: {
      ...database,
      instanceClass: replica.instanceClass,
      subnetIds: replica.subnetIds,
      // Another standby would make the promotion longer, and everybody waits for it.
      multiAz: false,
      clientSecurityGroupIds: [],
    },
    replica: { ...replica, wanted: false },
    backup: { ...backup, copies: backup.copies && backupRegionsFor(regions.replica).includes(regions.backup) },
  };
}

/**
 * What is left to a stack that has failed over alone: its bucket stays where it is, be that the primary's region now,
 * or one that RDS copies no backups to from there. Undefined where nothing of it is the case.
 */
export function onlyAfterFailover({ regions: { primary, backup }, database, backup: { copies } }: Settings) {
  if (backup === primary)
    return `backupRegion must differ from primaryRegion ${primary}: only where a stack has failed over to are both in one region.`;
  return !copies && database.deletionProtection
    ? `backupCopies is false, and deletionProtection true: choose a backupRegion that RDS copies backups to from primaryRegion ${primary}. ` +
        `Only a stack that has failed over goes on without: protected data needs a copy elsewhere.`
    : undefined;
}
