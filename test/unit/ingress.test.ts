import { describe, expect, test } from "vitest";
import { ControlPlaneIngress, type ControlPlaneIngressArgs } from "../../components/controlPlane/ingress";
import { ingressPeers, ingressSources } from "../../components/controlPlane/ingressRules";
import { unpinnedImages } from "../../components/stack/imagePins";
import { record } from "./mocks";

const certificateArn = "arn:aws:acm:eu-central-1:123456789012:certificate/0f1e";
const args: ControlPlaneIngressArgs = {
  namespace: "ns",
  host: "decisions.example.com",
  class: "alb",
  certificateArn,
  public: false,
  annotations: { "alb.ingress.kubernetes.io/tags": "team=platform" },
  from: ["10.0.0.0/16"],
};
const build = (changed: Partial<ControlPlaneIngressArgs> = {}) =>
  record(() => new ControlPlaneIngress("i", { ...args, ...changed }));
interface Ingress {
  metadata: { annotations: Record<string, string> };
  spec: Record<string, unknown>;
}
const ingressOf = async (changed?: Partial<ControlPlaneIngressArgs>) =>
  (await build(changed)).one("kubernetes:networking.k8s.io/v1:Ingress").inputs as unknown as Ingress;

describe("the way in for agents", () => {
  test("is an Ingress, and a policy that is there before the controller looks at the pods", async () => {
    const world = await build();
    expect(world.census).toEqual([
      "authensor:controlPlane:ControlPlaneIngress i",
      "kubernetes:networking.k8s.io/v1:Ingress i",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy i",
    ]);
    const policy = world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy");
    expect(world.one("kubernetes:networking.k8s.io/v1:Ingress").dependencies).toContain(policy.urn);
    expect(policy.inputs.spec).toEqual({
      podSelector: {
        matchLabels: { "app.kubernetes.io/name": "control-plane", "app.kubernetes.io/part-of": "authensor" },
      },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/16" } }], ports: [{ protocol: "TCP", port: 3000 }] }],
    });
  });

  test("leads the whole of one name to the control plane's Service", async () => {
    expect((await ingressOf()).spec).toEqual({
      ingressClassName: "alb",
      rules: [
        {
          host: "decisions.example.com",
          http: {
            paths: [
              {
                path: "/",
                pathType: "Prefix",
                backend: { service: { name: "control-plane", port: { number: 3000 } } },
              },
            ],
          },
        },
      ],
    });
  });

  test("by an AWS load balancer is internal, and listens with TLS alone", async () => {
    const { annotations } = (await ingressOf()).metadata;
    expect(annotations).toMatchObject({
      "alb.ingress.kubernetes.io/tags": "team=platform",
      "alb.ingress.kubernetes.io/scheme": "internal",
      "alb.ingress.kubernetes.io/listen-ports": '[{"HTTPS":443}]',
      "alb.ingress.kubernetes.io/certificate-arn": certificateArn,
      "alb.ingress.kubernetes.io/ssl-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    });
  });

  test("is public only where that is asked for", async () => {
    const { annotations } = (await ingressOf({ public: true })).metadata;
    expect(annotations["alb.ingress.kubernetes.io/scheme"]).toBe("internet-facing");
  });

  test.each([
    [{ issuer: "letsencrypt" }, "control-plane-ingress-tls", "letsencrypt"],
    [{ tlsSecret: "wildcard" }, "wildcard", undefined],
  ])(
    "by another controller ends TLS with the Secret of %j, and redirects plain HTTP",
    async (tls, secretName, issuer) => {
      const { metadata, spec } = await ingressOf({
        class: "nginx",
        certificateArn: undefined,
        ...tls,
        from: ["ingress-nginx"],
      });
      expect(spec.tls).toEqual([{ hosts: ["decisions.example.com"], secretName }]);
      expect(metadata.annotations["cert-manager.io/cluster-issuer"]).toBe(issuer);
      expect(metadata.annotations).toMatchObject({
        "nginx.ingress.kubernetes.io/force-ssl-redirect": "true",
        "traefik.ingress.kubernetes.io/router.entrypoints": "websecure",
        "traefik.ingress.kubernetes.io/router.tls": "true",
      });
    },
  );

  test("admits namespaces by the label that Kubernetes gives them, and blocks by themselves", () => {
    expect(ingressPeers(["traefik", "fd00::/8"])).toEqual([
      { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "traefik" } } },
      { ipBlock: { cidr: "fd00::/8" } },
    ]);
  });

  test("is from the cluster's VPC where no other source is named, and is never from everywhere", () => {
    const cluster = { ipFamily: "ipv4" as const, cidrBlocks: ["10.0.0.0/16"] };
    expect(ingressSources([], cluster)).toEqual(["10.0.0.0/16"]);
    expect(ingressSources(["traefik"], cluster)).toEqual(["traefik"]);
    expect(() => ingressSources([], { ...cluster, ipFamily: "ipv6" })).toThrow(/^ingress\.from is missing/);
  });
});

describe("an image", () => {
  test("that is named by its tag alone is called unpinned, with the setting and a way to the digest", () => {
    const digest = `sha256:${"a".repeat(64)}`;
    const pinned = { pgbouncer: { image: `x/y:1@${digest}` }, controlPlane: { image: `x/y@${digest}` } };
    expect(unpinnedImages({ ...pinned, ops: { image: `node@${digest}` } })).toEqual([]);
    expect(unpinnedImages({ ...pinned, ops: { image: "node:22.21.1" } })).toEqual([
      "opsImage node:22.21.1 is not pinned: its tag can be moved to another build. Find the digest of the build that you have " +
        "checked (crane digest node:22.21.1) and set opsImage to node:22.21.1@sha256:<digest>.",
    ]);
  });
});
