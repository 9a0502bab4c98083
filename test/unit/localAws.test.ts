/** Look-ups and recorded resources of the local cloud: what a program makes from them must fit together as in AWS. */
import { describe, expect, test } from "vitest";
import { handlers, invokes, recordedOutputs } from "../../cloud/aws";
import { accountId } from "../../cloud/aws/account";
import type { Context, Properties, Resource } from "../../cloud/handler";
import { overlaps } from "../../components/network/addressBlocks";

const region = "eu-central-1";
/** AWS' own, as of November 2025. */
const regions = (
  "us-east-1 us-east-2 us-west-1 us-west-2 af-south-1 ap-east-1 ap-east-2 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2 " +
  "ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ap-northeast-1 ap-northeast-2 ap-northeast-3 " +
  "ca-central-1 ca-west-1 eu-central-1 eu-central-2 eu-west-1 eu-west-2 eu-west-3 eu-north-1 eu-south-1 eu-south-2 il-central-1 " +
  "mx-central-1 me-central-1 me-south-1 sa-east-1 us-gov-east-1 us-gov-west-1 cn-north-1 cn-northwest-1"
).split(" ");

async function lookUp<T = Record<string, string>>(token: string, inputs: Properties): Promise<T> {
  const invoke = invokes[`aws:${token}`];
  if (invoke === undefined) throw new Error(`no ${token}`);
  return (await invoke(inputs, () => [])) as T;
}

interface Cluster {
  vpcConfig: { vpcId: string; subnetIds: string[]; clusterSecurityGroupId: string };
}

const filter = (name: string, ...values: string[]) => ({ name, values });

describe("look-ups", () => {
  test("lead from a cluster's name to a VPC, its private subnets in three zones and their route tables", async () => {
    const { vpcConfig } = await lookUp<Cluster>("eks/getCluster:getCluster", { name: "platform", region });
    const inVpc = filter("vpc-id", vpcConfig.vpcId);
    const tagged = { region, filters: [inVpc, filter("tag-key", "kubernetes.io/role/internal-elb")] };
    const { ids } = await lookUp<{ ids: string[] }>("ec2/getSubnets:getSubnets", tagged);
    expect(vpcConfig.subnetIds).toEqual(expect.arrayContaining(ids));
    expect(ids).toHaveLength(3);

    const subnets = await Promise.all(ids.map((id) => lookUp("ec2/getSubnet:getSubnet", { id, region })));
    expect(subnets.map((subnet) => subnet.availabilityZone)).toEqual(["a", "b", "c"].map((zone) => region + zone));
    expect(new Set(subnets.map((subnet) => subnet.cidrBlock)).size).toBe(3);

    const tables = await Promise.all(
      ids.map((id) =>
        lookUp<{ ids: string[] }>("ec2/getRouteTables:getRouteTables", {
          region,
          filters: [inVpc, filter("association.subnet-id", id)],
        }),
      ),
    );
    expect(new Set(tables.flatMap((table) => table.ids)).size).toBe(3);
    const vpc = await lookUp<{ cidrBlockAssociations: Properties[] }>("ec2/getVpc:getVpc", {
      id: vpcConfig.vpcId,
      region,
    });
    const [block] = vpc.cidrBlockAssociations as [{ cidrBlock: string }];
    expect(block).toMatchObject({
      cidrBlock: expect.stringMatching(/^10\.\d+\.\d+\.0\/20$/) as string,
      state: "associated",
    });
    for (const { cidrBlock } of subnets)
      expect([cidrBlock, overlaps(String(cidrBlock), block.cidrBlock)]).toEqual([cidrBlock, true]);
  });

  test("of another region lead elsewhere, and the same question has the same answer", async () => {
    const [here, again, there] = await Promise.all(
      [region, region, "us-east-1"].map((r) =>
        lookUp<Cluster>("eks/getCluster:getCluster", { name: "platform", region: r }),
      ),
    );
    expect(again).toEqual(here);
    expect(there?.vpcConfig.vpcId).not.toBe(here?.vpcConfig.vpcId);
    await expect(lookUp("ec2/getVpc:getVpc", { id: here?.vpcConfig.vpcId, region: "us-east-1" })).rejects.toThrow(
      /no matching/,
    );
  });

  test("of every region lead to addresses of its own, none of them the default replicaCidr's: any two can be connected", async () => {
    const blocks = await Promise.all(
      regions.map(async (r) => {
        const { vpcConfig } = await lookUp<Cluster>("eks/getCluster:getCluster", { name: "platform", region: r });
        return (await lookUp("ec2/getVpc:getVpc", { id: vpcConfig.vpcId, region: r })).cidrBlock!;
      }),
    );
    const all = ["10.90.0.0/20", ...blocks];
    const clashes = all.flatMap((a, i) => all.slice(i + 1).flatMap((b) => (overlaps(a, b) ? [[a, b]] : [])));
    expect(clashes).toEqual([]);
  });

  test("with a filter that EC2 does not know are refused, and with one that nothing fits find nothing", async () => {
    const wrong = lookUp("ec2/getSubnets:getSubnets", { region, filters: [filter("vpcid", "vpc-1")] });
    await expect(wrong).rejects.toThrow(/The filter 'vpcid' is invalid/);
    expect(await lookUp("ec2/getSubnets:getSubnets", { region, filters: [filter("vpc-id", "vpc-1")] })).toMatchObject({
      ids: [],
    });
    expect(await lookUp("ec2/getSubnets:getSubnets", { region, tags: { Tier: "none" } })).toMatchObject({ ids: [] });
  });

  test("of zones keep to the region and leave out what is excluded", async () => {
    const zones = await lookUp<{ names: string[] }>("index/getAvailabilityZones:getAvailabilityZones", {
      region: "us-west-2",
      state: "available",
      excludeNames: ["us-west-2b"],
      filters: [filter("opt-in-status", "opt-in-not-required")],
    });
    expect(zones.names).toEqual(["us-west-2a", "us-west-2c"]);
  });
});

const context = (type: string, physicalName: string, resources: Resource[] = []): Context =>
  ({
    type,
    physicalName,
    resources: (wanted: string) => resources.filter((r) => r.type === wanted),
  }) as unknown as Context;

describe("recorded resources", () => {
  test.each<[string, Properties, RegExp, Properties]>([
    [
      "aws:kms/key:Key",
      { region },
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
      { arn: `arn:aws:kms:${region}:${accountId}:key/` },
    ],
    [
      "aws:ec2/securityGroup:SecurityGroup",
      { region, vpcId: "vpc-1" },
      /^sg-0[0-9a-f]{16}$/,
      { name: "thing-1a2b3c4" },
    ],
    ["aws:ec2/vpcPeeringConnection:VpcPeeringConnection", { region }, /^pcx-/, { acceptStatus: "active" }],
    ["aws:iam/role:Role", {}, /^thing-1a2b3c4$/, { arn: `arn:aws:iam::${accountId}:role/thing-1a2b3c4` }],
    [
      "aws:s3/bucket:Bucket",
      { region },
      /^thing-1a2b3c4$/,
      { bucketRegionalDomainName: `thing-1a2b3c4.s3.${region}.amazonaws.com` },
    ],
    ["aws:s3/bucketPolicy:BucketPolicy", { region, bucket: "b" }, /^b$/, {}],
    ["aws:secretsmanager/secret:Secret", { region, namePrefix: "db/" }, /:secret:db\/[0-9a-f]{20}-[0-9a-f]{6}$/, {}],
    [
      "aws:cloudwatch/logGroup:LogGroup",
      { region },
      /^thing-1a2b3c4$/,
      { arn: `arn:aws:logs:${region}:${accountId}:log-group:` },
    ],
  ])("%s has the id and outputs AWS would give it", (type, inputs, id, outputs) => {
    const made = recordedOutputs(inputs, context(type, "thing-1a2b3c4"));
    expect(made.id).toMatch(id);
    for (const [name, value] of Object.entries(outputs)) expect(String(made.outputs[name])).toContain(String(value));
    if (inputs.region) expect(made.outputs.region).toBe(region);
  });

  test("keep their ids through an update and share them with nobody", async () => {
    const type = "aws:ec2/vpc:Vpc";
    const handler = handlers[type];
    const first = await handler?.create({ region }, context(type, "one-1"));
    const updated = await handler?.update?.({} as Resource, { region, tags: { a: "b" } }, context(type, "one-1"));
    expect(updated?.arn).toBe(first?.outputs.arn);
    expect(recordedOutputs({ region }, context(type, "two-2")).id).not.toBe(first?.id);
  });

  test("of a type nobody thought of are an error, not a guess", () => {
    expect(() => recordedOutputs({}, context("aws:lambda/function:Function", "f"))).toThrow(/lambda\/function/);
    expect(handlers["aws:lambda/function:Function"]).toBeUndefined();
  });
});

describe("a subnet group", () => {
  const type = "aws:rds/subnetGroup:SubnetGroup";
  const subnet = (id: string, zone: string, vpcId = "vpc-1") =>
    ({
      id,
      type: "aws:ec2/subnet:Subnet",
      inputs: { vpcId, availabilityZone: zone },
      outputs: { region },
    }) as unknown as Resource;
  const subnets = [
    subnet("s-a", "eu-central-1a"),
    subnet("s-b", "eu-central-1b"),
    subnet("s-a2", "eu-central-1a"),
    subnet("s-x", "eu-central-1b", "vpc-2"),
  ];
  const make = (subnetIds: string[], where = region) =>
    handlers[type]?.create({ region: where, subnetIds }, context(type, "Group-1", subnets));

  test("over two zones of one VPC is taken", async () => {
    expect(await make(["s-a", "s-b"])).toMatchObject({ id: "group-1", outputs: { name: "group-1", vpcId: "vpc-1" } });
  });

  test.each([
    ["in one zone", ["s-a", "s-a2"], region, /at least 2 AZs/],
    ["over two VPCs", ["s-a", "s-x"], region, /different VPCs/],
    ["of another region", ["s-a", "s-b"], "us-east-1", /s-a is invalid.*us-east-1/],
  ])("%s is refused", (_, ids, where, message) => {
    expect(() => make(ids, where)).toThrow(message);
  });
});
