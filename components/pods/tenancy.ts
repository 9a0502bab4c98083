import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { partOf, restrictedNamespaceLabels } from "./podSecurity";

export interface TenancyArgs {
  /** The namespace's name; fixed, because service addresses and other teams' policies hold it. */
  namespace: string;
  /** Whether the namespace is made here. Otherwise it exists, with whatever Pod Security labels its owner has given it. Default: true. */
  createNamespace?: boolean;
  /** Whether pods wait until the AWS load balancer has found them healthy. Default: false. */
  podReadinessGates?: boolean;
}

/**
 * A namespace of our own: only restricted pods may run in it, and none may talk to anyone unless a policy says so. In a namespace of
 * somebody else's that holds for our pods alone. What is put into the namespace depends on this component (`dependsOn`), so that it
 * is there and denies before anything runs in it.
 */
export class Tenancy extends pulumi.ComponentResource {
  constructor(name: string, args: TenancyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:pods:Tenancy", name, {}, opts);

    const { createNamespace = true, podReadinessGates = false } = args;
    const namespace = createNamespace
      ? new k8s.core.v1.Namespace(
          name,
          {
            metadata: {
              name: args.namespace,
              labels: { ...partOf, ...restrictedNamespaceLabels, ...(podReadinessGates && readinessGates) },
            },
          },
          { parent: this },
        )
      : undefined;
    new k8s.networking.v1.NetworkPolicy(
      `${name}-deny-all`,
      {
        metadata: { namespace: args.namespace },
        spec: {
          // An empty selector is every pod of the namespace.
          podSelector: createNamespace ? {} : { matchLabels: partOf },
          policyTypes: ["Ingress", "Egress"],
        },
      },
      { parent: this, dependsOn: namespace ? [namespace] : [] },
    );

    this.registerOutputs({ namespace: args.namespace });
  }
}

/**
 * AWS Load Balancer Controller, "Pod readiness gate": without it a new pod counts as ready, and the old one goes, before the load balancer
 * sends anything to the new one.
 */
const readinessGates = { "elbv2.k8s.aws/pod-readiness-gate-inject": "enabled" };
