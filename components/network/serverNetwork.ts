import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { admit, type Client, clientsOf } from "./clients";
import type { ClusterNetwork, VpcNetwork } from "./clusterNetwork";
import { peer } from "./peering";
import { isolatedVpc } from "./isolatedVpc";
import type { ServerPlace } from "./serverPlace";

export type ServerNetworkArgs = ServerPlace & {
  /** Whose place it is. Default: the replica's; a drill's scratch instance has one alike. */
  of?: "replica" | "drill";
  /** The EKS cluster's network, from `lookUpCluster`. */
  cluster: ClusterNetwork;
  /** Who may reach the server. Default: the cluster's VPC. */
  clients?: readonly Client[];
  primaryRegion: string;
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
};

/** A place in another region for the replica or for drills: a VPC of its own or a given one, and one peering with the cluster's. */
export class ServerNetwork extends pulumi.ComponentResource {
  readonly region: string;
  readonly vpcId: pulumi.Input<string>;
  readonly subnetIds: pulumi.Input<string>[];
  /**
   * Admits 5432 from its clients, and from the cluster beside it, which compares it with the bucket before it is
   * promoted. Nothing else.
   */
  readonly securityGroup: aws.ec2.SecurityGroup;
  /** Undefined where the VPCs are connected already. */
  readonly peering: aws.ec2.VpcPeeringConnection | undefined;

  constructor(name: string, args: ServerNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:network:ServerNetwork", name, {}, opts);
    const { region, cluster, primaryRegion, of = "replica", tags = {} } = args;
    const parent = { parent: this };
    this.region = region;
    const vpc = "existing" in args ? given(args.existing) : made(of, isolatedVpc(name, args, this));
    this.vpcId = vpc.vpcId;
    this.subnetIds = vpc.subnetIds;
    this.securityGroup = new aws.ec2.SecurityGroup(
      name,
      {
        region,
        tags: { ...tags, Name: name },
        vpcId: this.vpcId,
        description: `Authensor ${of}: PostgreSQL from the peered VPC of the cluster`,
      },
      parent,
    );
    // Security groups of another region cannot be referenced across a peering (AWS, "Update your security groups to
    // reference peer security groups"): the peer is named by its addresses.
    const standby = "existing" in args && args.standby ? clientsOf(args.standby) : [];
    const clients = [...(args.clients ?? clientsOf(cluster)), ...standby];
    admit(name, { region, securityGroupId: this.securityGroup.id, tags }, clients, this);
    const connected = "existing" in args && args.connected;
    this.peering = connected
      ? undefined
      : peer(
          `${name}-peering`,
          {
            requester: { ...cluster, region: primaryRegion, routeTables: cluster.routeTableIds.map(byId) },
            accepter: { region, ...vpc },
            tags,
          },
          this,
        );

    this.registerOutputs({
      vpcId: this.vpcId,
      securityGroupId: this.securityGroup.id,
      peeringId: this.peering?.id,
    });
  }
}

const byId = (id: string) => ({ name: id, id });

const given = ({ vpcId, cidrBlocks, privateSubnets, routeTableIds }: VpcNetwork) => ({
  vpcId,
  cidrBlocks,
  subnetIds: privateSubnets.map(({ id }) => id),
  routeTables: routeTableIds.map(byId),
});

const made = (of: string, { routeTable, ...vpc }: ReturnType<typeof isolatedVpc>) => ({
  ...vpc,
  routeTables: [{ name: of, id: routeTable.id }],
});
