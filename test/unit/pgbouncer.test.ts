import { describe, expect, test } from "vitest";
import { Pgbouncer, type PgbouncerArgs } from "../../components/pooling/pgbouncer";
import { gracePeriod } from "../../components/pooling/pgbouncerPod";
import { longestTransaction } from "../../components/pooling/pgbouncerConfig";
import { poolerClients, poolerOf, poolers } from "../../components/pooling/pgbouncerEntries";
import { renderServices, renderUserlist } from "../../components/pooling/pgbouncerAccess";
import { askConsole, drain, queryEveryPool } from "../../components/pooling/pgbouncerHooks";
import { podStart, rolloutTimeouts } from "../../components/pods/rollout";
import { connectionLifetime } from "../../ops/guard/limits";
import { credentials, ofControlPlane } from "../credentials";
import { record } from "./mocks";
import type { Container, Deployment, NetworkPolicy } from "./kubernetesTypes";

const logins = credentials({ controlPlane: "pp", app: "pa", telemetry: "pt", auditor: "pu", monitor: "pm" });
const args: PgbouncerArgs = {
  namespace: "ns",
  image: "ghcr.io/cloudnative-pg/pgbouncer:1.25.2",
  pods: 3,
  maxClients: 500,
  preparedStatements: 32,
  lanes: 1,
  pools: { controlPlane: 10, app: 2, telemetry: 2, auditor: 1 },
  database: { host: "primary.example.com", port: 5432, blocks: ["10.0.0.0/16"] },
  credentials: logins,
  controlPlane: ofControlPlane(logins),
  certificate: { certificatePem: "CERT", keyPem: "KEY" },
  trustSecret: "trust-1",
};
const build = (changed: Partial<PgbouncerArgs> = {}) => record(() => new Pgbouncer("p", { ...args, ...changed }));
const deploymentOf = async (changed?: Partial<PgbouncerArgs>) =>
  (await build(changed)).one("kubernetes:apps/v1:Deployment").inputs as unknown as Deployment;
const labels = { "app.kubernetes.io/name": "pgbouncer", "app.kubernetes.io/part-of": "authensor" };

describe("PgBouncer", () => {
  test("is a deployment, its services, its configuration and secrets, a disruption budget and a network policy", async () => {
    const world = await build();
    expect(world.census).toEqual([
      "authensor:pooling:Pgbouncer p",
      "kubernetes:apps/v1:Deployment p",
      "kubernetes:core/v1:ConfigMap p-config",
      "kubernetes:core/v1:Secret p-tls",
      "kubernetes:core/v1:Secret p-userlist",
      "kubernetes:core/v1:Service p",
      "kubernetes:core/v1:Service p-pods",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy p",
      "kubernetes:policy/v1:PodDisruptionBudget p",
    ]);
    expect(world.resources.slice(1).map(({ parent }) => parent)).toEqual(Array(8).fill("p"));
  });

  test("has the pods it is told, and none may be missing during a rollout", async () => {
    const { spec } = await deploymentOf();
    expect(spec.replicas).toBe(3);
    expect(spec.strategy).toEqual({ type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
    const world = await build();
    expect(world.one("kubernetes:policy/v1:PodDisruptionBudget").inputs).toMatchObject({
      spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow", selector: { matchLabels: labels } },
    });
  });

  test("may take as long to roll as its pods need", async () => {
    const { customTimeouts } = (await build({ pods: 50 })).one("kubernetes:apps/v1:Deployment");
    expect(customTimeouts).toMatchObject(rolloutTimeouts(50));
  });

  test("takes the number of its pods back from whoever scaled it by hand", async () => {
    expect((await build()).one("kubernetes:apps/v1:Deployment").inputs).toMatchObject({
      metadata: { name: "pgbouncer", annotations: { "pulumi.com/patchForce": "true" } },
    });
  });

  test("spreads its pods over zones, whatever an earlier rollout left behind", async () => {
    const { spec } = await deploymentOf();
    expect(spec.template.spec.topologySpreadConstraints).toMatchObject([
      {
        maxSkew: 1,
        topologyKey: "topology.kubernetes.io/zone",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: { matchLabels: labels },
        matchLabelKeys: ["pod-template-hash"],
      },
      { maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway" },
    ]);
  });

  test("runs as a user without rights, on a read-only root, with no token of the cluster", async () => {
    const { spec } = (await deploymentOf()).spec.template;
    expect(spec.automountServiceAccountToken).toBe(false);
    expect(spec.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 998,
      runAsGroup: 998,
      fsGroup: 998,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(spec.containers).toHaveLength(2);
    for (const container of spec.containers) expectRestricted(container);
  });

  const expectRestricted = (container: Container) => {
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
    });
    expect(container.resources).toEqual({
      requests: { cpu: "100m", memory: "78Mi" },
      limits: { cpu: "1", memory: "156Mi" },
    });
    // Nothing that a container leaves behind can keep the next one from starting.
    expect(container.volumeMounts.filter(({ readOnly }) => readOnly !== true)).toEqual([]);
  };

  test("lets a terminating pod be left by its clients and then finish, all within the grace period", async () => {
    const { spec } = (await deploymentOf()).spec.template;
    const clients = connectionLifetime + 5;
    for (const [index, pooler] of poolers.entries())
      expect(spec.containers[index]!.lifecycle).toEqual({
        preStop: { exec: { command: ["/bin/sh", "-c", drain(pooler, 5, clients)] } },
      });
    expect(spec.terminationGracePeriodSeconds).toBe(gracePeriod);
    expect(gracePeriod).toBeGreaterThan(5 + clients + longestTransaction);
  });

  test("runs a process for the control plane and one for everybody else, each on its rendered configuration, with the volumes that it names mounted", async () => {
    const world = await build();
    const { spec } = (world.one("kubernetes:apps/v1:Deployment").inputs as unknown as Deployment).spec.template;
    const running = (name: string, port: { name: string; containerPort: number }) => ({
      name,
      image: "ghcr.io/cloudnative-pg/pgbouncer:1.25.2",
      command: ["pgbouncer", `/etc/pgbouncer/config/${name}.ini`],
      ports: [port],
    });
    expect(spec.containers).toMatchObject([
      // The name that a Service from before there were two asks for.
      running("decisions", { name: "pgbouncer", containerPort: 6432 }),
      running("others", { name: "others", containerPort: 6433 }),
    ]);
    expect(spec.volumes).toEqual([
      { name: "config", configMap: { name: "p-config-abc1234" } },
      { name: "auth", secret: { secretName: "p-userlist-abc1234", defaultMode: 0o440 } },
      { name: "tls", secret: { secretName: "p-tls-abc1234", defaultMode: 0o440 } },
      { name: "trust", secret: { secretName: "trust-1", defaultMode: 0o440 } },
    ]);
    const { data } = world.one("kubernetes:core/v1:ConfigMap").inputs as { data: Record<string, string> };
    for (const { name, volumeMounts } of spec.containers) {
      const ini = data[`${name}.ini`]!;
      for (const [, path] of ini.matchAll(/^\w+_file = (\S+)\/[^/\s]+$/gm))
        expect(volumeMounts.map(({ mountPath }) => mountPath)).toContain(path);
      expect(ini).toContain("max_client_conn = 500");
      expect(ini).not.toMatch(/^pidfile/m);
    }
    expect(data["others.ini"]).toContain(
      "authensor = host=primary.example.com port=5432 dbname=authensor pool_size=2 ",
    );
  });

  test("keeps everything that its pods read immutable and auto-named, so that a change rolls them", async () => {
    const world = await build();
    for (const type of ["ConfigMap", "Secret"]) {
      for (const { inputs } of world.all(`kubernetes:core/v1:${type}`)) {
        expect(inputs).toMatchObject({ immutable: true, metadata: { namespace: "ns" } });
        expect(inputs.metadata).not.toHaveProperty("name");
      }
    }
  });

  test("keeps passwords and the private key in Secrets, marked secret", async () => {
    const world = await build();
    const userlist = world.one("kubernetes:core/v1:Secret", "p-userlist");
    expect(userlist.secrets).toEqual(["stringData"]);
    expect(userlist.inputs.stringData).toEqual({
      "userlist.txt": renderUserlist(
        poolerClients.flatMap((client) => [logins.current[client], logins.previous[client]]),
      ),
      "services.conf": renderServices(logins.current),
    });
    const tls = world.one("kubernetes:core/v1:Secret", "p-tls");
    expect(tls.inputs).toMatchObject({
      type: "kubernetes.io/tls",
      stringData: { "tls.crt": "CERT", "tls.key": "KEY" },
    });
    expect(tls.secrets).toEqual(["stringData"]);
    const rest = world.resources.filter(({ type }) => type !== "kubernetes:core/v1:Secret");
    expect(JSON.stringify(rest.map(({ inputs }) => inputs))).not.toMatch(/"(pa|pt|pu|pm|KEY)"/);
  });

  test("is reached by the control plane and the monitor on the port for decisions, by labelled pods on the other, and reaches names and the database only", async () => {
    const world = await build();
    const { spec } = world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs as unknown as NetworkPolicy;
    expect(spec).toEqual({
      podSelector: { matchLabels: labels },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        {
          from: ["control-plane", "monitor"].map((name) => ({
            podSelector: { matchLabels: { ...labels, "app.kubernetes.io/name": name } },
          })),
          ports: [{ protocol: "TCP", port: 6432 }],
        },
        {
          from: [{ podSelector: { matchLabels: { "authensor.io/pgbouncer-client": "true" } } }],
          ports: [{ protocol: "TCP", port: 6433 }],
        },
      ],
      egress: [
        {
          // To anyone: NodeLocal DNSCache and EKS Auto Mode answer from where no selector reaches.
          ports: [
            { protocol: "UDP", port: 53 },
            { protocol: "TCP", port: 53 },
          ],
        },
        { to: [{ ipBlock: { cidr: "10.0.0.0/16" } }], ports: [{ protocol: "TCP", port: 5432 }] },
      ],
    });
  });

  test("has the service name that its clients' URLs hold, made once its pods are ready", async () => {
    const world = await build();
    const service = world.one("kubernetes:core/v1:Service", "p");
    expect(service.inputs).toMatchObject({
      metadata: { name: "pgbouncer", namespace: "ns" },
      spec: {
        type: "ClusterIP",
        selector: labels,
        ports: [
          { port: 6432, targetPort: "pgbouncer" },
          { port: 6433, targetPort: "others" },
        ],
      },
    });
    expect(service.dependencies).toContain(world.one("kubernetes:apps/v1:Deployment").urn);
    const { selector, template } = (await deploymentOf()).spec;
    expect(selector.matchLabels).toEqual(labels);
    expect(template.metadata.labels).toEqual(labels);
  });

  test("starts serving once a query has gone through every pool: a wrong password or certificate stops the rollout", async () => {
    const { containers } = (await deploymentOf()).spec.template.spec;
    for (const [index, pooler] of poolers.entries())
      expect(containers[index]!.startupProbe).toMatchObject({
        exec: { command: ["/bin/sh", "-c", queryEveryPool(pooler)] },
      });
    for (const [pool, pooler] of Object.entries(poolerOf)) expect(queryEveryPool(pooler)).toContain(`service=${pool}`);
    const [container] = containers;
    expect(container!.env).toEqual([{ name: "PGSERVICEFILE", value: "/etc/pgbouncer/auth/services.conf" }]);
    // No restart mends it, and each would make the pod wait longer once the database is back.
    const { failureThreshold, periodSeconds } = container!.startupProbe as Record<string, number>;
    expect(failureThreshold! * periodSeconds!).toBeGreaterThanOrEqual(24 * 3600);
  });

  test("is then ready by its port alone: a database that goes away must not empty the service", async () => {
    const { containers } = (await deploymentOf()).spec.template.spec;
    expect(containers.map(({ readinessProbe }) => readinessProbe)).toMatchObject([
      { tcpSocket: { port: "pgbouncer" } },
      { tcpSocket: { port: "others" } },
    ]);
  });

  test("is restarted when it answers nothing, within a minute, and without the wait for clients that cannot leave", async () => {
    const { containers } = (await deploymentOf()).spec.template.spec;
    for (const [index, pooler] of poolers.entries()) {
      expect(containers[index]!.livenessProbe).toMatchObject({
        exec: { command: ["/bin/sh", "-c", askConsole(pooler)] },
        terminationGracePeriodSeconds: 5,
      });
      expect(askConsole(pooler)).toContain(`service=console-${pooler}`);
    }
    const [container] = containers;
    const { periodSeconds, timeoutSeconds, failureThreshold } = container!.livenessProbe!;
    expect(periodSeconds! * failureThreshold! + timeoutSeconds! + 5).toBeLessThan(60);
  });

  test("listens on both families of addresses, and its Service has both where the cluster does", async () => {
    const world = await build();
    expect(world.one("kubernetes:core/v1:Service", "p").inputs).toMatchObject({
      spec: { ipFamilyPolicy: "PreferDualStack" },
    });
    expect(JSON.stringify(world.one("kubernetes:core/v1:ConfigMap").inputs)).toContain("listen_addr = *");
  });

  test.each([
    [20, "65Mi", "130Mi"],
    [500, "78Mi", "156Mi"],
    [900, "88Mi", "176Mi"],
    [20_000, "592Mi", "1184Mi"],
  ])("with %i clients needs %s, and may take %s", async (maxClients, request, limit) => {
    const [container] = (await deploymentOf({ maxClients })).spec.template.spec.containers;
    expect(container!.resources).toMatchObject({ requests: { memory: request }, limits: { memory: limit } });
  });
});

describe("a rollout of so many pods", () => {
  test.each([
    [1, "600s"],
    [5, "600s"],
    [6, "660s"],
    [50, "3300s"],
    [100, "6300s"],
  ])("%i may take %s, never less than Pulumi's own ten minutes", (pods, time) => {
    expect(rolloutTimeouts(pods)).toEqual({ create: time, update: time });
  });

  test("is called stuck while Pulumi still waits, so that it can say why", () => {
    expect(podStart).toBeLessThan(600);
  });
});
