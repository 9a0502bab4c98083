import { describe, expect, test } from "vitest";
import type { ClusterNetwork, VpcNetwork } from "../../components/network/clusterNetwork";
import { Network } from "../../components/network/network";
import type { ServerPlace } from "../../components/network/serverPlace";
import { lookUpReplicaPlace, type PlaceArgs } from "../../components/network/serverPlace";
import { record, valueOf } from "./mocks";

const existing: VpcNetwork = {
  vpcId: "vpc-other",
  cidrBlocks: ["10.50.0.0/16", "10.51.0.0/16"],
  privateSubnets: [
    { id: "subnet-x", zone: "eu-west-1a" },
    { id: "subnet-y", zone: "eu-west-1b" },
  ],
  routeTableIds: ["rtb-x", "rtb-y"],
};

const cluster: ClusterNetwork = {
  name: "platform",
  region: "eu-central-1",
  endpoint: "https://eks.example.com",
  certificateAuthority: "",
  arn: "arn:aws:eks:eu-central-1:123456789012:cluster/platform",
  vpcId: "vpc-cluster",
  cidrBlocks: ["10.0.0.0/16"],
  ipFamily: "ipv4",
  privateSubnets: [
    { id: "subnet-a", zone: "eu-central-1a" },
    { id: "subnet-b", zone: "eu-central-1b" },
  ],
  routeTableIds: ["rtb-1"],
};

const build = (replica: ServerPlace) =>
  record(() => new Network("n", { cluster, primaryRegion: "eu-central-1", replica }));
const place = { region: "eu-west-1", existing, connected: false };

describe("a replica in a VPC that is there", () => {
  test("makes a security group in it, and neither a VPC, a subnet, a table nor a change to its default group", async () => {
    const world = await build(place);
    expect(world.census.filter((entry) => entry.startsWith("aws:ec2/") && !entry.includes("n-primary"))).toEqual([
      "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions n-replica-peering-accepter",
      "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions n-replica-peering-requester",
      ...["rtb-1-10-50-0-0-16", "rtb-1-10-51-0-0-16", "rtb-x-10-0-0-0-16", "rtb-y-10-0-0-0-16"].map(
        (route) => `aws:ec2/route:Route n-replica-peering-${route}`,
      ),
      "aws:ec2/securityGroup:SecurityGroup n-replica",
      "aws:ec2/vpcPeeringConnection:VpcPeeringConnection n-replica-peering",
      "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter n-replica-peering",
    ]);
    expect(world.one("aws:ec2/securityGroup:SecurityGroup", "n-replica").inputs).toMatchObject({
      region: "eu-west-1",
      vpcId: "vpc-other",
    });
    const { replica } = world.result;
    expect([await valueOf(replica!.vpcId), replica!.subnetIds]).toEqual(["vpc-other", ["subnet-x", "subnet-y"]]);
  });

  test("peers it with the cluster's VPC, and routes each block of either in all tables of the other", async () => {
    const world = await build(place);
    expect(world.one("aws:ec2/vpcPeeringConnection:VpcPeeringConnection").inputs).toMatchObject({
      vpcId: "vpc-cluster",
      peerVpcId: "vpc-other",
      peerRegion: "eu-west-1",
    });
    const routes = world.all("aws:ec2/route:Route").map(({ inputs }) => inputs);
    expect(routes.map((route) => [route.region, route.routeTableId, route.destinationCidrBlock])).toEqual([
      ["eu-central-1", "rtb-1", "10.50.0.0/16"],
      ["eu-central-1", "rtb-1", "10.51.0.0/16"],
      ["eu-west-1", "rtb-x", "10.0.0.0/16"],
      ["eu-west-1", "rtb-y", "10.0.0.0/16"],
    ]);
  });

  test("that reaches the cluster's already is neither peered nor routed to", async () => {
    const world = await build({ ...place, connected: true });
    expect(world.census.filter((entry) => /[Pp]eering|Route/.test(entry))).toEqual([]);
    expect(world.all("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")).toHaveLength(2);
  });

  test("is refused where the two VPCs share addresses, connected or not, naming both", async () => {
    const overlapping = { ...existing, cidrBlocks: ["10.50.0.0/16", "10.0.128.0/20"] };
    for (const connected of [false, true])
      await expect(build({ ...place, existing: overlapping, connected })).rejects.toThrow(
        /^10\.0\.128\.0\/20 of the replica's VPC vpc-other overlaps 10\.0\.0\.0\/16 of vpc-cluster \(EKS cluster platform\).*Use another VPC/,
      );
  });

  test.each([
    [
      "the EKS cluster's",
      { cluster: { ...cluster, sharedBy: "222222222222" } },
      /^vpc-cluster \(EKS cluster platform\)/,
    ],
    ["its own", { existing: { ...existing, sharedBy: "222222222222" } }, /^vpc-other \(the replica's VPC\)/],
  ])(
    "is refused where %s VPC is another account's, who alone can connect it; not where both are connected",
    async (_, shared, which) => {
      const withShared = (connected: boolean) =>
        record(
          () =>
            new Network("n", {
              cluster,
              primaryRegion: "eu-central-1",
              replica: { region: "eu-west-1", existing, connected, ...shared },
              ...shared,
            }),
        );
      await expect(withShared(false)).rejects.toThrow(which);
      await expect(withShared(false)).rejects.toThrow(
        /shared by account 222222222222, .* set replicaVpcConnected to true/,
      );
      expect((await withShared(true)).census).toContain("aws:ec2/securityGroup:SecurityGroup n-replica");
    },
  );

  test("is refused in subnets of one zone, naming the setting", async () => {
    const privateSubnets = [existing.privateSubnets[0]!];
    await expect(build({ ...place, existing: { ...existing, privateSubnets } })).rejects.toThrow(
      /two zones of vpc-other .*named in replicaSubnetIds; found: subnet-x in eu-west-1a/,
    );
  });
});

describe("the replica's place", () => {
  const args: PlaceArgs = { cidr: "10.90.0.0/20", zones: 2, subnetIds: [], connected: false };
  const lookUp = (changes: Partial<PlaceArgs>) =>
    record(() => lookUpReplicaPlace("eu-west-1", { ...args, ...changes }));

  test("is a VPC to be made where nothing is named", async () => {
    expect((await lookUp({})).result).toEqual({
      region: "eu-west-1",
      cidr: "10.90.0.0/20",
      zones: ["eu-west-1a", "eu-west-1b"],
    });
  });

  test("is the named subnets of the named VPC", async () => {
    const subnetIds = ["subnet-y-b", "subnet-x-a"];
    const { result, invoked } = await lookUp({ vpcId: "vpc-other", subnetIds, connected: true });
    expect(result).toEqual({
      region: "eu-west-1",
      connected: true,
      existing: {
        vpcId: "vpc-other",
        cidrBlocks: ["10.50.0.0/16"],
        privateSubnets: [
          { id: "subnet-x-a", zone: "eu-west-1a" },
          { id: "subnet-y-b", zone: "eu-west-1b" },
        ],
        routeTableIds: ["rtb-main-other", "rtb-private-other"],
      },
    });
    const regional = invoked.filter(({ token }) => !token.includes("getCallerIdentity"));
    expect(regional.map(({ inputs }) => inputs.region)).toEqual(regional.map(() => "eu-west-1"));
  });

  test("is beside the named EKS cluster, as the primary is beside its own", async () => {
    expect((await lookUp({ eksClusterName: "west" })).result).toMatchObject({
      connected: false,
      existing: {
        name: "west",
        vpcId: "vpc-other",
        privateSubnets: ["a", "b", "c"].map((zone) => ({ id: `subnet-private-${zone}`, zone: `eu-west-1${zone}` })),
      },
    });
  });

  test("with an unknown cluster or a foreign subnet fails with one line that names the replica's settings", async () => {
    const getCluster = "aws:eks/getCluster:getCluster";
    const invokes = {
      [getCluster]: () => {
        throw new Error("not found");
      },
    };
    await expect(
      record(() => lookUpReplicaPlace("eu-west-1", { ...args, eksClusterName: "west" }, {}), { invokes }),
    ).rejects.toThrow(/^replicaEksClusterName west cannot be looked up in eu-west-1 \(replicaRegion\)/);
    await expect(lookUp({ vpcId: "vpc-third", subnetIds: ["subnet-x"] })).rejects.toThrow(
      /^replicaSubnetIds: subnet-x is a subnet of vpc-other; use subnets of vpc-third$/,
    );
  });
});
