import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { blockName } from "./addressBlocks";
import type { ClusterNetwork } from "./clusterNetwork";

/** Who may reach a server, as the source of an ingress rule. */
export interface Client {
  /** Of the rule's name. */
  suffix: string;
  /** Id of a group, or a block of addresses. */
  who: string;
  source: { referencedSecurityGroupId: string } | { cidrIpv4: string };
  description: string;
}

/** The groups that are named, or else the cluster's VPC. */
export function clientsOf({ name, cidrBlocks }: ClusterNetwork, groups: readonly string[] = []): Client[] {
  if (groups.length > 0)
    return groups.map((id) => {
      return { suffix: id, who: id, source: { referencedSecurityGroupId: id }, description: `Clients with ${id}` };
    });
  return cidrBlocks.map((cidrIpv4) => ({
    // By the block, not by its place in AWS' answer: a block that goes must not rename the others' rules, which then could not
    // be made beside the old ones (InvalidPermission.Duplicate).
    suffix: `cluster-${blockName(cidrIpv4)}`,
    who: cidrIpv4,
    source: { cidrIpv4 },
    description: `VPC of the EKS cluster ${name}`,
  }));
}

const postgresOnly = { ipProtocol: "tcp", fromPort: 5432, toPort: 5432 };

/** Admits them to PostgreSQL, and nobody else to anything. */
export function admit(
  name: string,
  to: { region: string; securityGroupId: pulumi.Input<string>; tags?: Record<string, string> },
  clients: readonly Client[],
  parent: pulumi.Resource,
): void {
  for (const { suffix, source, description } of clients) {
    const rule = `${name}-from-${suffix}`;
    new aws.vpc.SecurityGroupIngressRule(
      rule,
      { ...to, tags: { ...to.tags, Name: rule }, ...source, ...postgresOnly, description },
      { parent },
    );
  }
}
