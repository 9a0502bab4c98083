import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { controlPlanePort } from "../controlPlane/address";
import { namespace as metricNamespace } from "../../ops/monitor/metrics";
import type { PodIdentityArgs } from "../aws/podIdentity";
import { egressToPods } from "../pods/networkRules";
import { poolerPort } from "../pooling/pgbouncerEntries";
import { podStart } from "../pods/rollout";
import type { DatabaseConnection } from "../programs/databaseConnection";
import { opsProgram, type OpsProgramArgs } from "../programs/opsProgram";

const port = 8080;

export interface MonitorArgs
  extends
    Pick<OpsProgramArgs, "namespace" | "image" | "bundle" | "database" | "trustSecret" | "pod" | "transform">,
    Pick<PodIdentityArgs, "region" | "eksClusterName" | "permissionsBoundaryArn" | "tags"> {
  /** The deployment's name: the metrics' dimension. */
  environment: string;
  /** Through the pool. */
  pool: DatabaseConnection;
  /** `host:port` that leads to every process of every PgBouncer pod, separated by commas. */
  poolers: pulumi.Input<string>;
  /** Default: there is no replica. */
  replica?: DatabaseConnection | undefined;
  /** Where it asks whether the control plane is ready. */
  controlPlaneUrl: pulumi.Input<string>;
  /** Minutes by which the locked bucket may be behind the database. */
  archiveMinutes: number;
  /** ARN of the copies of the primary's backups. Default: there are none. */
  copiesArn?: pulumi.Input<string> | undefined;
  /** By which a Prometheus selects PodMonitors. None: there is no PodMonitor, which needs the Prometheus operator. */
  podMonitorLabels: Record<string, string>;
}

/** Watches the deployment from inside: a single pod, which publishes to CloudWatch and answers for everything's health. */
export class Monitor extends pulumi.ComponentResource {
  readonly deployment: k8s.apps.v1.Deployment;

  constructor(name: string, args: MonitorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:monitoring:Monitor", name, {}, opts);
    const child = { parent: this };
    const { pool, replica, copiesArn, region, eksClusterName, permissionsBoundaryArn, tags } = args;
    const { labels, metadata, template, dependsOn } = opsProgram(
      name,
      {
        ...args,
        command: "monitor",
        databases: { POOL: pool, REPLICA: replica },
        aws: {
          ...{ region, eksClusterName, permissionsBoundaryArn, tags },
          description: "Authensor: the monitor publishes metrics",
          // PutMetricData knows no resource: the namespace is what it can be narrowed to.
          statements: [
            {
              Effect: "Allow",
              Action: "cloudwatch:PutMetricData",
              Resource: "*",
              Condition: { StringEquals: { "cloudwatch:namespace": metricNamespace } },
            },
            ...(copiesArn === undefined
              ? []
              : [{ Effect: "Allow", Action: "rds:DescribeDBInstanceAutomatedBackups", Resource: copiesArn }]),
          ],
        },
        env: {
          ENVIRONMENT: args.environment,
          POOLERS: args.poolers,
          CONTROL_PLANE_URL: args.controlPlaneUrl,
          ARCHIVE_MINUTES: String(args.archiveMinutes),
          ...(copiesArn !== undefined && { COPIES_ARN: copiesArn }),
          PORT: String(port),
          HOST: "::",
        },
        // The way to the pool leads to the console of its process too; the control plane's PgBouncer has another.
        egress: [egressToPods("control-plane", controlPlanePort), egressToPods("pgbouncer", poolerPort.decisions)],
        // Prometheus, wherever it runs; what is told is no secret.
        ingress: [{ ports: [{ protocol: "TCP", port }] }],
        stays: {
          ports: [{ name: "http", containerPort: port, protocol: "TCP" }],
          // Whether it watches, not whether what it watches is well: that is /health/ready.
          livenessProbe: { httpGet: { path: "/health", port: "http" }, periodSeconds: 15, failureThreshold: 4 },
          readinessProbe: { httpGet: { path: "/health", port: "http" }, periodSeconds: 5, failureThreshold: 2 },
        },
      },
      this,
    );
    this.deployment = new k8s.apps.v1.Deployment(
      name,
      {
        metadata: { ...metadata, name: "monitor" },
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          // Two do no harm, but connections are kept for one.
          strategy: { type: "Recreate" },
          revisionHistoryLimit: 3,
          progressDeadlineSeconds: podStart,
          template,
        },
      },
      { ...child, dependsOn },
    );
    if (Object.keys(args.podMonitorLabels).length > 0)
      new k8s.apiextensions.CustomResource(
        name,
        {
          apiVersion: "monitoring.coreos.com/v1",
          kind: "PodMonitor",
          metadata: { ...metadata, labels: { ...labels, ...args.podMonitorLabels } },
          spec: { selector: { matchLabels: labels }, podMetricsEndpoints: [{ port: "http", path: "/metrics" }] },
        },
        child,
      );

    this.registerOutputs({ deployment: this.deployment.metadata.name });
  }
}
