import { describe, expect, test } from "vitest";
import { ControlPlane, type ControlPlaneArgs } from "../../components/controlPlane/controlPlane";
import { stopGracePeriod } from "../../components/controlPlane/controlPlanePod";
import { podStart, rolloutTimeouts } from "../../components/pods/rollout";
import { connecting, firstAnswer, longestStop } from "../../ops/guard/limits";
import { ownVariables } from "../../settings/crossChecks";
import type { Deployment, NetworkPolicy } from "./kubernetesTypes";
import { record } from "./mocks";

const args: ControlPlaneArgs = {
  namespace: "ns",
  sharedNamespace: false,
  image: "ghcr.io/authensor/control-plane:0.0.1",
  minPods: 2,
  maxPods: 6,
  databaseUrl: { name: "audit-1", key: "url" },
  preparedStatements: 17,
  trustSecret: "trust-1",
  guard: "// the guard",
  env: { WEBHOOK_SECRET: "hunter2", AUTHENSOR_AEGIS_ENABLED: "true" },
};
const build = (changed: Partial<ControlPlaneArgs> = {}) => record(() => new ControlPlane("c", { ...args, ...changed }));
const podOf = async () =>
  ((await build()).one("kubernetes:apps/v1:Deployment").inputs as unknown as Deployment).spec.template;
const labels = { "app.kubernetes.io/name": "control-plane", "app.kubernetes.io/part-of": "authensor" };

describe("the control plane", () => {
  test("is a deployment, its environment, its first key, a service, an autoscaler, a disruption budget and a network policy", async () => {
    expect((await build()).census).toEqual([
      "authensor:controlPlane:AdminToken c-admin-token",
      "authensor:controlPlane:ControlPlane c",
      "kubernetes:apps/v1:Deployment c",
      "kubernetes:autoscaling/v2:HorizontalPodAutoscaler c-needs-metrics-server",
      "kubernetes:core/v1:ConfigMap c-guard",
      "kubernetes:core/v1:Secret c-admin-token",
      "kubernetes:core/v1:Secret c-env",
      "kubernetes:core/v1:Service c",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy c",
      "kubernetes:policy/v1:PodDisruptionBudget c",
      "random:index/randomPassword:RandomPassword c-admin-token",
    ]);
  });

  test("fails closed, and takes its database and its first key from Secrets", async () => {
    const [container] = (await podOf()).spec.containers;
    const fromSecret = (name: string, secret: string, key: string) => ({
      name,
      valueFrom: { secretKeyRef: { name: secret, key } },
    });
    expect(container!.env).toEqual([
      { name: "NODE_ENV", value: "production" },
      { name: "NODE_OPTIONS", value: "--require=/etc/authensor/guard/guard.cjs" },
      { name: "PREPARED_STATEMENTS", value: "17" },
      { name: "PORT", value: "3000" },
      { name: "AUTHENSOR_ALLOW_FALLBACK_POLICY", value: "false" },
      fromSecret("DATABASE_URL", "audit-1", "url"),
      fromSecret("AUTHENSOR_BOOTSTRAP_ADMIN_TOKEN", "c-admin-token-abc1234", "token"),
      fromSecret("AUTHENSOR_AEGIS_ENABLED", "c-env-abc1234", "AUTHENSOR_AEGIS_ENABLED"),
      fromSecret("WEBHOOK_SECRET", "c-env-abc1234", "WEBHOOK_SECRET"),
    ]);
    const own = container!.env.map(({ name }) => name).filter((name) => !(name in args.env));
    expect(own.sort()).toEqual([...ownVariables]);
  });

  test("makes no Secret for an environment without variables: an empty one would be replaced at every preview", async () => {
    const { census } = await build({ env: {} });
    expect(census).not.toContain("kubernetes:core/v1:Secret c-env");
  });

  test("keeps the environment that it is given in a Secret of its own, immutable and marked secret", async () => {
    const world = await build();
    const secret = world.one("kubernetes:core/v1:Secret", "c-env");
    expect(secret.inputs).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: "ns", labels },
      immutable: true,
      stringData: args.env,
    });
    expect(secret.secrets).toEqual(["stringData"]);
    const others = world.resources.filter(({ name }) => name !== "c-env");
    expect(JSON.stringify(others.map(({ inputs }) => inputs))).not.toContain("hunter2");
  });

  test("has Node load the guard that it is given, from where nobody can change it", async () => {
    expect((await build()).one("kubernetes:core/v1:ConfigMap").inputs).toMatchObject({
      immutable: true,
      data: { "guard.cjs": "// the guard" },
    });
  });

  test("is killed only when it has had the time to be taken out of its Service and to end in order", async () => {
    const { spec } = await podOf();
    expect(spec.containers[0]!.lifecycle).toEqual({ preStop: { sleep: { seconds: 5 } } });
    expect(spec.terminationGracePeriodSeconds).toBe(stopGracePeriod(5));
    expect(stopGracePeriod(5)).toBeGreaterThan(5 + longestStop);
  });

  test("behind an Ingress serves on until the load balancer has heard that it goes", async () => {
    const ingress = {
      ...{ host: "decisions.example.com", class: "alb", certificateArn: "arn", public: false },
      ...{ annotations: {}, from: ["10.0.0.0/16"] },
    };
    const { spec } = ((await build({ ingress })).one("kubernetes:apps/v1:Deployment").inputs as unknown as Deployment)
      .spec.template;
    expect(spec.containers[0]!.lifecycle).toEqual({ preStop: { sleep: { seconds: 30 } } });
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(30 + longestStop);
  });

  test("finds an empty directory where it looks for migrations of its own, and can write nowhere but /tmp", async () => {
    const { spec } = await podOf();
    expect(spec.containers[0]!.volumeMounts).toEqual([
      { name: "tmp", mountPath: "/tmp" },
      { name: "no-migrations", mountPath: "/app/packages/control-plane/dist/migrations", readOnly: true },
      { name: "guard", mountPath: "/etc/authensor/guard", readOnly: true },
      { name: "trust", mountPath: "/etc/authensor/trust", readOnly: true },
    ]);
    expect(spec.volumes).toEqual([
      { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
      { name: "no-migrations", emptyDir: { sizeLimit: "1Mi" } },
      { name: "guard", configMap: { name: "c-guard-abc1234" } },
      { name: "trust", secret: { secretName: "trust-1", defaultMode: 0o440 } },
    ]);
    expect(spec.containers[0]!.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
    });
    expect(spec.securityContext).toMatchObject({
      runAsUser: 1000,
      fsGroup: 1000,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(spec.automountServiceAccountToken).toBe(false);
  });

  test("is restarted when it hangs, and gets no requests while its database is away", async () => {
    const [container] = (await podOf()).spec.containers;
    expect(container!.livenessProbe).toMatchObject({ httpGet: { path: "/health", port: "http" } });
    expect(container!.startupProbe).toMatchObject({ httpGet: { path: "/health", port: "http" } });
    expect(container!.readinessProbe).toMatchObject({ httpGet: { path: "/health/ready", port: "http" } });
    expect(container!.lifecycle).toEqual({ preStop: { sleep: { seconds: 5 } } });
  });

  test("is not taken out of its Service by one writer that holds its pool for as long as a lock may be waited for", async () => {
    const { periodSeconds, timeoutSeconds, failureThreshold } = (await podOf()).spec.containers[0]!.readinessProbe!;
    expect(periodSeconds! * (failureThreshold! - 1)).toBeGreaterThan(10);
    expect(timeoutSeconds).toBeGreaterThanOrEqual(connecting);
  });

  test("that starts while its database is away is given as long as the guard waits for that", async () => {
    const { periodSeconds, failureThreshold } = (await podOf()).spec.containers[0]!.startupProbe!;
    expect(periodSeconds! * failureThreshold!).toBeGreaterThan(firstAnswer);
    expect(podStart).toBeGreaterThan(firstAnswer);
  });

  test("runs its image as it is, with the vendor's limits, spread over zones", async () => {
    const { spec } = await podOf();
    const [container] = spec.containers;
    expect(container).toMatchObject({
      image: args.image,
      ports: [{ name: "http", containerPort: 3000 }],
      resources: { limits: { cpu: "500m", memory: "512Mi" } },
    });
    expect(container).not.toHaveProperty("command");
    expect(spec.topologySpreadConstraints?.map(({ topologyKey }) => topologyKey)).toEqual([
      "topology.kubernetes.io/zone",
      "kubernetes.io/hostname",
    ]);
  });

  test("starts with its least pods and is scaled by CPU from there, never down again by a deployment", async () => {
    const world = await build();
    const deployment = world.one("kubernetes:apps/v1:Deployment");
    expect((deployment.inputs as unknown as Deployment).spec).toMatchObject({
      replicas: 2,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    });
    expect(deployment.ignoreChanges).toEqual(["spec.replicas"]);
    expect(world.one("kubernetes:autoscaling/v2:HorizontalPodAutoscaler").inputs).toMatchObject({
      metadata: { annotations: { "pulumi.com/waitFor": "condition=ScalingActive" } },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "control-plane" },
        minReplicas: 2,
        maxReplicas: 6,
        metrics: [{ type: "Resource", resource: { name: "cpu", target: { averageUtilization: 70 } } }],
      },
    });
    expect(world.one("kubernetes:policy/v1:PodDisruptionBudget").inputs).toMatchObject({
      spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow", selector: { matchLabels: labels } },
    });
  });

  test("may take as long to roll as its largest number of pods needs", async () => {
    const { customTimeouts } = (await build({ maxPods: 50 })).one("kubernetes:apps/v1:Deployment");
    expect(customTimeouts).toMatchObject(rolloutTimeouts(50));
  });

  test("is reached from its own and from labelled namespaces, and reaches the pooler and HTTPS, not the node's credentials", async () => {
    const world = await build();
    const { spec } = world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs as unknown as NetworkPolicy;
    expect(spec.ingress).toEqual([
      {
        from: [{ podSelector: {} }, { namespaceSelector: { matchLabels: { "authensor.io/agents": "true" } } }],
        ports: [{ protocol: "TCP", port: 3000 }],
      },
    ]);
    expect(spec.egress.slice(1)).toEqual([
      {
        to: [
          {
            podSelector: {
              matchLabels: { "app.kubernetes.io/name": "pgbouncer", "app.kubernetes.io/part-of": "authensor" },
            },
          },
        ],
        ports: [{ protocol: "TCP", port: 6432 }],
      },
      {
        // With an exception the VPC CNI denies it on every port: also names, which NodeLocal DNSCache has at such an address.
        to: [{ ipBlock: { cidr: "0.0.0.0/0" } }, { ipBlock: { cidr: "::/0" } }],
        ports: [{ protocol: "TCP", port: 443 }],
      },
    ]);
    // By its name alone: the way of PgBouncer's other clients is none of its own.
    expect((await podOf()).metadata.labels).toEqual(labels);
  });

  test("is reached in a shared namespace by pods with the label alone, not by whatever else runs there", async () => {
    const world = await build({ sharedNamespace: true });
    const { spec } = world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs as unknown as NetworkPolicy;
    const agents = { matchLabels: { "authensor.io/agents": "true" } };
    expect(spec.ingress.flatMap(({ from }) => from)).toEqual([{ podSelector: agents }, { namespaceSelector: agents }]);
  });

  test("has no autoscaler, and so no need of metrics-server, where its pods cannot become more", async () => {
    const world = await build({ minPods: 3, maxPods: 3 });
    expect(world.all("kubernetes:autoscaling/v2:HorizontalPodAutoscaler")).toEqual([]);
    const deployment = world.one("kubernetes:apps/v1:Deployment");
    expect(deployment.ignoreChanges).toEqual([]);
    expect(deployment.inputs).toMatchObject({ spec: { replicas: 3 } });
  });

  test("takes the number of its pods back from an autoscaler that is no more, and from nobody while there is one", async () => {
    const annotationsOf = async (changed: Partial<ControlPlaneArgs>) =>
      ((await build(changed)).one("kubernetes:apps/v1:Deployment").inputs.metadata as Record<string, unknown>)
        .annotations;
    expect(await annotationsOf({ minPods: 3, maxPods: 3 })).toEqual({ "pulumi.com/patchForce": "true" });
    expect(await annotationsOf({})).toBeUndefined();
  });

  test("has the service name that agents know", async () => {
    expect((await build()).one("kubernetes:core/v1:Service").inputs).toMatchObject({
      metadata: { name: "control-plane", namespace: "ns" },
      spec: {
        type: "ClusterIP",
        ipFamilyPolicy: "PreferDualStack",
        selector: labels,
        ports: [{ port: 3000, targetPort: "http" }],
      },
    });
  });
});
