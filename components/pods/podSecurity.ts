import type { types } from "@pulumi/kubernetes";

export type Labels = Record<string, string>;

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
