import type { CrossCheck } from "./crossCheck";

/** Of the subnets of a database server. */
export const tooFew = (ids: readonly string[]) =>
  ids.length === 1 ? "must name at least two subnets in two zones: RDS requires them" : undefined;

/** Where the replica goes: into a VPC that is made, into one that is named, or beside a cluster that is named. */
export const replicaPlace: readonly CrossCheck[] = [
  {
    key: "replicaVpcId",
    broken: ({ replica: { wanted, vpcId, subnetIds, eksClusterName } }) => {
      if (vpcId === undefined) return undefined;
      if (!wanted) return "must not be set while replica is false";
      if (eksClusterName !== undefined) return "must not be set with replicaEksClusterName, whose VPC is looked up";
      return subnetIds.length === 0 ? "needs replicaSubnetIds: at least two subnets of this VPC" : undefined;
    },
  },
  {
    key: "replicaEksClusterName",
    broken: ({ replica: { wanted, eksClusterName } }) =>
      eksClusterName !== undefined && !wanted ? "must not be set while replica is false" : undefined,
  },
  ...(["cidr", "zones"] as const).map((property): CrossCheck => ({
    key: property === "cidr" ? "replicaCidr" : "replicaZones",
    broken: ({ replica: { vpcId, eksClusterName, [property]: given } }) => {
      const place = vpcId === undefined ? eksClusterName && "replicaEksClusterName" : "replicaVpcId";
      return given !== undefined && place !== undefined
        ? `must not be set with ${place}: it is of the VPC that is made, and none is made`
        : undefined;
    },
  })),
  {
    key: "failedOver",
    broken: ({ replica: { promoted, wanted, eksClusterName } }) =>
      promoted && (!wanted || eksClusterName === undefined)
        ? "needs replicaEksClusterName, set and deployed before the region is lost: the replica is promoted beside that cluster, and all pods run there"
        : undefined,
  },
  {
    key: "fencedRegion",
    broken: ({ regions, replica: { fencedRegion } }) =>
      fencedRegion !== undefined && fencedRegion !== regions.primary
        ? `must be primaryRegion ${regions.primary}, or not set: once the primary is in another region, take it away, or the way back would close the server that it promotes`
        : undefined,
  },
  {
    key: "acceptMissing",
    broken: ({ replica: { promoted, acceptMissing } }) =>
      acceptMissing !== undefined && !promoted
        ? "must not be set while failedOver is false: it would accept what the next failover loses before anybody has seen it"
        : undefined,
  },
  {
    key: "replicaSubnetIds",
    broken: ({ replica: { vpcId, subnetIds, eksClusterName } }) =>
      subnetIds.length > 0 && vpcId === undefined && eksClusterName === undefined
        ? "needs replicaVpcId or replicaEksClusterName: the program makes the subnets of a VPC that it makes"
        : tooFew(subnetIds),
  },
  {
    key: "replicaVpcConnected",
    broken: ({ replica: { vpcId, eksClusterName, connected } }) =>
      connected && vpcId === undefined && eksClusterName === undefined
        ? "needs replicaVpcId or replicaEksClusterName: the program always connects a VPC that it makes"
        : undefined,
  },
];
