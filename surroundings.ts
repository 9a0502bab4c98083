import * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";
import { onlyAfterFailover, type Placed } from "./settings/failover";
import { restoredBy } from "./settings/restoreChecks";
import { checkKeys } from "./components/aws/givenKeys";
import { checkOtherAccount } from "./components/backup/otherAccount";
import { isReplica } from "./components/database/isReplica";
import { databaseCa } from "./components/connections/databaseCa";
import { ingressSources } from "./components/controlPlane/ingressRules";
import { untold } from "./components/monitoring/untold";
import { lookUpCluster } from "./components/network/clusterNetwork";
import { lookUpDrillPlace, lookUpReplicaPlace } from "./components/network/serverPlace";
import { acknowledgements } from "./components/programs/acknowledgements";
import { awsProvider } from "./components/stack/accountAccess";
import { kubernetesProvider } from "./components/stack/clusterAccess";
import { decideOnce } from "./components/stack/decidedOnce";
import { recordMajorVersion, unfinished } from "./components/stack/majorVersion";
import { unpinnedImages } from "./components/stack/imagePins";

/**
 * What the settings lead to: files that are read, and what is there already on AWS. All of it is checked, and what is merely unwise is
 * said, before anything is made. Without a replica nothing of its region is looked up, made or trusted; without drills nothing for them.
 */
export async function surroundings(settings: Placed) {
  const { environment, account, regions, database, backup, alarms } = settings;
  const replicaRegion = settings.replica.wanted ? regions.replica : undefined;
  const drillRegion = settings.drill.wanted && backup.copies ? regions.backup : undefined;
  const serverRegions = [regions.primary, replicaRegion].filter((region) => region !== undefined);

  const warnings = [
    ...unpinnedImages(settings),
    ...untold(alarms, serverRegions),
    ...unfinished(database.majorUpgrade, settings.replica.wanted),
  ];
  if (database.deletionProtection) for (const warning of warnings) await pulumi.log.warn(warning);
  // That of backups whether or not drills restore there now: every pod that trusts it rolls when it changes.
  const trustedCa = databaseCa([...serverRegions, regions.backup], database.caFile);
  const acknowledged = acknowledgements(settings.verification.acknowledgedFile);

  const cloud = awsProvider(regions.primary, account);
  const lookUp = { provider: cloud };
  const cluster = await lookUpCluster(
    { name: settings.eksClusterName, region: regions.primary, subnetIds: database.subnetIds },
    lookUp,
  );
  const { ingress } = settings;
  const ingressFrom = ingress && ingressSources(ingress.from, cluster);
  const replicaPlace = replicaRegion && (await lookUpReplicaPlace(replicaRegion, settings.replica, lookUp));
  const drillPlace = drillRegion && (await lookUpDrillPlace(drillRegion, settings.drill.cidr, lookUp));
  await checkKeys(settings.kmsKeyArns, lookUp);
  if (backup.bucketKmsKeyArn !== undefined) await checkOtherAccount(backup.bucketKmsKeyArn, lookUp);
  const decided = {
    environment,
    primaryRegion: regions.primary,
    backupRegion: regions.backup,
    postgresVersion: database.postgresVersion,
    primaryKmsKeyArn: settings.kmsKeyArns.primary ?? "",
    vpcId: cluster.vpcId,
    createNamespace: settings.createNamespace,
  };
  const {
    lostRegions = [],
    promoted,
    postgresVersion,
    restored,
  } = await decideOnce(decided, settings.lostRegion, restoredBy(settings));
  if (restored !== undefined && restored.bucketArn === backup.bucketArn)
    throw new RunError(
      `backupBucketArn must differ from ${restored.bucketArn}, which the database archived into that this stack was restored from: ` +
        `its archive would go on in another timeline. Name another bucket, or none (docs/restore.md).`,
    );
  await recordMajorVersion(database.postgresVersion, database.majorUpgrade, postgresVersion);
  const tooEarly = lostRegions.length === 0 ? onlyAfterFailover(settings) : undefined;
  if (tooEarly !== undefined) throw new RunError(tooEarly);
  if (settings.lostRegion !== undefined && promoted?.identifier === undefined)
    throw new RunError(
      `The state forgot ${settings.lostRegion} without noting which server to promote: import before.json again, and have the region ` +
        `forgotten with this version (docs/failover.md, step 2).`,
    );
  return {
    failovers: lostRegions.length,
    /** Whether a failover is under way whose server was not promoted yet. */
    awaitsPromotion:
      settings.lostRegion !== undefined &&
      promoted !== undefined &&
      (await isReplica(promoted.identifier, regions.primary, lookUp)),
    /** What the first primary was made from; undefined where it was made empty, or is not the primary any more. */
    restored: lostRegions.length === 0 ? restored : undefined,
    /** Where the server answers that the last failover promotes, or has promoted. */
    promoted,
    /** Of PEM: what signs the servers' certificates. */
    databaseCa: trustedCa,
    /** The findings that were looked into, as JSON. */
    acknowledged,
    cluster,
    /** Where the replica goes, and what drills restore. */
    places: { replica: replicaPlace || undefined, drill: drillPlace || undefined },
    ingress: ingress && ingressFrom && { ...ingress, from: ingressFrom },
    providers: { aws: cloud, kubernetes: kubernetesProvider(cluster, account.deployRoleArn) },
  };
}
