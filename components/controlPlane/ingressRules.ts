import { RunError } from "@pulumi/pulumi/errors";
import type { ClusterNetwork } from "../network/clusterNetwork";
import { peersOf } from "../pods/networkRules";

/** Where TLS ends, and with whose certificate: exactly one of the three. */
export interface IngressTls {
  /** A certificate in ACM, for the AWS Load Balancer Controller. */
  certificateArn?: string | undefined;
  /** A ClusterIssuer of cert-manager, which makes the certificate. */
  issuer?: string | undefined;
  /** An existing TLS Secret of the namespace. */
  tlsSecret?: string | undefined;
}

/** The annotations by which TLS is the only way in, and the way in is private unless it is asked to be public. */
export function ingressAnnotations(tls: IngressTls, isPublic: boolean): Record<string, string> {
  if (tls.certificateArn !== undefined) {
    const alb = {
      scheme: isPublic ? "internet-facing" : "internal",
      "target-type": "ip",
      // No listener without TLS, not even one that redirects: an agent's key would have crossed the network by then.
      "listen-ports": '[{"HTTPS":443}]',
      "certificate-arn": tls.certificateArn,
      "ssl-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
      "backend-protocol": "HTTP",
      "healthcheck-path": "/health/ready",
    };
    return Object.fromEntries(Object.entries(alb).map(([key, value]) => [`alb.ingress.kubernetes.io/${key}`, value]));
  }
  return {
    // Without these two, the controllers that know them may serve the same rules in plain HTTP.
    "nginx.ingress.kubernetes.io/force-ssl-redirect": "true",
    "traefik.ingress.kubernetes.io/router.entrypoints": "websecure",
    "traefik.ingress.kubernetes.io/router.tls": "true",
    ...(tls.issuer !== undefined && { "cert-manager.io/cluster-issuer": tls.issuer }),
  };
}

const isBlock = (source: string) => source.includes("/");

/** Who may knock at the control plane's port: namespaces of ingress controllers, and blocks of addresses. */
export function ingressPeers(from: readonly string[]) {
  const namespaces = from.filter((source) => !isBlock(source));
  return [
    ...namespaces.map((name) => ({ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } } })),
    ...peersOf(from.filter(isBlock)),
  ];
}

/** Where none are named: the cluster's VPC, which is where an AWS load balancer's addresses are. */
export function ingressSources(
  from: readonly string[],
  { ipFamily, cidrBlocks }: Pick<ClusterNetwork, "ipFamily" | "cidrBlocks">,
): readonly string[] {
  if (from.length > 0) return from;
  if (ipFamily === "ipv6")
    throw new RunError(
      "ingress.from is missing: this cluster's pods have IPv6 addresses, and the VPC's IPv4 blocks do not name the load " +
        "balancer. Name the IPv6 blocks of its subnets.",
    );
  return cidrBlocks;
}
