import type * as pulumi from "@pulumi/pulumi";
import { lookUpCluster, lookUpVpc, lookUpZones, type Keys } from "./clusterNetwork";
import type { ReplicaPlace } from "./serverNetwork";
import type { NewVpc } from "./replicaVpc";
import { replicaVpcDefaults } from "./replicaVpcDefaults";

export interface ReplicaPlaceArgs {
  /** Private IPv4 block of the VPC that is made, /16 to /24. Default: `replicaVpcDefaults`. */
  cidr?: string | undefined;
  /** Zones that it spans, two or three. Default: `replicaVpcDefaults`. */
  zones?: number | undefined;
  /** An existing VPC to use instead, with `subnetIds`. */
  vpcId?: string | undefined;
  /** An existing EKS cluster whose VPC to use instead. */
  eksClusterName?: string | undefined;
  /** Subnets of either. Default beside a cluster: those that carry the tag of private ones. */
  subnetIds: readonly string[];
  /** Whether that VPC and the primary's reach each other already. */
  connected: boolean;
}

const keys: Keys = { cluster: "replicaEksClusterName", region: "replicaRegion", subnets: "replicaSubnetIds" };

/** The VPC that is made for the instances that drills restore into. */
export async function lookUpDrillPlace(region: string, cidr: string, opts?: pulumi.InvokeOptions): Promise<NewVpc> {
  // As few as RDS takes.
  return {
    cidr,
    zones: await lookUpZones(region, 2, { region: "backupRegion", count: "the zones that RDS needs" }, opts),
  };
}

/** Where the replica goes: beside a cluster, into a VPC that is there, or into one that is to be made. */
export async function lookUpReplicaPlace(
  region: string,
  {
    cidr = replicaVpcDefaults.cidr,
    zones = replicaVpcDefaults.zones,
    vpcId,
    eksClusterName: name,
    subnetIds,
    connected,
  }: ReplicaPlaceArgs,
  opts?: pulumi.InvokeOptions,
): Promise<ReplicaPlace> {
  if (name !== undefined)
    return { region, connected, existing: await lookUpCluster({ name, region, subnetIds, keys }, opts) };
  if (vpcId !== undefined) {
    const named = { vpcId, region, subnetIds, keys: { vpc: "replicaVpcId", subnets: keys.subnets } };
    return { region, connected, existing: await lookUpVpc(named, opts) };
  }
  return { region, cidr, zones: await lookUpZones(region, zones, undefined, opts) };
}
