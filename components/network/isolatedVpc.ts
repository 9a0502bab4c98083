import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { quarters } from "./addressBlocks";

/** A VPC to be made for a server. */
export interface NewVpc {
  /** Private IPv4 block, /16 to /24. */
  cidr: string;
  /** Zones of the region to span, two or three, from `lookUpZones`. */
  zones: string[];
}

/** A VPC that has no way to the internet, and one route table for its subnets. */
export function isolatedVpc(
  name: string,
  { region, cidr, zones, tags = {} }: NewVpc & { region: string; tags?: Record<string, string> },
  parent: pulumi.Resource,
) {
  const opts = { parent };
  const here = (suffix?: string) => ({
    region,
    tags: { ...tags, Name: suffix === undefined ? name : `${name}-${suffix}` },
  });
  const vpc = new aws.ec2.Vpc(
    name,
    { ...here(), cidrBlock: cidr, enableDnsSupport: true, enableDnsHostnames: true },
    opts,
  );
  // A VPC's default group admits all of its own members; adopted without rules it admits nothing (CIS AWS 5.4).
  new aws.ec2.DefaultSecurityGroup(
    `${name}-default`,
    { ...here("default"), vpcId: vpc.id, ingress: [], egress: [] },
    opts,
  );
  const cidrs = quarters(cidr, zones.length);
  const subnets = zones.map(
    (zone, index) =>
      new aws.ec2.Subnet(
        `${name}-${index + 1}`,
        {
          ...here(`${index + 1}`),
          vpcId: vpc.id,
          cidrBlock: cidrs[index],
          availabilityZone: zone,
          mapPublicIpOnLaunch: false,
        },
        // A zone that AWS adds or closes must not move a subnet from under the database.
        { ...opts, ignoreChanges: ["availabilityZone"] },
      ),
  );
  const routeTable = new aws.ec2.RouteTable(name, { ...here(), vpcId: vpc.id }, opts);
  subnets.forEach((subnet, index) => {
    new aws.ec2.RouteTableAssociation(
      `${name}-${index + 1}`,
      { region, routeTableId: routeTable.id, subnetId: subnet.id },
      opts,
    );
  });
  return { vpcId: vpc.id, subnetIds: subnets.map((subnet) => subnet.id), cidrBlocks: [cidr], routeTable };
}
