/**
 * Look-ups of what exists before the program runs: an account, its regions and one EKS cluster of any name in each, with
 * a VPC over three zones. The same question always has the same answer.
 */
import type { Context, Invoke, Properties } from "../handler";
import { accountId, arn, AwsError, ec2Id, hex, text, texts } from "./account";
import { instanceType } from "./rds/lookup";
import { regionOf, routeTablesOf, subnetsOf, subnetTags, vpcCidr, vpcOf, zones, type Subnet } from "./clusterNetwork";

interface Filter {
  name: string;
  values: string[];
}

/** Applies `filters` (and `tags`): each must hold, by one of its values. A filter nothing is known of is an error. */
function select<T>(items: T[], inputs: Properties, facts: (item: T) => Record<string, string[]>): T[] {
  const tags = Object.entries((inputs.tags ?? {}) as Record<string, string>);
  const filters = [
    ...((inputs.filters ?? []) as Filter[]),
    ...tags.map(([key, value]) => ({ name: `tag:${key}`, values: [value] })),
  ];
  return items.filter((item) => {
    const known = facts(item);
    return filters.every(({ name, values }) => {
      const has = known[name] ?? (name.startsWith("tag:") ? [] : undefined);
      if (has === undefined) throw new AwsError("InvalidParameterValue", `The filter '${name}' is invalid`);
      return has.some((value) => values.some((wanted) => matches(wanted, value)));
    });
  });
}

const matches = (pattern: string, value: string): boolean =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", ".")}$`,
  ).test(value);

const tagFacts = (tags: Properties): Record<string, string[]> => ({
  "tag-key": Object.keys(tags),
  ...Object.fromEntries(Object.entries(tags).map(([key, value]) => [`tag:${key}`, [String(value)]])),
});

function findSubnets(inputs: Properties): Subnet[] {
  const region = regionOf(inputs);
  return select(subnetsOf(region), inputs, (subnet) => ({
    "vpc-id": [vpcOf(region)],
    "subnet-id": [subnet.id],
    "availability-zone": [subnet.zone],
    "map-public-ip-on-launch": [String(!subnet.isPrivate)],
    ...tagFacts(subnetTags(subnet)),
  }));
}

function describeSubnet(subnet: Subnet, region: string): Properties {
  return {
    id: subnet.id,
    arn: arn("ec2", region, `subnet/${subnet.id}`),
    availabilityZone: subnet.zone,
    availabilityZoneId: `${hex(region, 4)}-az${zones.indexOf(subnet.zone.slice(-1) as "a") + 1}`,
    cidrBlock: subnet.cidr,
    mapPublicIpOnLaunch: !subnet.isPrivate,
    ownerId: accountId,
    region,
    state: "available",
    tags: subnetTags(subnet),
    vpcId: vpcOf(region),
  };
}

function cluster(inputs: Properties): Properties {
  const region = regionOf(inputs);
  const name = text(inputs.name) ?? "cluster";
  const subnetIds = subnetsOf(region).map(({ id }) => id);
  const id = hex(`${region}/${name}`, 32).toUpperCase();
  return {
    id: name,
    name,
    region,
    arn: arn("eks", region, `cluster/${name}`),
    endpoint: `https://${id}.gr7.${region}.eks.amazonaws.com`,
    // Nothing here speaks to an API server: the Kubernetes resources become processes.
    certificateAuthorities: [{ data: Buffer.from("-----BEGIN CERTIFICATE-----\nlocal\n").toString("base64") }],
    identities: [{ oidcs: [{ issuer: `https://oidc.eks.${region}.amazonaws.com/id/${id}` }] }],
    roleArn: arn("iam", "", `role/${name}`),
    status: "ACTIVE",
    version: "1.34",
    platformVersion: "eks.1",
    kubernetesNetworkConfigs: [{ ipFamily: "ipv4", serviceIpv4Cidr: "172.20.0.0/16", serviceIpv6Cidr: "" }],
    tags: {},
    vpcConfig: {
      vpcId: vpcOf(region),
      subnetIds,
      clusterSecurityGroupId: ec2Id("sg", `${region}/${name}`),
      securityGroupIds: [],
      endpointPrivateAccess: true,
      endpointPublicAccess: true,
      publicAccessCidrs: [],
    },
  };
}

function onlyOne<T>(found: T[], what: string): T {
  const [first] = found;
  if (first === undefined) throw new Error(`no matching ${what} found`);
  if (found.length > 1)
    throw new Error(`multiple ${what}s matched; use additional constraints to reduce matches to one`);
  return first;
}

function vpc(inputs: Properties): Properties {
  const region = regionOf(inputs);
  const id = text(inputs.id) ?? vpcOf(region);
  if (id !== vpcOf(region)) throw new Error(`no matching EC2 VPC found: ${id} in ${region}`);
  return {
    id,
    region,
    arn: arn("ec2", region, `vpc/${id}`),
    cidrBlock: vpcCidr(region),
    cidrBlockAssociations: [
      { associationId: ec2Id("vpc-cidr-assoc", region), cidrBlock: vpcCidr(region), state: "associated" },
    ],
    default: false,
    enableDnsHostnames: true,
    enableDnsSupport: true,
    instanceTenancy: "default",
    mainRouteTableId: ec2Id("rtb", region),
    ownerId: accountId,
    state: "available",
    tags: {},
  };
}

function routeTables(inputs: Properties): Properties {
  const region = regionOf(inputs);
  const own = inputs.vpcId === undefined || inputs.vpcId === vpcOf(region) ? routeTablesOf(region) : [];
  const found = select(own, inputs, ({ id, main, subnet }) => ({
    "vpc-id": [vpcOf(region)],
    "route-table-id": [id],
    "association.main": [String(main)],
    "association.subnet-id": subnet === undefined ? [] : [subnet],
    "association.route-table-id": [id],
    ...tagFacts({}),
  }));
  return { ...inputs, id: region, region, ids: found.map(({ id }) => id) };
}

function databaseInstance(inputs: Properties, resources: Context["resources"]): Properties {
  const region = regionOf(inputs);
  const { dbInstanceIdentifier: identifier } = inputs;
  const found = resources(instanceType).filter(
    ({ outputs }) => outputs.identifier === identifier && outputs.region === region,
  );
  const { inputs: asked, outputs } = onlyOne(found, "RDS DB Instance");
  return { ...outputs, ...inputs, replicateSourceDb: text(asked.replicateSourceDb) ?? "" };
}

const lookups: Record<string, (inputs: Properties, resources: Context["resources"]) => Properties> = {
  "aws:eks/getCluster:getCluster": cluster,
  "aws:ec2/getVpc:getVpc": vpc,
  "aws:ec2/getSubnets:getSubnets": (inputs) => {
    const region = regionOf(inputs);
    return { ...inputs, id: region, region, ids: findSubnets(inputs).map(({ id }) => id) };
  },
  "aws:ec2/getSubnet:getSubnet": (inputs) => {
    const { id } = inputs;
    const found = findSubnets(inputs).filter((subnet) => id === undefined || subnet.id === id);
    return describeSubnet(onlyOne(found, "EC2 Subnet"), regionOf(inputs));
  },
  "aws:ec2/getRouteTables:getRouteTables": routeTables,
  "aws:rds/getInstance:getInstance": databaseInstance,
  /** Whatever key is asked for: of keys that a program did not make nothing is known here. */
  "aws:kms/getKey:getKey": (inputs) => ({
    ...inputs,
    id: inputs.keyId,
    arn: inputs.keyId,
    enabled: true,
    keyState: "Enabled",
    keySpec: "SYMMETRIC_DEFAULT",
    keyUsage: "ENCRYPT_DECRYPT",
  }),
  "aws:index/getCallerIdentity:getCallerIdentity": () => ({
    id: accountId,
    accountId,
    arn: arn("iam", "", "user/local"),
    userId: "AIDALOCALLOCALLOCALLO",
  }),
  "aws:index/getAvailabilityZones:getAvailabilityZones": (inputs) => {
    const region = regionOf(inputs);
    const found = select([...zones], inputs, (zone) => ({
      "opt-in-status": ["opt-in-not-required"],
      "zone-type": ["availability-zone"],
      "zone-name": [`${region}${zone}`],
      "region-name": [region],
      "group-name": [region],
      state: ["available"],
    }));
    const excluded = texts(inputs.excludeNames);
    const names = found.map((zone) => `${region}${zone}`).filter((name) => !excluded.includes(name));
    const zoneIds = names.map((name) => `${hex(region, 4)}-az${zones.indexOf(name.slice(-1) as "a") + 1}`);
    return { ...inputs, id: region, region, names, zoneIds, groupNames: [region] };
  },
};

export const invokes: Record<string, Invoke> = Object.fromEntries(
  Object.entries(lookups).map(([token, lookUp]): [string, Invoke] => [
    token,
    (inputs, resources) => new Promise((resolve) => resolve(lookUp(inputs, resources))),
  ]),
);
