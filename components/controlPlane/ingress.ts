import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { controlPlanePort, controlPlaneService } from "./address";
import { ingressAnnotations, ingressPeers, type IngressTls } from "./ingressRules";
import { labelsOf } from "../pods/podSecurity";

/** TLS ends where exactly one of `certificateArn`, `issuer` and `tlsSecret` says. */
export interface ControlPlaneIngressArgs extends IngressTls {
  namespace: pulumi.Input<string>;
  /** The name that agents ask for, and that the certificate is made out to. */
  host: string;
  /** IngressClass, and with it the controller that serves the name. */
  class: string;
  /** An address of the internet's; only with a certificate of ACM. Default: false. */
  public: boolean;
  /** Further annotations, none of those that TLS and the scheme need. */
  annotations: Record<string, string>;
  /** Namespaces of the controller, or blocks of addresses: from where its requests come. */
  from: readonly string[];
}

/** A way in for agents outside the cluster, by TLS only. The control plane's own policy stays: this one adds to it. */
export class ControlPlaneIngress extends pulumi.ComponentResource {
  readonly ingress: k8s.networking.v1.Ingress;

  constructor(name: string, args: ControlPlaneIngressArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:controlPlane:ControlPlaneIngress", name, {}, opts);
    const child = { parent: this };
    const labels = labelsOf("control-plane");
    const { host } = args;
    // cert-manager keeps the certificate that it makes in the Secret of this name.
    const secretName = args.tlsSecret ?? (args.issuer === undefined ? undefined : "control-plane-ingress-tls");

    const policy = new k8s.networking.v1.NetworkPolicy(
      name,
      {
        metadata: { namespace: args.namespace, labels },
        spec: {
          podSelector: { matchLabels: labels },
          policyTypes: ["Ingress"],
          ingress: [{ from: ingressPeers(args.from), ports: [{ protocol: "TCP", port: controlPlanePort }] }],
        },
      },
      child,
    );
    this.ingress = new k8s.networking.v1.Ingress(
      name,
      {
        metadata: {
          namespace: args.namespace,
          labels,
          annotations: { ...args.annotations, ...ingressAnnotations(args, args.public) },
        },
        spec: {
          ingressClassName: args.class,
          ...(secretName !== undefined && { tls: [{ hosts: [host], secretName }] }),
          rules: [
            {
              host,
              http: {
                paths: [
                  {
                    path: "/",
                    pathType: "Prefix",
                    backend: { service: { name: controlPlaneService, port: { number: controlPlanePort } } },
                  },
                ],
              },
            },
          ],
        },
      },
      // The controller checks the pods before it reports an address, which Pulumi waits for.
      { ...child, dependsOn: [policy] },
    );

    this.registerOutputs({ ingress: this.ingress.metadata.name });
  }
}
