import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { namespace as metricNamespace } from "../../ops/monitor/metrics";
import { controlPlanePort } from "../controlPlane/controlPlane";
import { databaseEgress, egressToPods, httpsEgress, podIdentityEgress } from "../pods/networkRules";
import { opsProgram, type OpsProgramArgs } from "../programs/opsProgram";
import { pgbouncerPort } from "../pooling/pgbouncerConfig";
import { podIdentity, type PodIdentityArgs } from "../aws/podIdentity";
import { pgbouncerClient } from "../pods/podSecurity";
import { podStart } from "../pods/rollout";
import { secretVolume, type SecretKey } from "../pods/secretKey";

const port = 8080;

/** Where it finds its other URLs; each directory is a Secret's. */
const poolPath = "/etc/authensor/pool";
const replicaPath = "/etc/authensor/replica";

export interface MonitorArgs
  extends
    Pick<OpsProgramArgs, "image" | "bundle" | "database" | "trustSecret" | "pod" | "transform">,
    Pick<PodIdentityArgs, "region" | "eksClusterName" | "namespace" | "permissionsBoundaryArn" | "tags"> {
  /** The deployment's name: the metrics' dimension. */
  environment: string;
  /** URL through the pool. */
  poolUrl: SecretKey;
  /** `host:port` that leads to every PgBouncer pod. */
  poolers: pulumi.Input<string>;
  /** Default: there is no replica. */
  replica?: { url: SecretKey; port: pulumi.Input<number>; blocks: readonly string[] } | undefined;
  controlPlaneUrl: pulumi.Input<string>;
}

/** Watches the deployment from inside: a single pod, which publishes to CloudWatch and answers for everything's health. */
export class Monitor extends pulumi.ComponentResource {
  readonly deployment: k8s.apps.v1.Deployment;

  constructor(name: string, args: MonitorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:kubernetes:Monitor", name, {}, opts);
    const child = { parent: this };
    const { replica } = args;
    const identity = podIdentity(
      name,
      {
        ...args,
        serviceAccount: "monitor",
        description: "Authensor: the monitor publishes metrics",
        // PutMetricData knows no resource: the namespace is what it can be narrowed to.
        statements: [
          {
            Effect: "Allow",
            Action: "cloudwatch:PutMetricData",
            Resource: "*",
            Condition: { StringEquals: { "cloudwatch:namespace": metricNamespace } },
          },
        ],
        kubernetes: {},
      },
      this,
    );
    const { labels, metadata, template } = opsProgram(
      name,
      {
        ...args,
        command: "monitor",
        podLabels: pgbouncerClient,
        env: {
          ENVIRONMENT: args.environment,
          AWS_REGION: args.region,
          POOL_URL_FILE: `${poolPath}/${args.poolUrl.key}`,
          ...(replica && { REPLICA_URL_FILE: `${replicaPath}/${replica.url.key}` }),
          POOLERS: args.poolers,
          CONTROL_PLANE_URL: args.controlPlaneUrl,
          PORT: String(port),
          HOST: "::",
        },
        volumes: {
          [poolPath]: secretVolume(args.poolUrl),
          ...(replica && { [replicaPath]: secretVolume(replica.url) }),
        },
        egress: [
          egressToPods("pgbouncer", pgbouncerPort),
          egressToPods("control-plane", controlPlanePort),
          ...(replica ? [databaseEgress(replica.blocks, replica.port)] : []),
          podIdentityEgress,
          httpsEgress, // CloudWatch
        ],
        // Prometheus, wherever it runs; what is told is no secret.
        ingress: [{ ports: [{ protocol: "TCP", port }] }],
        stays: {
          serviceAccountName: identity.serviceAccountName,
          container: {
            ports: [{ name: "http", containerPort: port, protocol: "TCP" }],
            // Whether it watches, not whether what it watches is well: that is /health/ready.
            livenessProbe: { httpGet: { path: "/health", port: "http" }, periodSeconds: 15, failureThreshold: 4 },
            readinessProbe: { httpGet: { path: "/health", port: "http" }, periodSeconds: 5, failureThreshold: 2 },
          },
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
      child,
    );

    this.registerOutputs({ deployment: this.deployment.metadata.name });
  }
}
