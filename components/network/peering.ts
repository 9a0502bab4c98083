import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { blockName } from "./addressBlocks";

/** One side of a peering. */
export interface Side {
  region: string;
  vpcId: pulumi.Input<string>;
  /** Every IPv4 block: the other side gets a route to each. */
  cidrBlocks: readonly string[];
  /** The tables that get those routes, by a name of their own in this program. */
  routeTables: readonly { name: string; id: pulumi.Input<string> }[];
}

/** Connects two VPCs of two regions, with routes both ways and names that resolve to private addresses. */
export function peer(
  name: string,
  { requester, accepter, tags }: { requester: Side; accepter: Side; tags?: Record<string, string> },
  parent: pulumi.Resource,
): aws.ec2.VpcPeeringConnection {
  const opts = { parent };
  const named = { tags: { ...tags, Name: name } };
  const peering = new aws.ec2.VpcPeeringConnection(
    name,
    {
      region: requester.region,
      vpcId: requester.vpcId,
      peerVpcId: accepter.vpcId,
      peerRegion: accepter.region,
      // Only the accepter's region can accept.
      autoAccept: false,
      ...named,
    },
    opts,
  );
  const accepted = new aws.ec2.VpcPeeringConnectionAccepter(
    name,
    { region: accepter.region, vpcPeeringConnectionId: peering.id, autoAccept: true, ...named },
    opts,
  );
  const afterAcceptance = { ...opts, dependsOn: [accepted] };
  const connection = { vpcPeeringConnectionId: peering.id };
  const resolveRemoteDns = { allowRemoteVpcDnsResolution: true };
  new aws.ec2.PeeringConnectionOptions(
    `${name}-requester`,
    { region: requester.region, ...connection, requester: resolveRemoteDns },
    afterAcceptance,
  );
  new aws.ec2.PeeringConnectionOptions(
    `${name}-accepter`,
    { region: accepter.region, ...connection, accepter: resolveRemoteDns },
    afterAcceptance,
  );
  const routes = (from: Side, to: Side) => {
    for (const table of from.routeTables)
      for (const destinationCidrBlock of to.cidrBlocks)
        new aws.ec2.Route(
          // By the block, so that one that goes renames no other route: a table has one route to a block (RouteAlreadyExists).
          `${name}-${table.name}-${blockName(destinationCidrBlock)}`,
          { region: from.region, routeTableId: table.id, destinationCidrBlock, ...connection },
          afterAcceptance,
        );
  };
  routes(requester, accepter);
  routes(accepter, requester);
  return peering;
}
