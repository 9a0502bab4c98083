import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import { Monitor, type MonitorArgs } from "../../components/monitoring/monitor";
import { Monitoring, type MonitoringArgs } from "../../components/monitoring/monitoring";
import type { Deployment, NetworkPolicy } from "./kubernetesTypes";
import { record } from "./mocks";
import { alarmThresholds } from "../alarmThresholds";
import { pgbouncerPods } from "../../components/pooling/pgbouncer";

const args: MonitorArgs = {
  namespace: "ns",
  region: "eu-central-1",
  eksClusterName: "platform",
  environment: "prod",
  image: "node:22",
  bundle: "// the monitor",
  database: { name: "monitor-1", key: "url", egress: { ports: [{ protocol: "TCP", port: 5432 }] } },
  trustSecret: "trust-1",
  pool: {
    ...{ name: "pool-1", key: "url", egress: { ports: [{ protocol: "TCP", port: 6433 }] } },
    podLabels: { "authensor.io/pgbouncer-client": "true" },
  },
  poolers: pgbouncerPods("ns"),
  replica: { name: "replica-1", key: "url", egress: { ports: [{ protocol: "TCP", port: 5433 }] } },
  controlPlaneUrl: "http://control-plane.ns.svc.cluster.local:3000",
  archiveMinutes: 30,
  podMonitorLabels: {},
};
/** As the operator's CRD has it (0.91; the object was validated against its schema). */
interface PodMonitor {
  metadata: { namespace: string; labels: Record<string, string> };
  spec: {
    selector: { matchLabels: Record<string, string> };
    /** The port by its name in the pod. */
    podMetricsEndpoints: { port: string; path: string }[];
  };
}

const build = (changed: Partial<MonitorArgs> = {}) => record(() => new Monitor("m", { ...args, ...changed }));
const podOf = async (changed: Partial<MonitorArgs> = {}) =>
  ((await build(changed)).one("kubernetes:apps/v1:Deployment").inputs as unknown as Deployment).spec.template;

describe("the monitor", () => {
  test("is a deployment of one, its code, a network policy, and an identity that can publish metrics", async () => {
    expect((await build()).census).toEqual([
      "authensor:monitoring:Monitor m",
      "aws:eks/podIdentityAssociation:PodIdentityAssociation m",
      "aws:iam/role:Role m",
      "aws:iam/rolePolicy:RolePolicy m",
      "kubernetes:apps/v1:Deployment m",
      "kubernetes:core/v1:ConfigMap m-code",
      "kubernetes:core/v1:ServiceAccount m",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy m",
    ]);
    const { spec } = (await build()).one("kubernetes:apps/v1:Deployment").inputs as unknown as Deployment;
    expect(spec).toMatchObject({ replicas: 1, strategy: { type: "Recreate" } });
  });

  test("is found by a Prometheus through a PodMonitor: that one by its labels, its pods by theirs, its port by a name", async () => {
    const world = await build({ podMonitorLabels: { release: "prometheus" } });
    const { metadata, spec } = world.one("kubernetes:monitoring.coreos.com/v1:PodMonitor")
      .inputs as unknown as PodMonitor;
    expect(metadata).toMatchObject({ namespace: "ns", labels: { release: "prometheus" } });
    const { template } = (world.one("kubernetes:apps/v1:Deployment").inputs as unknown as Deployment).spec;
    expect(Object.keys(spec.selector.matchLabels)).not.toEqual([]);
    expect(template.metadata?.labels).toMatchObject(spec.selector.matchLabels);
    const [endpoint] = spec.podMetricsEndpoints;
    expect(spec.podMetricsEndpoints).toEqual([{ port: "http", path: "/metrics" }]);
    const named = template.spec.containers
      .flatMap(({ ports = [] }) => ports)
      .filter(({ name }) => name === endpoint?.port);
    expect(named).toEqual([{ name: "http", containerPort: 8080, protocol: "TCP" }]);
    const policy = world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs as unknown as NetworkPolicy;
    expect(policy.spec.ingress).toEqual([{ ports: [{ protocol: "TCP", port: 8080 }] }]);
  });

  test("may put metrics into its own namespace of CloudWatch, and nothing else", async () => {
    const { policy } = (await build()).one("aws:iam/rolePolicy:RolePolicy").inputs as { policy: string };
    expect((JSON.parse(policy) as { Statement: unknown }).Statement).toEqual([
      {
        Effect: "Allow",
        Action: "cloudwatch:PutMetricData",
        Resource: "*",
        Condition: { StringEquals: { "cloudwatch:namespace": "Authensor/Postgres" } },
      },
    ]);
  });

  test("may beside that ask of the copies of the backups alone, where there are some", async () => {
    const copiesArn = "arn:aws:rds:eu-north-1:123456789012:auto-backup:ab-1";
    const { policy } = (await build({ copiesArn })).one("aws:iam/rolePolicy:RolePolicy").inputs as { policy: string };
    expect((JSON.parse(policy) as { Statement: object[] }).Statement.slice(1)).toEqual([
      { Effect: "Allow", Action: "rds:DescribeDBInstanceAutomatedBackups", Resource: copiesArn },
    ]);
    expect((await podOf({ copiesArn })).spec.containers[0]!.env).toContainEqual({
      name: "COPIES_ARN",
      value: copiesArn,
    });
  });

  test("has a role for pods of its account in its namespace and cluster alone", async () => {
    const { assumeRolePolicy } = (await build()).one("aws:iam/role:Role").inputs as { assumeRolePolicy: string };
    expect((JSON.parse(assumeRolePolicy) as { Statement: object[] }).Statement).toMatchObject([
      {
        Principal: { Service: "pods.eks.amazonaws.com" },
        Condition: {
          StringEquals: {
            "aws:RequestTag/eks-cluster-name": "platform",
            "aws:RequestTag/kubernetes-namespace": "ns",
            "aws:RequestTag/kubernetes-service-account": "monitor",
          },
        },
      },
    ]);
  });

  test("starts once its identity is there: without it, it would never get credentials", async () => {
    const world = await build();
    const association = world.one("aws:eks/podIdentityAssociation:PodIdentityAssociation").urn;
    expect(world.one("kubernetes:apps/v1:Deployment").dependencies).toContain(association);
  });

  test("is probed for whether it watches, not for whether what it watches is well", async () => {
    const [container] = (await podOf()).spec.containers;
    for (const probe of ["livenessProbe", "readinessProbe"] as const)
      expect(container![probe]).toMatchObject({ httpGet: { path: "/health", port: "http" } });
  });

  test("has its URLs in files, none in its environment", async () => {
    const { spec } = await podOf();
    const env = Object.fromEntries((spec.containers[0]!.env ?? []).map(({ name, value }) => [name, value]));
    expect(env).toMatchObject({
      DATABASE_URL_FILE: "/etc/authensor/database/url",
      POOL_URL_FILE: "/etc/authensor/pool/url",
      REPLICA_URL_FILE: "/etc/authensor/replica/url",
      ARCHIVE_MINUTES: "30",
    });
    expect(JSON.stringify(env)).not.toContain("postgres:");
  });

  test("reaches what it watches and CloudWatch; without a replica nothing of one", async () => {
    const portsOf = async (changed: Partial<MonitorArgs>) => {
      const policy = (await build(changed)).one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs;
      const { egress } = (policy as unknown as NetworkPolicy).spec;
      return egress.map(({ ports }) => (ports as { port: number }[])[0]?.port);
    };
    expect(await portsOf({})).toEqual([53, 5432, 6433, 5433, 80, 443, 3000, 6432]);
    expect(await portsOf({ replica: undefined })).toEqual([53, 5432, 6433, 80, 443, 3000, 6432]);
    expect(JSON.stringify(await podOf({ replica: undefined }))).not.toContain("REPLICA_URL_FILE");
  });

  test("is admitted by PgBouncer", async () => {
    expect((await podOf()).metadata?.labels).toMatchObject({ "authensor.io/pgbouncer-client": "true" });
  });
});

test("there is no monitoring without PgBouncer: it is refused with what to do, before anything is made that would watch a part", async () => {
  const connections = { monitor: args.database, monitorReplica: args.replica };
  const server = { server: { identifier: pulumi.output("p") }, region: "eu-central-1", instanceClass: "db.r7g.large" };
  const monitoring: MonitoringArgs = {
    ...{ ...args, connections, thresholds: alarmThresholds, primary: server, replica: undefined, storageGib: 100 },
    ...{ monthsAhead: 3, copies: false, drills: false, retires: false, kmsKeyArns: {}, tags: {} },
    ...{ emails: { page: [], ticket: [] }, topicArns: { page: [], ticket: [] } },
  };
  let refused: unknown;
  const made = await record(() => {
    try {
      new Monitoring("m", monitoring);
    } catch (error) {
      refused = error;
    }
  });
  expect(refused).toMatchObject({ message: expect.stringContaining("give `pgbouncer` to Connections") as string });
  expect(made.census).toEqual(["authensor:monitoring:Monitoring m"]);
});
