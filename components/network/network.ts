import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { admit, clientsOf } from "./clients";
import type { ClusterNetwork } from "./clusterNetwork";
import { networkProblems } from "./networkProblems";
import { ServerNetwork } from "./serverNetwork";
import type { ServerPlace } from "./serverPlace";
import { serverNames } from "../stack/serverNames";

export interface NetworkArgs {
  /** The EKS cluster's network, from `lookUpCluster`. */
  cluster: ClusterNetwork;
  primaryRegion: string;
  /** Where the replica is to be. Default: there is none, and nothing is made or changed for it. */
  replica?: ServerPlace;
  /**
   * How often a replica was promoted. The primary is then the replica of before: beside this cluster, with the group
   * that it had. Default: 0.
   */
  failovers?: number;
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
    const { cluster, primaryRegion, replica, failovers = 0, drill, tags = {} } = args;
    const problems = networkProblems(cluster, replica, drill);
    if (problems.length > 0) throw new pulumi.RunError(problems.join("\n"));

    const parent = { parent: this };
    this.primarySubnetIds = cluster.privateSubnets.map((subnet) => subnet.id);
    const names = serverNames(name, failovers);
    const ground = (failovers > 0 ? replicasGround : primarysGround)(names.primary, args, this);
    this.primarySecurityGroup = ground.securityGroup;
    this.primaryAdmits = ground.admits;

    this.replica = replica && new ServerNetwork(names.replica, { ...replica, cluster, primaryRegion, tags }, parent);
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

function primarysGround(name: string, args: NetworkArgs, parent: pulumi.Resource): Ground {
  const { cluster, primaryRegion: region, tags = {} } = args;
  const securityGroup = new aws.ec2.SecurityGroup(
    name,
    {
      region,
      tags: { ...tags, Name: name },
      vpcId: cluster.vpcId,
      description: "Authensor primary: PostgreSQL from the cluster",
    },
    { parent },
  );
  const clients = clientsOf(cluster, args.clientSecurityGroupIds);
  admit(name, { region, securityGroupId: securityGroup.id, tags }, clients, parent);
  return { securityGroup, admits: clients.map(({ who }) => who) };
}

/** The replica's of before, so that the promotion is all that a failover changes of the server. */
function replicasGround(
  name: string,
  { cluster, primaryRegion, clientSecurityGroupIds, tags = {} }: NetworkArgs,
  parent: pulumi.Resource,
): Ground {
  const clients = clientsOf(cluster, clientSecurityGroupIds);
  const place = { region: primaryRegion, existing: cluster, connected: true };
  const { securityGroup } = new ServerNetwork(name, { ...place, cluster, clients, primaryRegion, tags }, { parent });
  return { securityGroup, admits: clients.map(({ who }) => who) };
}
