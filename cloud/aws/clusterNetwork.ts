/** The network of each region's EKS cluster: a VPC over three zones, the same in every run. It is in no state. */
import type { Properties } from "../handler";
import { ec2Id, hex, text } from "./account";

export const zones = ["a", "b", "c"] as const;

const defaultRegion = (): string => process.env.AWS_REGION ?? "us-east-1";

export const regionOf = (inputs: Properties): string => text(inputs.region) ?? defaultRegion();

export const vpcOf = (region: string): string => ec2Id("vpc", region);

/** Block of a region's VPC, "10.…/20": another for each region, so that two of them can be connected. */
export const vpcCidr = (region: string): string => `${address(region, 0)}/20`;

/** Of 4,096 places in 10.0.0.0/8, one by the region's name: "eu-central-1" is always at the same. */
function address(region: string, third: number): string {
  const place = Number.parseInt(hex(region, 3), 16);
  return `10.${place >> 4}.${(place % 16) * 16 + third}.0`;
}

export interface Subnet {
  id: string;
  zone: string;
  cidr: string;
  isPrivate: boolean;
}

/** A private and a public subnet in each zone, as `eksctl` makes them. */
export function subnetsOf(region: string): Subnet[] {
  return [true, false].flatMap((isPrivate, half) =>
    zones.map((zone, index) => ({
      id: ec2Id("subnet", `${region}${zone}${isPrivate ? "private" : "public"}`),
      zone: `${region}${zone}`,
      cidr: `${address(region, (half * 3 + index) * 2)}/23`,
      isPrivate,
    })),
  );
}

export const subnetTags = ({ isPrivate }: Subnet): Properties =>
  isPrivate ? { "kubernetes.io/role/internal-elb": "1" } : { "kubernetes.io/role/elb": "1" };

/** One table for the public subnets, the VPC's main one; one for each private subnet. */
export function routeTablesOf(region: string): { id: string; main: boolean; subnet?: string }[] {
  const own = subnetsOf(region)
    .filter(({ isPrivate }) => isPrivate)
    .map(({ id }) => ({ id: ec2Id("rtb", id), main: false, subnet: id }));
  return [{ id: ec2Id("rtb", region), main: true }, ...own];
}

/** A subnet of a region's cluster: it is in no state. */
export function clusterSubnet(id: string, region: string): { vpcId: string; zone: string } | undefined {
  const subnet = subnetsOf(region).find((candidate) => candidate.id === id);
  return subnet && { vpcId: vpcOf(region), zone: subnet.zone };
}
