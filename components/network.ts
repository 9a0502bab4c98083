import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { quarters } from "./addressBlocks";
import { networkProblems, type ClusterNetwork } from "./clusterNetwork";

export interface NetworkArgs {
  /** The EKS cluster's network, from `lookUpCluster`. */
  cluster: ClusterNetwork;
  primaryRegion: string;
  replicaRegion: string;
  /** Private IPv4 block of the replica's VPC, /16 to /24. */
  replicaCidr: string;
  /** Zones of the replica's region to span, two or three, from `lookUpZones`. */
  replicaZones: string[];
  /**
   * Security groups that may reach the primary. Default: none is named, and the address blocks of the cluster's VPC may. EKS gives
   * the cluster's own group only to the node groups that it makes: nodes of a custom launch template, self-managed ones, Karpenter's
   * and pods with groups of their own do not carry it.
   */
  clientSecurityGroupIds?: readonly string[];
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

const postgresPort = 5432;

/**
 * Where the two servers live: the primary beside the cluster's pods, the replica in a VPC of its own region that has no
 * way to the internet, and one peering between them.
 */
export class Network extends pulumi.ComponentResource {
  /** Private subnets of the EKS cluster's VPC. */
  readonly primarySubnetIds: string[];
  /** Admits 5432 from the clients' security groups, or from the cluster's VPC, and nothing else. */
  readonly primarySecurityGroup: aws.ec2.SecurityGroup;
  /** Who those are: ids of groups, or blocks of addresses. */
  readonly primaryAdmits: readonly string[];
  readonly replicaVpc: aws.ec2.Vpc;
  readonly replicaSubnets: aws.ec2.Subnet[];
  /** Admits 5432 from the cluster's VPC, and nothing else. */
  readonly replicaSecurityGroup: aws.ec2.SecurityGroup;
  readonly peering: aws.ec2.VpcPeeringConnection;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:network:Network", name, {}, opts);
    const { cluster, primaryRegion, replicaRegion, tags = {} } = args;
    const problems = networkProblems(cluster, args.replicaCidr);
    if (problems.length > 0) throw new pulumi.RunError(problems.join("\n"));

    const parent = { parent: this };
    const inPrimary = (suffix: string) => ({ region: primaryRegion, tags: { ...tags, Name: `${name}-${suffix}` } });
    const inReplica = (suffix: string) => ({ region: replicaRegion, tags: { ...tags, Name: `${name}-${suffix}` } });

    this.primarySubnetIds = cluster.privateSubnets.map((subnet) => subnet.id);
    this.primarySecurityGroup = new aws.ec2.SecurityGroup(
      `${name}-primary`,
      { ...inPrimary("primary"), vpcId: cluster.vpcId, description: "Authensor primary: PostgreSQL from the cluster" },
      parent,
    );
    const clients = primaryClients(cluster, args.clientSecurityGroupIds);
    this.primaryAdmits = clients.map(({ who }) => who);
    for (const { suffix, who: _, ...source } of clients) {
      new aws.vpc.SecurityGroupIngressRule(
        `${name}-primary-from-${suffix}`,
        {
          ...inPrimary(`primary-from-${suffix}`),
          securityGroupId: this.primarySecurityGroup.id,
          ...source,
          ...postgresOnly,
        },
        parent,
      );
    }

    this.replicaVpc = new aws.ec2.Vpc(
      `${name}-replica`,
      {
        ...inReplica("replica"),
        cidrBlock: args.replicaCidr,
        enableDnsSupport: true,
        enableDnsHostnames: true,
      },
      parent,
    );
    // A VPC's default group admits all of its own members; adopted without rules it admits nothing (CIS AWS 5.4).
    new aws.ec2.DefaultSecurityGroup(
      `${name}-replica-default`,
      { ...inReplica("replica-default"), vpcId: this.replicaVpc.id, ingress: [], egress: [] },
      parent,
    );
    const cidrs = quarters(args.replicaCidr, args.replicaZones.length);
    this.replicaSubnets = args.replicaZones.map(
      (zone, index) =>
        new aws.ec2.Subnet(
          `${name}-replica-${index + 1}`,
          {
            ...inReplica(`replica-${index + 1}`),
            vpcId: this.replicaVpc.id,
            cidrBlock: cidrs[index],
            availabilityZone: zone,
            mapPublicIpOnLaunch: false,
          },
          // A zone that AWS adds or closes must not move a subnet from under the database.
          { ...parent, ignoreChanges: ["availabilityZone"] },
        ),
    );
    this.replicaSecurityGroup = new aws.ec2.SecurityGroup(
      `${name}-replica`,
      {
        ...inReplica("replica"),
        vpcId: this.replicaVpc.id,
        description: "Authensor replica: PostgreSQL from the peered VPC of the cluster",
      },
      parent,
    );
    // Security groups of another region cannot be referenced across a peering (AWS, "Update your security groups to
    // reference peer security groups"): the peer is named by its addresses.
    cluster.cidrBlocks.forEach((cidrIpv4, index) => {
      new aws.vpc.SecurityGroupIngressRule(
        `${name}-replica-from-cluster-${index + 1}`,
        {
          ...inReplica(`replica-from-cluster-${index + 1}`),
          securityGroupId: this.replicaSecurityGroup.id,
          cidrIpv4,
          ...postgresOnly,
          description: `VPC of the EKS cluster ${cluster.name}`,
        },
        parent,
      );
    });

    this.peering = new aws.ec2.VpcPeeringConnection(
      `${name}-peering`,
      {
        ...inPrimary("peering"),
        vpcId: cluster.vpcId,
        peerVpcId: this.replicaVpc.id,
        peerRegion: replicaRegion,
        // Only the accepter's region can accept.
        autoAccept: false,
      },
      parent,
    );
    const accepted = new aws.ec2.VpcPeeringConnectionAccepter(
      `${name}-peering`,
      { ...inReplica("peering"), vpcPeeringConnectionId: this.peering.id, autoAccept: true },
      parent,
    );
    const afterAcceptance = { ...parent, dependsOn: [accepted] };
    const resolveRemoteDns = { allowRemoteVpcDnsResolution: true };
    new aws.ec2.PeeringConnectionOptions(
      `${name}-peering-requester`,
      { region: primaryRegion, vpcPeeringConnectionId: this.peering.id, requester: resolveRemoteDns },
      afterAcceptance,
    );
    new aws.ec2.PeeringConnectionOptions(
      `${name}-peering-accepter`,
      { region: replicaRegion, vpcPeeringConnectionId: this.peering.id, accepter: resolveRemoteDns },
      afterAcceptance,
    );

    const routeTable = new aws.ec2.RouteTable(
      `${name}-replica`,
      { ...inReplica("replica"), vpcId: this.replicaVpc.id },
      parent,
    );
    this.replicaSubnets.forEach((subnet, index) => {
      new aws.ec2.RouteTableAssociation(
        `${name}-replica-${index + 1}`,
        { region: replicaRegion, routeTableId: routeTable.id, subnetId: subnet.id },
        parent,
      );
    });
    cluster.cidrBlocks.forEach((destinationCidrBlock, index) => {
      new aws.ec2.Route(
        `${name}-replica-to-cluster-${index + 1}`,
        {
          region: replicaRegion,
          routeTableId: routeTable.id,
          destinationCidrBlock,
          vpcPeeringConnectionId: this.peering.id,
        },
        afterAcceptance,
      );
    });
    for (const routeTableId of cluster.routeTableIds) {
      new aws.ec2.Route(
        `${name}-${routeTableId}-to-replica`,
        {
          region: primaryRegion,
          routeTableId,
          destinationCidrBlock: args.replicaCidr,
          vpcPeeringConnectionId: this.peering.id,
        },
        afterAcceptance,
      );
    }

    this.registerOutputs({
      primarySecurityGroupId: this.primarySecurityGroup.id,
      replicaVpcId: this.replicaVpc.id,
      replicaSecurityGroupId: this.replicaSecurityGroup.id,
      peeringId: this.peering.id,
    });
  }
}

const postgresOnly = { ipProtocol: "tcp", fromPort: postgresPort, toPort: postgresPort };

/** Who may reach the primary, each as the source of an ingress rule. */
function primaryClients({ name, cidrBlocks }: ClusterNetwork, groups: readonly string[] = []) {
  return groups.length > 0
    ? groups.map((id) => ({ suffix: id, who: id, referencedSecurityGroupId: id, description: `Clients with ${id}` }))
    : cidrBlocks.map((cidrIpv4, index) => ({
        suffix: `cluster-${index + 1}`,
        who: cidrIpv4,
        cidrIpv4,
        description: `VPC of the EKS cluster ${name}`,
      }));
}
