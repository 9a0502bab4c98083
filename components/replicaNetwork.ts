import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { quarters } from "./addressBlocks";
import type { ClusterNetwork } from "./clusterNetwork";
import { postgresOnly } from "./postgresOnly";

/** Where a replica is to be. */
export interface ReplicaPlace {
  region: string;
  /** Private IPv4 block of its VPC, /16 to /24. */
  cidr: string;
  /** Zones of the region to span, two or three, from `lookUpZones`. */
  zones: string[];
}

export interface ReplicaNetworkArgs extends ReplicaPlace {
  /** The EKS cluster's network, from `lookUpCluster`: who may reach the replica. */
  cluster: ClusterNetwork;
  primaryRegion: string;
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

/** A VPC for the replica that has no way to the internet, and one peering between it and the cluster's. */
export class ReplicaNetwork extends pulumi.ComponentResource {
  readonly region: string;
  readonly vpc: aws.ec2.Vpc;
  readonly subnets: aws.ec2.Subnet[];
  /** Admits 5432 from the cluster's VPC, and nothing else. */
  readonly securityGroup: aws.ec2.SecurityGroup;
  readonly peering: aws.ec2.VpcPeeringConnection;

  constructor(name: string, args: ReplicaNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:network:ReplicaNetwork", name, {}, opts);
    const { cluster, primaryRegion, tags = {} } = args;
    const parent = { parent: this };
    this.region = args.region;
    const here = (suffix?: string) => ({
      region: args.region,
      tags: { ...tags, Name: suffix === undefined ? name : `${name}-${suffix}` },
    });

    this.vpc = new aws.ec2.Vpc(
      name,
      {
        ...here(),
        cidrBlock: args.cidr,
        enableDnsSupport: true,
        enableDnsHostnames: true,
      },
      parent,
    );
    // A VPC's default group admits all of its own members; adopted without rules it admits nothing (CIS AWS 5.4).
    new aws.ec2.DefaultSecurityGroup(
      `${name}-default`,
      { ...here("default"), vpcId: this.vpc.id, ingress: [], egress: [] },
      parent,
    );
    const cidrs = quarters(args.cidr, args.zones.length);
    this.subnets = args.zones.map(
      (zone, index) =>
        new aws.ec2.Subnet(
          `${name}-${index + 1}`,
          {
            ...here(`${index + 1}`),
            vpcId: this.vpc.id,
            cidrBlock: cidrs[index],
            availabilityZone: zone,
            mapPublicIpOnLaunch: false,
          },
          // A zone that AWS adds or closes must not move a subnet from under the database.
          { ...parent, ignoreChanges: ["availabilityZone"] },
        ),
    );
    this.securityGroup = new aws.ec2.SecurityGroup(
      name,
      {
        ...here(),
        vpcId: this.vpc.id,
        description: "Authensor replica: PostgreSQL from the peered VPC of the cluster",
      },
      parent,
    );
    // Security groups of another region cannot be referenced across a peering (AWS, "Update your security groups to
    // reference peer security groups"): the peer is named by its addresses.
    cluster.cidrBlocks.forEach((cidrIpv4, index) => {
      new aws.vpc.SecurityGroupIngressRule(
        `${name}-from-cluster-${index + 1}`,
        {
          ...here(`from-cluster-${index + 1}`),
          securityGroupId: this.securityGroup.id,
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
        region: primaryRegion,
        tags: { ...tags, Name: `${name}-peering` },
        vpcId: cluster.vpcId,
        peerVpcId: this.vpc.id,
        peerRegion: args.region,
        // Only the accepter's region can accept.
        autoAccept: false,
      },
      parent,
    );
    const accepted = new aws.ec2.VpcPeeringConnectionAccepter(
      `${name}-peering`,
      { ...here("peering"), vpcPeeringConnectionId: this.peering.id, autoAccept: true },
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
      { region: args.region, vpcPeeringConnectionId: this.peering.id, accepter: resolveRemoteDns },
      afterAcceptance,
    );

    const routeTable = new aws.ec2.RouteTable(name, { ...here(), vpcId: this.vpc.id }, parent);
    this.subnets.forEach((subnet, index) => {
      new aws.ec2.RouteTableAssociation(
        `${name}-${index + 1}`,
        { region: args.region, routeTableId: routeTable.id, subnetId: subnet.id },
        parent,
      );
    });
    cluster.cidrBlocks.forEach((destinationCidrBlock, index) => {
      new aws.ec2.Route(
        `${name}-to-cluster-${index + 1}`,
        {
          region: args.region,
          routeTableId: routeTable.id,
          destinationCidrBlock,
          vpcPeeringConnectionId: this.peering.id,
        },
        afterAcceptance,
      );
    });
    for (const routeTableId of cluster.routeTableIds) {
      new aws.ec2.Route(
        `${name}-from-${routeTableId}`,
        {
          region: primaryRegion,
          routeTableId,
          destinationCidrBlock: args.cidr,
          vpcPeeringConnectionId: this.peering.id,
        },
        afterAcceptance,
      );
    }

    this.registerOutputs({
      vpcId: this.vpc.id,
      securityGroupId: this.securityGroup.id,
      peeringId: this.peering.id,
    });
  }
}
