import { describe, expect, test } from "vitest";
import { lookUpCluster, lookUpZones, type ClusterNetwork } from "../../components/network/clusterNetwork";
import { networkProblems } from "../../components/network/networkProblems";
import { record, type Values } from "./mocks";

interface Filter {
  name: string;
  values: string[];
}

const filtersOf = (inputs: Values) =>
  Object.fromEntries((inputs.filters as Filter[]).map((filter) => [filter.name, filter.values]));

/** Tables by subnet; the VPC's main one serves every other subnet. */
const routeTables = (bySubnet: Record<string, string>) => (inputs: Values) => {
  const filters = filtersOf(inputs);
  const subnet = filters["association.subnet-id"]?.[0];
  const table = subnet === undefined ? "rtb-main" : bySubnet[subnet];
  return { id: "x", ids: table === undefined ? [] : [table] };
};

const platform = { name: "platform", region: "eu-central-1" };

describe("looking the cluster up", () => {
  test("leads to its VPC, its private subnets with their zones, and its security group", async () => {
    const world = await record(() => lookUpCluster(platform));
    expect(world.result).toMatchObject({
      name: "platform",
      region: "eu-central-1",
      endpoint: "https://eks.example.com",
      arn: "arn:aws:eks:eu-central-1:000000000000:cluster/platform",
      certificateAuthority: Buffer.from("cluster-ca").toString("base64"),
      vpcId: "vpc-cluster",
      cidrBlocks: ["10.0.0.0/16"],
      ipFamily: "ipv4",
      privateSubnets: [
        { id: "subnet-private-a", zone: "eu-central-1a" },
        { id: "subnet-private-b", zone: "eu-central-1b" },
        { id: "subnet-private-c", zone: "eu-central-1c" },
      ],
    });
    expect(world.resources).toEqual([]);
  });

  test("of a name that no cluster has fails with one line that names both settings and a command to check with", async () => {
    const failed = record(() => lookUpCluster({ ...platform, name: "platfrom" }), {
      invokes: {
        "aws:eks/getCluster:getCluster": () => {
          throw new Error(
            "invoking aws:eks/getCluster:getCluster: 1 error occurred:\n\t* reading EKS Cluster (platfrom): couldn't find resource\n\n",
          );
        },
      },
    });
    await expect(failed).rejects.toThrow(
      /^eksClusterName platfrom cannot be looked up in eu-central-1 \(primaryRegion\): reading EKS Cluster \(platfrom\): couldn't find resource\. Check both settings and the AWS credentials: aws eks describe-cluster --name platfrom --region eu-central-1$/,
    );
    await expect(failed).rejects.toMatchObject({ __pulumiRunError: true });
  });

  test("asks for subnets of that VPC with the tag of private ones, all in the cluster's region", async () => {
    const world = await record(() => lookUpCluster(platform));
    const subnets = world.invoked.find((invoked) => invoked.token === "aws:ec2/getSubnets:getSubnets");
    expect(filtersOf(subnets?.inputs ?? {})).toEqual({
      "vpc-id": ["vpc-cluster"],
      "tag-key": ["kubernetes.io/role/internal-elb"],
    });
    const regional = world.invoked.filter(({ token }) => !token.includes("getCallerIdentity"));
    expect(regional.map((invoked) => invoked.inputs.region)).toEqual(regional.map(() => "eu-central-1"));
  });

  /** Where the cluster's own subnets are not all that pods may be in. */
  const subnetsOfVpc = (inputs: Values) => ({
    id: "x",
    ids: ["subnet-private-a", "subnet-private-b", ...("tag-key" in filtersOf(inputs) ? [] : ["subnet-pods"])],
  });

  test("finds the route table of a subnet that only pods use, and has neither a tag nor a name in the cluster", async () => {
    const { result } = await record(() => lookUpCluster(platform), {
      invokes: {
        "aws:ec2/getSubnets:getSubnets": subnetsOfVpc,
        "aws:ec2/getRouteTables:getRouteTables": routeTables({
          "subnet-private-a": "rtb-a",
          "subnet-private-b": "rtb-a",
          "subnet-pods": "rtb-pods",
        }),
      },
    });
    expect(result.routeTableIds).toEqual(["rtb-a", "rtb-pods"]);
    expect(result.privateSubnets.map(({ id }) => id)).toEqual(["subnet-private-a", "subnet-private-b"]);
  });

  test("finds each subnet's route table once, and the main one for a subnet that has none", async () => {
    const world = await record(() => lookUpCluster(platform), {
      invokes: {
        "aws:ec2/getSubnets:getSubnets": subnetsOfVpc,
        "aws:ec2/getRouteTables:getRouteTables": routeTables({
          "subnet-private-a": "rtb-shared",
          "subnet-private-b": "rtb-shared",
        }),
      },
    });
    expect(world.result.routeTableIds).toEqual(["rtb-main", "rtb-shared"]);
  });

  test("with subnets named takes these for the database, and routes from the cluster's all the same", async () => {
    const world = await record(() => lookUpCluster({ ...platform, subnetIds: ["subnet-db-b", "subnet-db-a"] }), {
      invokes: {
        "aws:ec2/getRouteTables:getRouteTables": routeTables({
          "subnet-db-a": "rtb-db",
          "subnet-db-b": "rtb-db",
          "subnet-private-a": "rtb-a",
        }),
      },
    });
    expect(world.result.privateSubnets).toEqual([
      { id: "subnet-db-a", zone: "eu-central-1a" },
      { id: "subnet-db-b", zone: "eu-central-1b" },
    ]);
    expect(world.result.routeTableIds).toEqual(["rtb-a", "rtb-db", "rtb-main"]);
  });

  test("refuses a named subnet of another VPC, or one that is not there, in one line that names the setting", async () => {
    const named = (getSubnet: (inputs: Values) => Values) =>
      record(() => lookUpCluster({ ...platform, subnetIds: ["subnet-db-a"] }), {
        invokes: { "aws:ec2/getSubnet:getSubnet": getSubnet },
      });
    await expect(named((inputs) => ({ ...inputs, vpcId: "vpc-2", availabilityZone: "x" }))).rejects.toThrow(
      /^databaseSubnetIds: subnet-db-a is a subnet of vpc-2; use subnets of vpc-cluster$/,
    );
    const missing = named(() => {
      throw new Error("InvalidSubnetID.NotFound");
    });
    await expect(missing).rejects.toThrow(
      /^databaseSubnetIds: subnet-db-a cannot be looked up in eu-central-1: .*InvalidSubnetID\.NotFound\. Check with .*subnet-db-a --region eu-central-1$/,
    );
    await expect(missing).rejects.toMatchObject({ __pulumiRunError: true });
  });

  test("says who shares a VPC that is another account's, and nothing of one's own", async () => {
    expect((await record(() => lookUpCluster(platform))).result).not.toHaveProperty("sharedBy");
    const getVpc = (inputs: Values) => ({ id: inputs.id, ownerId: "222222222222", cidrBlockAssociations: [] });
    const { result } = await record(() => lookUpCluster(platform), { invokes: { "aws:ec2/getVpc:getVpc": getVpc } });
    expect(result.sharedBy).toBe("222222222222");
  });

  test("leaves out blocks that are no longer the VPC's", async () => {
    const world = await record(() => lookUpCluster(platform), {
      invokes: {
        "aws:ec2/getVpc:getVpc": (inputs) => ({
          id: inputs.id,
          cidrBlockAssociations: [
            { associationId: "1", cidrBlock: "10.0.0.0/16", state: "associated" },
            { associationId: "2", cidrBlock: "10.90.0.0/16", state: "disassociated" },
            { associationId: "3", cidrBlock: "100.64.0.0/16", state: "associated" },
          ],
        }),
      },
    });
    expect(world.result.cidrBlocks).toEqual(["10.0.0.0/16", "100.64.0.0/16"]);
  });
});

describe("looking zones up", () => {
  const zones = (...names: string[]) => ({
    "aws:index/getAvailabilityZones:getAvailabilityZones": () => ({ id: "x", names }),
  });

  test("takes the first in alphabetical order, without local zones and those to opt into", async () => {
    const invokes = zones("eu-west-1c", "eu-west-1a", "eu-west-1b");
    const world = await record(() => lookUpZones("eu-west-1", 2), { invokes });
    expect(world.result).toEqual(["eu-west-1a", "eu-west-1b"]);
    expect(world.invoked[0]?.inputs).toEqual({
      region: "eu-west-1",
      state: "available",
      filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }],
    });
  });

  test("of a region that is not there fails with one line that names the setting", async () => {
    const invokes = {
      "aws:index/getAvailabilityZones:getAvailabilityZones": () => {
        throw new Error("1 error occurred:\n\t* dial tcp: lookup ec2.eu-wst-1.amazonaws.com: no such host\n");
      },
    };
    await expect(record(() => lookUpZones("eu-wst-1", 2), { invokes })).rejects.toThrow(
      /^replicaRegion: the zones of eu-wst-1 cannot be looked up: dial tcp: .*no such host\. Check .*$/,
    );
  });

  test("refuses a region with too few", async () => {
    const invokes = zones("us-west-1a", "us-west-1b");
    await expect(record(() => lookUpZones("us-west-1", 3), { invokes })).rejects.toThrow(
      "replicaZones is 3, but us-west-1 has 2 zones: us-west-1a, us-west-1b",
    );
  });
});

describe("a cluster's network is refused", () => {
  const cluster: ClusterNetwork = {
    name: "platform",
    region: "eu-central-1",
    endpoint: "https://eks.example.com",
    certificateAuthority: "",
    arn: "arn:aws:eks:eu-central-1:000000000000:cluster/platform",
    vpcId: "vpc-1",
    cidrBlocks: ["10.0.0.0/16", "100.64.0.0/16"],
    ipFamily: "ipv4",
    privateSubnets: [
      { id: "subnet-a", zone: "eu-central-1a" },
      { id: "subnet-b", zone: "eu-central-1b" },
    ],
    routeTableIds: ["rtb-1"],
  };

  const place = (cidr: string) => ({ region: "eu-west-1", cidr, zones: ["eu-west-1a", "eu-west-1b"] });

  test("not when it has two zones and other addresses", () => {
    expect(networkProblems(cluster, place("10.90.0.0/20"))).toEqual([]);
  });

  test("when the replica's block overlaps any of the VPC's, naming both", () => {
    const problems = networkProblems(cluster, place("10.0.128.0/20"));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("replicaCidr 10.0.128.0/20 overlaps 10.0.0.0/16 of vpc-1");
  });

  test("when its private subnets lie in one zone, naming them", () => {
    const privateSubnets = [
      { id: "subnet-a", zone: "eu-central-1a" },
      { id: "subnet-b", zone: "eu-central-1a" },
    ];
    const problems = networkProblems({ ...cluster, privateSubnets }, place("10.90.0.0/20"));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("found: subnet-a in eu-central-1a, subnet-b in eu-central-1a");
  });

  test("when its VPC is shared by another account and a replica's VPC is to be made, not without a replica", () => {
    const shared = { ...cluster, sharedBy: "222222222222" };
    expect(networkProblems(shared)).toEqual([]);
    expect(networkProblems(shared, place("10.90.0.0/20"))).toEqual([
      expect.stringMatching(
        /^vpc-1 \(EKS cluster platform\) is shared by account 222222222222, .*or set replica to false\.$/,
      ),
    ]);
  });

  test("for everything at once", () => {
    expect(networkProblems({ ...cluster, privateSubnets: [] }, place("100.64.0.0/20"))).toHaveLength(2);
  });
});
