/** Who may reach whom, as Kubernetes' network policies say it. */
import type * as k8s from "@pulumi/kubernetes";
import type { types } from "@pulumi/kubernetes";
import type { Input } from "@pulumi/pulumi";
import { type Labels, labelsOf } from "./podSecurity";

export type EgressRule = types.input.networking.v1.NetworkPolicyEgressRule;

/**
 * Look-ups of names; without this egress rule no pod finds its database. To anyone: NodeLocal DNSCache answers at a link-local
 * address of the node, EKS Auto Mode from outside the cluster's pods, and no selector names either.
 */
export const dnsEgress: EgressRule = {
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};

/** Blocks that a rule names, each as a peer. */
export const peersOf = (blocks: readonly string[]) => blocks.map((cidr) => ({ ipBlock: { cidr } }));

/** PostgreSQL, only where the servers can be. No block at all: to anyone, for a cluster whose policies cannot name them. */
export function databaseEgress(blocks: readonly string[], port: Input<number>): EgressRule {
  const ports = [{ protocol: "TCP", port }];
  return blocks.length === 0 ? { ports } : { to: peersOf(blocks), ports };
}

/**
 * Whoever has a certificate for what they say they are. No exception for the node's credentials: they are served on port 80 alone. And
 * the VPC CNI denies what is excepted on every port, by the longest prefix (aws-network-policy-agent, addDenyAllL4Entry): without
 * 169.254.0.0/16, a pod that asks NodeLocal DNSCache at 169.254.20.10 would have no names.
 */
export const httpsEgress: EgressRule = {
  to: [{ ipBlock: { cidr: "0.0.0.0/0" } }, { ipBlock: { cidr: "::/0" } }],
  ports: [{ protocol: "TCP", port: 443 }],
};

/** A program's pods, by its name, at one port. */
export const egressToPods = (name: string, port: number): EgressRule => ({
  to: [{ podSelector: { matchLabels: labelsOf(name) } }],
  ports: [{ protocol: "TCP", port }],
});

/** EKS Pod Identity's agent: an address of the node itself, in both families (AWS, "EKS Pod Identity Agent"). */
export const podIdentityEgress: EgressRule = {
  to: [{ ipBlock: { cidr: "169.254.170.23/32" } }, { ipBlock: { cidr: "fd00:ec2::23/128" } }],
  ports: [{ protocol: "TCP", port: 80 }],
};

/** Who may reach a program's pods, and whom they may reach: what no rule names is denied, both ways. */
export function podPolicy(
  { namespace, labels }: { namespace: Input<string>; labels: Labels },
  rules: { ingress: types.input.networking.v1.NetworkPolicyIngressRule[]; egress: EgressRule[] },
): k8s.networking.v1.NetworkPolicyArgs {
  return {
    metadata: { namespace, labels },
    spec: { podSelector: { matchLabels: labels }, policyTypes: ["Ingress", "Egress"], ...rules },
  };
}
