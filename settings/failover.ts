import { backupRegionsFor } from "../components/backup/backupRegions";
import type { Settings } from "./table";

/** The settings as the deployment is made from them: what a failover moves is where it has gone. */
export interface Placed extends Settings {
  /** The primary's region, once everything has left it. */
  lostRegion?: string;
}

/**
 * After a failover everything that was of the primary's region is of the replica's, and there is no replica. Backups are copied only where
 * RDS is known to do so from there: it would refuse after the promotion, and with it all that is made then.
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
      clientSecurityGroupIds: [],
    },
    replica: { ...replica, wanted: false },
    backup: { ...backup, copies: backup.copies && backupRegionsFor(regions.replica).includes(regions.backup) },
  };
}
