import { overlaps } from "./addressBlocks";
import { type ClusterNetwork, privateSubnetTag, type VpcNetwork } from "./clusterNetwork";
import { blocksOf, type ServerPlace } from "./serverPlace";

/** What is wrong with putting the database into this network, each as one sentence that says what to do. */
export function networkProblems(cluster: ClusterNetwork, replica?: ServerPlace, drill?: ServerPlace): string[] {
  const existing = replica !== undefined && "existing" in replica ? replica.existing : undefined;
  return [
    ...zoneProblems(cluster, `EKS cluster ${cluster.name}`, "databaseSubnetIds"),
    ...(existing ? zoneProblems(existing, "the replica's VPC", "replicaSubnetIds") : []),
    ...(replica === undefined || ("connected" in replica && replica.connected)
      ? []
      : sharedProblems(cluster, existing)),
    ...(replica ? blocksOf(replica) : []).flatMap((block) =>
      overlapProblems(cluster, block, existing && `of the replica's VPC ${existing.vpcId}`),
    ),
    ...(drill ? blocksOf(drill) : []).flatMap((block) => drillProblems(cluster, replica, block)),
  ];
}

/** The cluster's route tables lead to each block in one place only. */
function drillProblems(
  { vpcId, name, cidrBlocks, sharedBy }: ClusterNetwork,
  replica: ServerPlace | undefined,
  drillCidr: string,
): string[] {
  const others = [
    ...cidrBlocks.map((block) => ({ block, whose: `of ${vpcId} (EKS cluster ${name})` })),
    ...(replica ? blocksOf(replica) : []).map((block) => ({ block, whose: "of the replica's VPC" })),
  ];
  return [
    ...(sharedBy === undefined
      ? []
      : [
          `${vpcId} (EKS cluster ${name}) is shared by account ${sharedBy}, and only its owner can connect it to the VPC that drills ` +
            `restore into. Set drill to false.`,
        ]),
    ...others
      .filter(({ block }) => overlaps(block, drillCidr))
      .map(
        ({ block, whose }) =>
          `drillCidr ${drillCidr} overlaps ${block} ${whose}: VPCs that are connected need distinct addresses. ` +
          `Set drillCidr to a block that no VPC uses.`,
      ),
  ];
}

function zoneProblems({ vpcId, privateSubnets }: VpcNetwork, whose: string, key: string): string[] {
  if (new Set(privateSubnets.map((subnet) => subnet.zone)).size >= 2) return [];
  const found = privateSubnets.map((subnet) => `${subnet.id} in ${subnet.zone}`).join(", ") || "none";
  return [
    `RDS needs private subnets in two zones of ${vpcId} (${whose}), tagged ${privateSubnetTag} or named in ${key}; ` +
      `found: ${found}. Tag the private subnets, or set ${key}.`,
  ];
}

/**
 * Who a VPC is only shared with can neither peer it nor change its route tables.
 * https://docs.aws.amazon.com/vpc/latest/userguide/vpc-share-limitations.html
 */
function sharedProblems(cluster: ClusterNetwork, replicas?: VpcNetwork): string[] {
  const vpcs: [VpcNetwork, string][] = [[cluster, `EKS cluster ${cluster.name}`]];
  if (replicas) vpcs.push([replicas, "the replica's VPC"]);
  return vpcs.flatMap(([{ vpcId, sharedBy }, whose]) =>
    sharedBy === undefined
      ? []
      : [
          `${vpcId} (${whose}) is shared by account ${sharedBy}, and only its owner can connect it to another VPC. ` +
            `Have the replica's VPC and the EKS cluster's connected by their owners, then set replicaVpcConnected to true, ` +
            `with replicaVpcId or replicaEksClusterName; or set replica to false.`,
        ],
  );
}

function overlapProblems({ vpcId, name, cidrBlocks }: ClusterNetwork, block: string, whose?: string): string[] {
  return cidrBlocks
    .filter((other) => overlaps(other, block))
    .map(
      (other) =>
        `${whose === undefined ? `replicaCidr ${block}` : `${block} ${whose}`} overlaps ${other} of ${vpcId} (EKS cluster ${name}): ` +
        `VPCs that are connected need distinct addresses. ` +
        (whose === undefined
          ? `Set replicaCidr to a block that neither VPC uses.`
          : `Use another VPC for the replica.`),
    );
}
