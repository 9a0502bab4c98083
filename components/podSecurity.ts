import type * as k8s from "@pulumi/kubernetes";
import type { types } from "@pulumi/kubernetes";
import type { Input } from "@pulumi/pulumi";

type Labels = Record<string, string>;

/** Which pods may reach PgBouncer: a label, so that the policy need not list who they are. */
export const pgbouncerClient: Labels = { "authensor.io/pgbouncer-client": "true" };

/** What everything that this program runs has in common. */
export const partOf: Labels = { "app.kubernetes.io/part-of": "authensor" };

/** Labels of everything this program runs; selectors use them whole. */
export function labelsOf(name: string): Labels {
  return { "app.kubernetes.io/name": name, ...partOf };
}

/** Enforced by the API server on every pod of the namespace, ours or not. */
export const restrictedNamespaceLabels: Labels = {
  "pod-security.kubernetes.io/enforce": "restricted",
  "pod-security.kubernetes.io/audit": "restricted",
  "pod-security.kubernetes.io/warn": "restricted",
};

/** The "restricted" Pod Security Standard for a pod that runs as this user; its volumes are readable to the user's group. */
export function restrictedPod(uid: number): types.input.core.v1.PodSecurityContext {
  return {
    runAsNonRoot: true,
    runAsUser: uid,
    runAsGroup: uid,
    fsGroup: uid,
    seccompProfile: { type: "RuntimeDefault" },
  };
}

/** The same for a container, and beyond it: nothing can be written but mounted volumes. */
export const restrictedContainer = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
} satisfies types.input.core.v1.SecurityContext;

/** EKS Pod Identity's agent: an address of the node itself, in both families (AWS, "EKS Pod Identity Agent"). */
export const podIdentityEgress: EgressRule = {
  to: [{ ipBlock: { cidr: "169.254.170.23/32" } }, { ipBlock: { cidr: "fd00:ec2::23/128" } }],
  ports: [{ protocol: "TCP", port: 80 }],
};

/**
 * One zone's end must not take every pod. Zones are binding, nodes a wish. `matchLabelKeys` counts only pods of the same
 * rollout: with the old ones counted, the new would end up lopsided.
 */
export function spread(labels: Labels): types.input.core.v1.TopologySpreadConstraint[] {
  return [
    {
      maxSkew: 1,
      topologyKey: "topology.kubernetes.io/zone",
      whenUnsatisfiable: "DoNotSchedule",
      // A failed zone's nodes are tainted: counted as a zone, they would keep the replacements from starting elsewhere.
      nodeTaintsPolicy: "Honor",
      labelSelector: { matchLabels: labels },
      matchLabelKeys: ["pod-template-hash"],
    },
    {
      maxSkew: 1,
      topologyKey: "kubernetes.io/hostname",
      whenUnsatisfiable: "ScheduleAnyway",
      nodeTaintsPolicy: "Honor",
      labelSelector: { matchLabels: labels },
      matchLabelKeys: ["pod-template-hash"],
    },
  ];
}

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

/** Whoever has a certificate for what they say they are. Not the node's credentials, nor anything else that is link-local. */
export const httpsEgress: EgressRule = {
  to: [
    { ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.0.0/16"] } },
    { ipBlock: { cidr: "::/0", except: ["fd00:ec2::/32", "fe80::/10"] } },
  ],
  ports: [{ protocol: "TCP", port: 443 }],
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
