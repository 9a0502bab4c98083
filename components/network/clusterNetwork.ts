import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";
import { because } from "../aws/lookUpError";

/** A VPC that is there, as plain values. */
export interface VpcNetwork {
  vpcId: string;
  /** The account that shares it, where it is not the one that is deployed into. Default: it is. */
  sharedBy?: string;
  /** Every IPv4 block of the VPC: with custom networking, pods live in a secondary one. */
  cidrBlocks: string[];
  /** Where a database server goes: those that were named, or those that carry the tag of private ones. */
  privateSubnets: { id: string; zone: string }[];
  /** Tables that must know the way to the other VPC: those of these subnets, and beside a cluster those of all subnets of its VPC. */
  routeTableIds: string[];
}

/**
 * What the EKS cluster's name leads to, as plain values: how many routes and subnets there are decides which resources
 * exist, and a preview can only show what is decided outside `apply`.
 */
export interface ClusterNetwork extends VpcNetwork {
  name: string;
  region: string;
  /** What the cluster is known by, whatever its authority and its address come to be. */
  arn: string;
  /** Kubernetes API server. */
  endpoint: string;
  /** PEM, base64. */
  certificateAuthority: string;
  /** Of pods and Services. */
  ipFamily: "ipv4" | "ipv6";
}

/** The tag that EKS, eksctl and the load balancer controller use for private subnets. */
export const privateSubnetTag = "kubernetes.io/role/internal-elb";

const sorted = (values: Iterable<string>) => [...new Set(values)].sort();

/** The settings that a look-up is made for, for its messages. */
export interface Keys {
  cluster: string;
  region: string;
  subnets: string;
}

export interface ClusterLookUp {
  name: string;
  region: string;
  /** Subnets of its VPC to use. Default: those that carry the tag of private ones. */
  subnetIds?: readonly string[];
  /** Default: the settings about the primary. */
  keys?: Keys;
}

const primaryKeys: Keys = { cluster: "eksClusterName", region: "primaryRegion", subnets: "databaseSubnetIds" };

/**
 * Looks the cluster's network up. "Private" is decided by the tag: whether a subnet hands out public addresses says
 * little, since many public subnets do not.
 */
export async function lookUpCluster(
  { name, region, subnetIds = [], keys = primaryKeys }: ClusterLookUp,
  opts?: pulumi.InvokeOptions,
): Promise<ClusterNetwork> {
  const cluster = await aws.eks
    .getCluster({ name, region }, opts)
    .catch(
      because(
        `${keys.cluster} ${name} cannot be looked up in ${region} (${keys.region})`,
        `both settings and the AWS credentials: aws eks describe-cluster --name ${name} --region ${region}`,
      ),
    );
  const { vpcId } = cluster.vpcConfig;
  const ofVpc = { name: "vpc-id", values: [vpcId] };
  const subnets = async (...filters: { name: string; values: string[] }[]) =>
    (await aws.ec2.getSubnets({ region, filters }, opts)).ids;
  const network = await lookUpVpc(
    {
      vpcId,
      region,
      subnetIds:
        subnetIds.length > 0 ? subnetIds : await subnets(ofVpc, { name: "tag-key", values: [privateSubnetTag] }),
      // Nothing that EKS knows of a cluster tells where its pods are: node groups, Karpenter's node classes and ENIConfigs each name
      // subnets of their own, and a pod without the route would take the replica for gone.
      routedSubnetIds: await subnets(ofVpc),
      keys: { vpc: keys.cluster, subnets: keys.subnets },
    },
    opts,
  );
  return {
    name,
    region,
    arn: cluster.arn,
    endpoint: cluster.endpoint,
    certificateAuthority: cluster.certificateAuthorities[0]?.data ?? "",
    ipFamily: cluster.kubernetesNetworkConfigs[0]?.ipFamily === "ipv6" ? "ipv6" : "ipv4",
    ...network,
  };
}

export interface VpcLookUp {
  vpcId: string;
  region: string;
  /** Where a database server goes. */
  subnetIds: readonly string[];
  /** Further subnets from which the other VPC must be reached. */
  routedSubnetIds?: readonly string[];
  /** The settings that lead to the VPC and to the subnets, for messages. */
  keys: { vpc: string; subnets: string };
}

/**
 * Looks up a VPC and the subnets of it that are named.
 * @throws where one of the subnets is not of this VPC
 */
export async function lookUpVpc(
  { vpcId, region, subnetIds, routedSubnetIds = [], keys }: VpcLookUp,
  opts?: pulumi.InvokeOptions,
): Promise<VpcNetwork> {
  const vpc = await aws.ec2
    .getVpc({ id: vpcId, region }, opts)
    .catch(
      because(
        `${keys.vpc}: ${vpcId} cannot be looked up in ${region}`,
        `with aws ec2 describe-vpcs --vpc-ids ${vpcId} --region ${region}`,
      ),
    );
  const { accountId } = await aws.getCallerIdentity({}, opts);
  const privateSubnets = await Promise.all(
    sorted(subnetIds).map(async (id) => {
      const check = `with aws ec2 describe-subnets --subnet-ids ${id} --region ${region}`;
      const subnet = await aws.ec2
        .getSubnet({ id, region }, opts)
        .catch(because(`${keys.subnets}: ${id} cannot be looked up in ${region}`, check));
      if (subnet.vpcId !== vpcId)
        throw new RunError(`${keys.subnets}: ${id} is a subnet of ${subnet.vpcId}; use subnets of ${vpcId}`);
      return { id, zone: subnet.availabilityZone };
    }),
  );
  const tables = async (filter: { name: string; value: string }) => {
    const filters = [
      { name: "vpc-id", values: [vpcId] },
      { name: filter.name, values: [filter.value] },
    ];
    return (await aws.ec2.getRouteTables({ region, filters }, opts)).ids;
  };
  const routeTables = await Promise.all(
    sorted([...subnetIds, ...routedSubnetIds]).map(async (id) => {
      const own = await tables({ name: "association.subnet-id", value: id });
      // A subnet without a table of its own uses the VPC's main one.
      return own.length > 0 ? own : tables({ name: "association.main", value: "true" });
    }),
  );
  return {
    vpcId,
    ...(vpc.ownerId !== accountId && { sharedBy: vpc.ownerId }),
    cidrBlocks: vpc.cidrBlockAssociations.filter((a) => a.state === "associated").map((a) => a.cidrBlock),
    privateSubnets,
    routeTableIds: sorted(routeTables.flat()),
  };
}

/**
 * Zones of a region, in a stable order; local zones and those that must be opted into hold no RDS.
 * @throws where the region has fewer than `count`
 */
export async function lookUpZones(
  region: string,
  count: number,
  keys = { region: "replicaRegion", count: "replicaZones" },
  opts?: pulumi.InvokeOptions,
): Promise<string[]> {
  const filters = [{ name: "opt-in-status", values: ["opt-in-not-required"] }];
  const { names } = await aws
    .getAvailabilityZones({ region, state: "available", filters }, opts)
    .catch(
      because(
        `${keys.region}: the zones of ${region} cannot be looked up`,
        `the setting, and that the account may use the region: aws ec2 describe-availability-zones --region ${region}`,
      ),
    );
  if (names.length < count) {
    throw new RunError(`${keys.count} is ${count}, but ${region} has ${names.length} zones: ${names.join(", ")}`);
  }
  return sorted(names).slice(0, count);
}
