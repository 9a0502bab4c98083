import { describe, expect, test } from "vitest";
import type { ClusterNetwork } from "../../components/network/clusterNetwork";
import { Network, type NetworkArgs } from "../../components/network/network";
import { record } from "./mocks";

const cluster: ClusterNetwork = {
  name: "platform",
  region: "eu-central-1",
  endpoint: "https://eks.example.com",
  certificateAuthority: "",
  arn: "arn:aws:eks:eu-central-1:123456789012:cluster/platform",
  vpcId: "vpc-cluster",
  cidrBlocks: ["10.0.0.0/16", "100.64.0.0/16"],
  ipFamily: "ipv4",
  privateSubnets: [
    { id: "subnet-a", zone: "eu-central-1a" },
    { id: "subnet-b", zone: "eu-central-1b" },
  ],
  routeTableIds: ["rtb-1", "rtb-2"],
};

const place = { region: "eu-west-1", cidr: "10.90.0.0/20", zones: ["eu-west-1a", "eu-west-1b"] };

const args: NetworkArgs = {
  cluster,
  primaryRegion: "eu-central-1",
  replica: place,
  tags: { team: "platform" },
};

const build = (changes: Partial<NetworkArgs> = {}) => record(() => new Network("n", { ...args, ...changes }));

describe("the network", () => {
  test("is exactly these resources: no internet gateway, no NAT, no address that is public", async () => {
    const world = await build();
    expect(world.census).toEqual([
      "authensor:network:Network n",
      "authensor:network:ServerNetwork n-replica",
      "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup n-replica-default",
      "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions n-replica-peering-accepter",
      "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions n-replica-peering-requester",
      "aws:ec2/route:Route n-replica-peering-replica-10-0-0-0-16",
      "aws:ec2/route:Route n-replica-peering-replica-100-64-0-0-16",
      "aws:ec2/route:Route n-replica-peering-rtb-1-10-90-0-0-20",
      "aws:ec2/route:Route n-replica-peering-rtb-2-10-90-0-0-20",
      "aws:ec2/routeTable:RouteTable n-replica",
      "aws:ec2/routeTableAssociation:RouteTableAssociation n-replica-1",
      "aws:ec2/routeTableAssociation:RouteTableAssociation n-replica-2",
      "aws:ec2/securityGroup:SecurityGroup n-primary",
      "aws:ec2/securityGroup:SecurityGroup n-replica",
      "aws:ec2/subnet:Subnet n-replica-1",
      "aws:ec2/subnet:Subnet n-replica-2",
      "aws:ec2/vpc:Vpc n-replica",
      "aws:ec2/vpcPeeringConnection:VpcPeeringConnection n-replica-peering",
      "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter n-replica-peering",
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule n-primary-from-cluster-10-0-0-0-16",
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule n-primary-from-cluster-100-64-0-0-16",
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule n-replica-from-cluster-10-0-0-0-16",
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule n-replica-from-cluster-100-64-0-0-16",
    ]);
    expect(world.resources.filter((r) => r.custom && r.parent === undefined)).toEqual([]);
  });

  test("without a replica is the primary's security group and its rules, and looks at no other addresses", async () => {
    const world = await build({ replica: undefined });
    expect(world.census).toEqual([
      "authensor:network:Network n",
      "aws:ec2/securityGroup:SecurityGroup n-primary",
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule n-primary-from-cluster-10-0-0-0-16",
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule n-primary-from-cluster-100-64-0-0-16",
    ]);
  });

  test("puts each resource into the region it belongs to", async () => {
    const world = await build();
    const inPrimaryRegion = world.resources.filter((r) => r.inputs.region === "eu-central-1").map((r) => r.name);
    expect(inPrimaryRegion.sort()).toEqual([
      "n-primary",
      "n-primary-from-cluster-10-0-0-0-16",
      "n-primary-from-cluster-100-64-0-0-16",
      "n-replica-peering",
      "n-replica-peering-requester",
      "n-replica-peering-rtb-1-10-90-0-0-20",
      "n-replica-peering-rtb-2-10-90-0-0-20",
    ]);
    const elsewhere = world.resources.filter((r) => r.custom && r.inputs.region === "eu-west-1");
    expect(elsewhere).toHaveLength(world.resources.length - 2 - inPrimaryRegion.length);
  });

  const rulesOfPrimary = async (changes: Partial<NetworkArgs> = {}) => {
    const world = await build(changes);
    const group = world.one("aws:ec2/securityGroup:SecurityGroup", "n-primary");
    expect(group.inputs).toMatchObject({ vpcId: "vpc-cluster" });
    expect(group.inputs).not.toHaveProperty("ingress");
    expect(group.inputs).not.toHaveProperty("egress");
    return world
      .all("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
      .filter((rule) => rule.dependencies.includes(group.urn))
      .map(({ inputs: { cidrIpv4, referencedSecurityGroupId, ipProtocol, fromPort, toPort } }) => [
        cidrIpv4 ?? referencedSecurityGroupId,
        ipProtocol,
        fromPort,
        toPort,
      ]);
  };

  test("admits 5432 to the primary from each block of the cluster's VPC: not every node carries the cluster's group", async () => {
    expect(await rulesOfPrimary()).toEqual([
      ["10.0.0.0/16", "tcp", 5432, 5432],
      ["100.64.0.0/16", "tcp", 5432, 5432],
    ]);
  });

  test("admits 5432 to the primary from the groups that are named, and then from no block", async () => {
    expect(await rulesOfPrimary({ clientSecurityGroupIds: ["sg-1", "sg-2"] })).toEqual([
      ["sg-1", "tcp", 5432, 5432],
      ["sg-2", "tcp", 5432, 5432],
    ]);
  });

  test("names rules and routes by their block, so that one that goes renames no other: AWS has each of them once", async () => {
    const ofBlock = /SecurityGroupIngressRule|Route /;
    const both = (await build()).census.filter((entry) => ofBlock.test(entry));
    const second = await build({ cluster: { ...cluster, cidrBlocks: ["100.64.0.0/16"] } });
    const left = second.census.filter((entry) => ofBlock.test(entry));
    expect(left).toEqual(both.filter((entry) => !entry.includes("10-0-0-0-16")));
    expect(left).toHaveLength(both.length - 3);
  });

  test("says whom the primary admits", async () => {
    const admitted: (readonly string[])[] = [];
    for (const clientSecurityGroupIds of [undefined, ["sg-1"]])
      await record(() => {
        admitted.push(new Network("n", { ...args, clientSecurityGroupIds }).primaryAdmits);
      });
    expect(admitted).toEqual([["10.0.0.0/16", "100.64.0.0/16"], ["sg-1"]]);
  });

  test("admits 5432 to the replica from each block of the cluster's VPC only", async () => {
    const world = await build();
    const group = world.one("aws:ec2/securityGroup:SecurityGroup", "n-replica");
    const rules = world
      .all("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
      .filter((rule) => rule.dependencies.includes(group.urn));
    expect(rules.map(({ inputs }) => [inputs.cidrIpv4, inputs.ipProtocol, inputs.fromPort, inputs.toPort])).toEqual([
      ["10.0.0.0/16", "tcp", 5432, 5432],
      ["100.64.0.0/16", "tcp", 5432, 5432],
    ]);
  });

  test("strips the replica VPC's default security group of its rules", async () => {
    const world = await build();
    expect(world.one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs).toMatchObject({
      vpcId: world.idOf("aws:ec2/vpc:Vpc"),
      ingress: [],
      egress: [],
    });
  });

  test("spans as many zones as are given, with subnets that no new zone moves", async () => {
    const world = await build({ replica: { ...place, zones: ["eu-west-1a", "eu-west-1b", "eu-west-1c"] } });
    const subnets = world.all("aws:ec2/subnet:Subnet");
    expect(
      subnets.map(({ inputs }) => [inputs.availabilityZone, inputs.cidrBlock, inputs.mapPublicIpOnLaunch]),
    ).toEqual([
      ["eu-west-1a", "10.90.0.0/22", false],
      ["eu-west-1b", "10.90.4.0/22", false],
      ["eu-west-1c", "10.90.8.0/22", false],
    ]);
    for (const subnet of subnets) expect(subnet.ignoreChanges).toEqual(["availabilityZone"]);
    expect(world.all("aws:ec2/routeTableAssociation:RouteTableAssociation")).toHaveLength(3);
  });

  test("requests the peering in one region, accepts it in the other, and resolves names both ways after that", async () => {
    const world = await build();
    const peering = world.one("aws:ec2/vpcPeeringConnection:VpcPeeringConnection");
    expect(peering.inputs).toMatchObject({
      region: "eu-central-1",
      vpcId: "vpc-cluster",
      peerVpcId: world.idOf("aws:ec2/vpc:Vpc"),
      peerRegion: "eu-west-1",
      autoAccept: false,
    });
    const accepter = world.one("aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter");
    expect(accepter.inputs).toMatchObject({
      region: "eu-west-1",
      vpcPeeringConnectionId: world.idOf("aws:ec2/vpcPeeringConnection:VpcPeeringConnection"),
      autoAccept: true,
    });
    const options = world.all("aws:ec2/peeringConnectionOptions:PeeringConnectionOptions");
    expect(options.map((o) => o.inputs)).toEqual([
      expect.objectContaining({ region: "eu-west-1", accepter: { allowRemoteVpcDnsResolution: true } }),
      expect.objectContaining({ region: "eu-central-1", requester: { allowRemoteVpcDnsResolution: true } }),
    ]);
    const waiting = [...options, ...world.all("aws:ec2/route:Route")];
    for (const resource of waiting) expect(resource.dependencies).toContain(accepter.urn);
  });

  test("routes both ways through the peering, and nowhere else", async () => {
    const world = await build();
    const routes = world.all("aws:ec2/route:Route").map((route) => route.inputs);
    for (const route of routes)
      expect(route.vpcPeeringConnectionId).toBe(world.idOf("aws:ec2/vpcPeeringConnection:VpcPeeringConnection"));
    expect(routes.map((route) => [route.routeTableId, route.destinationCidrBlock])).toEqual([
      [world.idOf("aws:ec2/routeTable:RouteTable"), "10.0.0.0/16"],
      [world.idOf("aws:ec2/routeTable:RouteTable"), "100.64.0.0/16"],
      ["rtb-1", "10.90.0.0/20"],
      ["rtb-2", "10.90.0.0/20"],
    ]);
    expect(world.one("aws:ec2/routeTable:RouteTable").inputs).not.toHaveProperty("routes");
  });

  test("hands on the private subnets for the primary", async () => {
    const world = await build();
    expect(world.result.primarySubnetIds).toEqual(["subnet-a", "subnet-b"]);
  });

  test("passes tags on, and names what it makes", async () => {
    const world = await build();
    expect(world.one("aws:ec2/vpc:Vpc").inputs.tags).toEqual({ team: "platform", Name: "n-replica" });
    expect(world.one("aws:ec2/subnet:Subnet", "n-replica-2").inputs.tags).toMatchObject({ Name: "n-replica-2" });
  });

  test("refuses overlapping addresses before it creates anything", async () => {
    await expect(build({ replica: { ...place, cidr: "10.0.16.0/20" } })).rejects.toThrow(
      /10\.0\.16\.0\/20 overlaps 10\.0\.0\.0\/16/,
    );
  });
});
