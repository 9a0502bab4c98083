import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { blockName } from "./addressBlocks";
import type { ClusterNetwork } from "./clusterNetwork";
import { networkProblems } from "./networkProblems";
import { postgresOnly } from "./postgresOnly";
import { ServerNetwork } from "./serverNetwork";
import type { ServerPlace } from "./serverPlace";

export interface NetworkArgs {
  /** The EKS cluster's network, from `lookUpCluster`. */
  cluster: ClusterNetwork;
  primaryRegion: string;
  /** Where the replica is to be. Default: there is none, and nothing is made or changed for it. */
  replica?: ServerPlace;
  /** Whether the primary is the replica of before: beside this cluster, with the security group that it had. Default: no. */
  promoted?: boolean;
  /** Where drills restore to. Default: nowhere, and nothing is made or changed for it. */
  drill?: ServerPlace | undefined;
  /**
   * Security groups that may reach the primary. Default: none is named, and the address blocks of the cluster's VPC may. EKS gives
   * the cluster's own group only to the node groups that it makes: nodes of a custom launch template, self-managed ones, Karpenter's
   * and pods with groups of their own do not carry it.
   */
  clientSecurityGroupIds?: readonly string[];
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

/** Where the servers live: the primary beside the cluster's pods, the replica in a network of its own region. */
export class Network extends pulumi.ComponentResource {
  /** Private subnets of the EKS cluster's VPC. */
  readonly primarySubnetIds: string[];
  /** Admits 5432 from the clients' security groups, or from the cluster's VPC, and nothing else. */
  readonly primarySecurityGroup: aws.ec2.SecurityGroup;
  /** Who those are: ids of groups, or blocks of addresses. */
  readonly primaryAdmits: readonly string[];
  readonly replica: ServerNetwork | undefined;
  readonly drill: ServerNetwork | undefined;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:network:Network", name, {}, opts);
    const { cluster, primaryRegion, replica, drill, tags = {} } = args;
    const problems = networkProblems(cluster, replica, drill);
    if (problems.length > 0) throw new pulumi.RunError(problems.join("\n"));

    const parent = { parent: this };
    this.primarySubnetIds = cluster.privateSubnets.map((subnet) => subnet.id);
    const ground = args.promoted ? replicasGround(name, args, parent) : primarysGround(`${name}-primary`, args, parent);
    this.primarySecurityGroup = ground.securityGroup;
    this.primaryAdmits = ground.admits;

    this.replica =
      replica && new ServerNetwork(`${name}-replica`, { ...replica, cluster, primaryRegion, tags }, parent);
    this.drill =
      drill && new ServerNetwork(`${name}-drill`, { ...drill, of: "drill", cluster, primaryRegion, tags }, parent);

    this.registerOutputs({
      primarySecurityGroupId: this.primarySecurityGroup.id,
    });
  }
}

/** What admits clients to the primary, and who those are. */
interface Ground {
  securityGroup: aws.ec2.SecurityGroup;
  admits: readonly string[];
}

function primarysGround(name: string, args: NetworkArgs, parent: { parent: pulumi.Resource }): Ground {
  const { cluster, primaryRegion: region, tags = {} } = args;
  const securityGroup = new aws.ec2.SecurityGroup(
    name,
    {
      region,
      tags: { ...tags, Name: name },
      vpcId: cluster.vpcId,
      description: "Authensor primary: PostgreSQL from the cluster",
    },
    parent,
  );
  const clients = primaryClients(cluster, args.clientSecurityGroupIds);
  for (const { suffix, who: _, ...source } of clients) {
    const rule = `${name}-from-${suffix}`;
    new aws.vpc.SecurityGroupIngressRule(
      rule,
      {
        region,
        tags: { ...tags, Name: rule },
        securityGroupId: securityGroup.id,
        ...source,
        ...postgresOnly,
      },
      parent,
    );
  }
  return { securityGroup, admits: clients.map(({ who }) => who) };
}

/** The replica's of before, so that the promotion is all that a failover changes of the server. */
function replicasGround(
  name: string,
  { cluster, primaryRegion, tags = {} }: NetworkArgs,
  parent: { parent: pulumi.Resource },
): Ground {
  const place = { region: primaryRegion, existing: cluster, connected: true };
  const { securityGroup } = new ServerNetwork(`${name}-replica`, { ...place, cluster, primaryRegion, tags }, parent);
  return { securityGroup, admits: cluster.cidrBlocks };
}

/** Who may reach the primary, each as the source of an ingress rule. */
function primaryClients({ name, cidrBlocks }: ClusterNetwork, groups: readonly string[] = []) {
  return groups.length > 0
    ? groups.map((id) => ({ suffix: id, who: id, referencedSecurityGroupId: id, description: `Clients with ${id}` }))
    : cidrBlocks.map((cidrIpv4) => ({
        // By the block, not by its place in AWS' answer: a block that goes must not rename the others' rules, which then could not
        // be made beside the old ones (InvalidPermission.Duplicate).
        suffix: `cluster-${blockName(cidrIpv4)}`,
        who: cidrIpv4,
        cidrIpv4,
        description: `VPC of the EKS cluster ${name}`,
      }));
}
