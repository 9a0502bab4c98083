import type * as pulumi from "@pulumi/pulumi";
import {
  type ClusterNetwork,
  lookUpCluster,
  lookUpVpc,
  lookUpZones,
  type Keys,
  type VpcNetwork,
} from "./clusterNetwork";
import type { NewVpc } from "./isolatedVpc";
import { isolatedVpcDefaults } from "./isolatedVpcDefaults";

/** A VPC that is there, from `lookUpCluster` or `lookUpVpc`. */
export interface ExistingVpc {
  existing: VpcNetwork;
  /** Whether it and the cluster's VPC reach each other already (a transit gateway, a peering): then nothing connects them here. */
  connected: boolean;
  /** The cluster that it is the VPC of, whose pods take over after a failover. Default: none is named. */
  standby?: ClusterNetwork | undefined;
}

/** Where a server goes that is not beside the cluster: the replica, or what a drill restores. */
export type ServerPlace = { region: string } & (NewVpc | ExistingVpc);

/** Every IPv4 block that a server there can have its address in. */
export const blocksOf = (place: ServerPlace): readonly string[] =>
  "existing" in place ? place.existing.cidrBlocks : [place.cidr];

/**
 * The blocks of a server, for the network policies of the cluster's pods. Pods of an IPv6 cluster reach IPv4 through an address of
 * the node's own, and policies there know IPv6 only: no block.
 */
export const policyBlocks = ({ ipFamily }: Pick<ClusterNetwork, "ipFamily">, blocks: readonly string[]) =>
  ipFamily === "ipv6" ? [] : blocks;

export interface PlaceArgs {
  /** Private IPv4 block of the VPC that is made, /16 to /24. Default: `isolatedVpcDefaults`. */
  cidr?: string | undefined;
  /** Zones that it spans, two or three. Default: `isolatedVpcDefaults`. */
  zones?: number | undefined;
  /** An existing VPC to use instead, with `subnetIds`. */
  vpcId?: string | undefined;
  /** An existing EKS cluster whose VPC to use instead. */
  eksClusterName?: string | undefined;
  /** Subnets of either. Default beside a cluster: those that carry the tag of private ones. */
  subnetIds?: readonly string[];
  /** Whether that VPC and the primary's reach each other already. Default: false. */
  connected?: boolean;
}

const keys: Keys = { cluster: "replicaEksClusterName", region: "replicaRegion", subnets: "replicaSubnetIds" };

/** The replica's: beside a cluster, in a VPC that is there, or in one that is to be made. */
export async function lookUpReplicaPlace(
  region: string,
  {
    cidr = isolatedVpcDefaults.cidr,
    zones = isolatedVpcDefaults.zones,
    vpcId,
    eksClusterName: name,
    subnetIds = [],
    connected = false,
  }: PlaceArgs,
  opts?: pulumi.InvokeOptions,
): Promise<ServerPlace> {
  if (name !== undefined) {
    const standby = await lookUpCluster({ name, region, subnetIds, keys }, opts);
    return { region, connected, existing: standby, standby };
  }
  if (vpcId !== undefined) {
    const named = { vpcId, region, subnetIds, keys: { vpc: "replicaVpcId", subnets: keys.subnets } };
    return { region, connected, existing: await lookUpVpc(named, opts) };
  }
  return { region, cidr, zones: await lookUpZones(region, zones, undefined, opts) };
}

/** That of the instances which drills restore into: a VPC to be made, over as few zones as RDS takes. */
export async function lookUpDrillPlace(
  region: string,
  cidr: string,
  opts?: pulumi.InvokeOptions,
): Promise<ServerPlace> {
  const named = { region: "backupRegion", count: "the zones that RDS needs" };
  return { region, cidr, zones: await lookUpZones(region, 2, named, opts) };
}
