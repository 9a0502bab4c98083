import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { restrictedNamespaceLabels } from "./podSecurity";

export interface TenancyArgs {
  /** The namespace's name; fixed, because service addresses and other teams' policies hold it. */
  namespace: string;
}

/**
 * A namespace of our own: only restricted pods may run in it, and none may talk to anyone unless a policy says so. What is put
 * into the namespace depends on this component (`dependsOn`), so that it is there and denies before anything runs in it.
 */
export class Tenancy extends pulumi.ComponentResource {
  constructor(name: string, args: TenancyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:kubernetes:Tenancy", name, {}, opts);

    const namespace = new k8s.core.v1.Namespace(
      name,
      {
        metadata: {
          name: args.namespace,
          labels: { "app.kubernetes.io/part-of": "authensor", ...restrictedNamespaceLabels },
        },
      },
      { parent: this },
    );
    new k8s.networking.v1.NetworkPolicy(
      `${name}-deny-all`,
      {
        metadata: { namespace: args.namespace },
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      },
      { parent: this, dependsOn: [namespace] },
    );

    this.registerOutputs({ namespace: args.namespace });
  }
}
