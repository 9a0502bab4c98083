import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";
import { overlaps } from "./addressBlocks";

/**
 * What the EKS cluster's name leads to, as plain values: how many routes and subnets there are decides which resources
 * exist, and a preview can only show what is decided outside `apply`.
 */
export interface ClusterNetwork {
  name: string;
  region: string;
  /** Kubernetes API server. */
  endpoint: string;
  /** PEM, base64. */
  certificateAuthority: string;
  vpcId: string;
  /** Every IPv4 block of the VPC: with custom networking, pods live in a secondary one. */
  cidrBlocks: string[];
  /** Of pods and Services. */
  ipFamily: "ipv4" | "ipv6";
  privateSubnets: { id: string; zone: string }[];
  /** Tables that serve the private subnets and the cluster's own: all that must know the way to the replica. */
  routeTableIds: string[];
}

/** The tag that EKS, eksctl and the load balancer controller use for private subnets. */
export const privateSubnetTag = "kubernetes.io/role/internal-elb";

const sorted = (values: Iterable<string>) => [...new Set(values)].sort();

/**
 * Looks the cluster's network up. "Private" is decided by the tag: whether a subnet hands out public addresses says
 * little, since many public subnets do not.
 */
export async function lookUpCluster(
  name: string,
  region: string,
  opts?: pulumi.InvokeOptions,
): Promise<ClusterNetwork> {
  const cluster = await aws.eks.getCluster({ name, region }, opts).catch((error: unknown) => {
    // One line for the person who deploys; the provider's own message has the service's reason in it.
    const reason = error instanceof Error ? error.message : String(error);
    throw new RunError(
      `eksClusterName ${name}: this EKS cluster cannot be looked up in ${region} (primaryRegion). Check both settings and the ` +
        `AWS credentials: aws eks describe-cluster --name ${name} --region ${region}\n${reason}`,
    );
  });
  const { vpcId, subnetIds } = cluster.vpcConfig;
  const [vpc, tagged] = await Promise.all([
    aws.ec2.getVpc({ id: vpcId, region }, opts),
    aws.ec2.getSubnets(
      {
        region,
        filters: [
          { name: "vpc-id", values: [vpcId] },
          { name: "tag-key", values: [privateSubnetTag] },
        ],
      },
      opts,
    ),
  ]);
  const privateSubnets = await Promise.all(
    sorted(tagged.ids).map(async (id) => {
      const subnet = await aws.ec2.getSubnet({ id, region }, opts);
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
    sorted([...tagged.ids, ...subnetIds]).map(async (id) => {
      const own = await tables({ name: "association.subnet-id", value: id });
      // A subnet without a table of its own uses the VPC's main one.
      return own.length > 0 ? own : tables({ name: "association.main", value: "true" });
    }),
  );
  return {
    name,
    region,
    endpoint: cluster.endpoint,
    certificateAuthority: cluster.certificateAuthorities[0]?.data ?? "",
    vpcId,
    cidrBlocks: vpc.cidrBlockAssociations.filter((a) => a.state === "associated").map((a) => a.cidrBlock),
    ipFamily: cluster.kubernetesNetworkConfigs[0]?.ipFamily === "ipv6" ? "ipv6" : "ipv4",
    privateSubnets,
    routeTableIds: sorted(routeTables.flat()),
  };
}

/**
 * Zones of a region, in a stable order; local zones and those that must be opted into hold no RDS.
 * @throws where the region has fewer than `count`
 */
export async function lookUpZones(region: string, count: number, opts?: pulumi.InvokeOptions): Promise<string[]> {
  const filters = [{ name: "opt-in-status", values: ["opt-in-not-required"] }];
  const { names } = await aws.getAvailabilityZones({ region, state: "available", filters }, opts);
  if (names.length < count) {
    throw new RunError(`replicaZones is ${count}, but ${region} has ${names.length} zones: ${names.join(", ")}`);
  }
  return sorted(names).slice(0, count);
}

/**
 * Where pods find the primary, for their network policies: in the cluster's VPC. Pods of an IPv6 cluster reach IPv4 through an
 * address of the node's own, and policies there know IPv6 only: no block.
 */
export function primaryBlocks({ ipFamily, cidrBlocks }: ClusterNetwork): readonly string[] {
  return ipFamily === "ipv6" ? [] : cidrBlocks;
}

/** What is wrong with putting the database into this network, each as one sentence that says what to do. */
export function networkProblems(cluster: ClusterNetwork, replicaCidr: string | undefined): string[] {
  const problems: string[] = [];
  const zones = sorted(cluster.privateSubnets.map((subnet) => subnet.zone));
  if (zones.length < 2) {
    const found = cluster.privateSubnets.map((subnet) => `${subnet.id} in ${subnet.zone}`).join(", ") || "none";
    problems.push(
      `RDS needs private subnets in two zones of ${cluster.vpcId} (EKS cluster ${cluster.name}), tagged ` +
        `${privateSubnetTag}; found: ${found}. Tag the private subnets.`,
    );
  }
  if (replicaCidr === undefined) return problems;
  for (const cidr of cluster.cidrBlocks.filter((block) => overlaps(block, replicaCidr))) {
    problems.push(
      `replicaCidr ${replicaCidr} overlaps ${cidr} of ${cluster.vpcId} (EKS cluster ${cluster.name}): peered VPCs ` +
        `need distinct addresses. Set replicaCidr to a block that neither VPC uses.`,
    );
  }
  return problems;
}
