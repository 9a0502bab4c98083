import * as pulumi from "@pulumi/pulumi";
import { BackupReplication } from "../backup/backupReplication";
import type { DrillTarget } from "../backup/drillRights";
import type { ClusterNetwork } from "../network/clusterNetwork";
import type { Credentials } from "./credentials";
import { DatabaseSecrets } from "./databaseSecrets";
import { DrillGround } from "./drillGround";
import { logRetentionOf } from "./serverLogs";
import { monitoringRole } from "./databaseServer";
import { Network } from "../network/network";
import { Primary, type PrimaryArgs } from "./primary";
import { Replica, ReplicaGround } from "./replica";
import type { Endpoint, WatchedServers, WritingServer } from "./servers";
import { complete, type WithDefaults } from "../stack/defaults";
import { withoutReplica } from "../stack/majorVersion";
import { serverNames } from "../stack/serverNames";
import { blocksOf, policyBlocks, type ServerPlace } from "../network/serverPlace";

/** What holds where nothing is said: what the program's settings have too. */
export const databaseDefaults = {
  postgresVersion: "17",
  storageGib: 20,
  maxStorageGib: 100,
  multiAz: true,
  maxConnections: 200,
  backupRetentionDays: 7,
  logRetentionDays: logRetentionOf(24),
  deletionProtection: true,
  keepAfterDestroy: true,
  applyImmediately: true,
  majorUpgrade: "none",
  engineLifecycleSupport: "open-source-rds-extended-support-disabled",
  passwordGeneration: 1,
  failovers: 0,
} as const;

/** What the primary alone is told, what both servers are told alike, and where everything goes. */
interface AllDatabaseArgs extends Omit<
  PrimaryArgs,
  "region" | "kmsKeyArn" | "vpcId" | "subnetIds" | "securityGroupId" | "ownerPassword" | "transform"
> {
  /** Region of the primary, and the one that its backups are copied into. */
  regions: { primary: string; backup: string };
  /** ARNs of KMS keys to use, each of the region that it is named after. Default: one is made for each purpose. */
  kmsKeyArns?: { primary?: string | undefined; replica?: string | undefined; backup?: string | undefined };
  /** The EKS cluster's network, from `lookUpCluster`: the primary is placed in it. */
  cluster: ClusterNetwork;
  /** Security groups that may reach the primary. Default: none is named, and the cluster's VPC may. */
  clientSecurityGroupIds?: readonly string[];
  /** Where the replica goes, and its RDS instance class. Default: there is none. */
  replica?: { place: ServerPlace; instanceClass: string } | undefined;
  /**
   * How often a replica was promoted, because the primary's region was lost: the last one that was is the primary, in
   * `regions.primary`.
   */
  failovers: number;
  /**
   * Makes what must have succeeded before the last one of these is promoted. Default: nothing, since it was promoted
   * before.
   */
  beforePromotion?: ((ground: BeforePromotion) => pulumi.Resource) | undefined;
  /** Raised by one, it makes new passwords and keeps those of the generation before. */
  passwordGeneration: number;
  /** Days that copies of the backups in another region can be restored to, 1 to 35. Default: none are made. */
  copyRetentionDays?: number | undefined;
  /** Where drills restore the copies, in their region. Default: there are no drills. */
  drill?: ServerPlace | undefined;
}

/** What is there of the database before its server is. */
export interface BeforePromotion {
  verifier: Credentials;
  /** What admits to the server. */
  network: Network;
}

/** Arguments of `Database`; `databaseDefaults` has what holds for those that are left out. */
export type DatabaseArgs = WithDefaults<AllDatabaseArgs, typeof databaseDefaults>;

/**
 * The database on RDS: the networks that admit its clients, its roles' passwords, the primary, the replica in another region, and
 * copies of RDS' backups in a third.
 * @throws where private subnets in two zones are missing, address blocks of connected VPCs overlap, or a VPC that is shared by another
 * account would have to be connected; all problems at once, each with what to do
 * @throws where `instanceClass` is none that parameters can be sized for
 */
export class Database extends pulumi.ComponentResource {
  readonly network: Network;
  readonly secrets: DatabaseSecrets;
  readonly primary: WritingServer;
  readonly replica: Replica | undefined;
  readonly copies: BackupReplication | undefined;
  /** The servers, as what watches them needs to know them. */
  readonly watched: WatchedServers;
  /** Where clients find the servers. */
  readonly endpoints: { primary: Endpoint; replica: Endpoint | undefined };
  /** What drills restore, what they give to their instance, and where that can be found. */
  readonly drillTarget: (DrillTarget & { blocks: readonly string[] }) | undefined;

  constructor(name: string, given: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:database:Database", name, {}, opts);
    const args = complete<AllDatabaseArgs, typeof databaseDefaults>(given, databaseDefaults);
    const {
      regions,
      kmsKeyArns = {},
      cluster,
      replica,
      drill,
      backupRetentionDays,
      copyRetentionDays,
      ...server
    } = args;
    const { tags } = server;
    const child = { parent: this };

    this.network = new Network(
      name,
      {
        cluster,
        primaryRegion: regions.primary,
        replica: replica?.place,
        failovers: args.failovers,
        drill,
        clientSecurityGroupIds: args.clientSecurityGroupIds,
        tags,
      },
      child,
    );
    this.secrets = new DatabaseSecrets(
      `${name}-roles`,
      {
        primaryRegion: regions.primary,
        replicaRegion: replica?.place.region,
        kmsKeyArn: kmsKeyArns.primary,
        replicaKmsKeyArn: kmsKeyArns.replica,
        generation: args.passwordGeneration,
        tags,
      },
      child,
    );
    const { password: ownerPassword } = this.secrets.credentials.current.owner;
    const home = {
      ...server,
      backupRetentionDays,
      region: regions.primary,
      kmsKeyArn: kmsKeyArns.primary,
      vpcId: cluster.vpcId,
      subnetIds: this.network.primarySubnetIds,
      securityGroupId: this.network.primarySecurityGroup.id,
    };
    const names = serverNames(name, args.failovers);
    let monitoringRoleArn: pulumi.Output<string>;
    if (args.failovers > 0) {
      const { verifier } = this.secrets.credentials.current;
      const agreed = args.beforePromotion?.({ verifier, network: this.network });
      const monitoring = monitoringRole(`${name}-replica-monitoring`, home, this);
      monitoringRoleArn = monitoring.arn;
      this.primary = new Replica(
        names.primary,
        { ...home, role: { ownerPassword, multiAz: args.multiAz }, monitoringRoleArn },
        { ...child, dependsOn: [monitoring.allowed, ...(agreed ? [agreed] : [])] },
      );
    } else {
      const primary = new Primary(names.primary, { ...home, ownerPassword }, child);
      monitoringRoleArn = primary.monitoringRoleArn;
      this.primary = primary;
    }
    const away = replica &&
      this.network.replica && {
        ...server,
        region: replica.place.region,
        kmsKeyArn: kmsKeyArns.replica,
        instanceClass: replica.instanceClass,
        vpcId: this.network.replica.vpcId,
        subnetIds: this.network.replica.subnetIds,
        securityGroupId: this.network.replica.securityGroup.id,
      };
    const removed = withoutReplica(args.majorUpgrade);
    this.replica =
      away && !removed
        ? new Replica(names.replica, { ...away, role: { sourceArn: this.primary.arn }, monitoringRoleArn }, child)
        : undefined;
    if (away && removed) new ReplicaGround(names.replica, away, child);
    this.copies =
      copyRetentionDays === undefined
        ? undefined
        : new BackupReplication(
            `${name}-backup-copies`,
            {
              ...server,
              region: regions.backup,
              kmsKeyArn: kmsKeyArns.backup,
              sourceArn: this.primary.arn,
              retentionDays: copyRetentionDays,
            },
            // While RDS makes the replica, the primary is `modifying` and takes no second order.
            { ...child, dependsOn: this.replica },
          );

    const { copies, network } = this;
    if (copies && network.drill && drill) {
      const ground = new DrillGround(`${name}-drill`, { ...server, network: network.drill }, child);
      const blocks = policyBlocks(cluster, blocksOf(drill));
      this.drillTarget = { ...ground.target, copiesArn: copies.arn, copiesKeyArn: copies.key.arn, blocks };
    }

    this.watched = {
      primary: {
        ...{ name: names.primary, server: this.primary },
        ...{ region: regions.primary, instanceClass: args.instanceClass },
      },
      replica: this.replica &&
        replica && {
          ...{ name: names.replica, server: this.replica },
          ...{ region: replica.place.region, instanceClass: replica.instanceClass },
        },
      removedReplica: removed && away ? { name: names.replica, region: away.region } : undefined,
    };
    const endpoint = ({ address: host, port }: WritingServer, blocks: readonly string[]): Endpoint => {
      return { host, port, blocks: policyBlocks(cluster, blocks) };
    };
    this.endpoints = {
      primary: endpoint(this.primary, cluster.cidrBlocks),
      replica: this.replica && replica && endpoint(this.replica, blocksOf(replica.place)),
    };

    this.registerOutputs({ primary: this.primary.identifier, replica: this.replica?.identifier });
  }
}
