import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { restrictedNamespaceLabels } from "./podSecurity";

export interface TenancyArgs {
  /** The namespace's name; fixed, because service addresses and other teams' policies hold it. */
  namespace: string;
}

/** A namespace of our own: only restricted pods may run in it, and none may talk to anyone unless a policy says so. */
export class Tenancy extends pulumi.ComponentResource {
  /** The namespace's name; known once the namespace exists and everything in it is denied. */
  readonly namespace: pulumi.Output<string>;

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
    const denied = new k8s.networking.v1.NetworkPolicy(
      `${name}-deny-all`,
      {
        metadata: { namespace: namespace.metadata.name },
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      },
      { parent: this },
    );

    this.namespace = pulumi.all([namespace.metadata.name, denied.id]).apply(([made]) => made);
    this.registerOutputs({ namespace: this.namespace });
  }
}
