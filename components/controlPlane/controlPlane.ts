import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { firstAnswer, longestStop } from "../../ops/guard/limits";
import { dnsEgress, egressToPods, httpsEgress, podPolicy } from "../pods/networkRules";
import { pgbouncerPort } from "../pooling/pgbouncerConfig";
import { labelsOf, pgbouncerClient, restrictedContainer, restrictedPod, spread } from "../pods/podSecurity";
import { type PodArgs, podTemplate } from "../pods/podTemplate";
import { endpointDrain, ownReplicas, rolledOneByOne, rolloutTimeouts } from "../pods/rollout";
import type { SecretKey } from "../pods/secretKey";
import { serve } from "../pods/servedPods";
import { trustPath } from "../pods/trust";

/** Fixed: agents hold this address. */
export const controlPlaneService = "control-plane";
export const controlPlanePort = 3000;
/** Inside the cluster. */
export const controlPlaneUrl = (namespace: string) =>
  `http://${controlPlaneService}.${namespace}.svc.cluster.local:${controlPlanePort}`;

/** Seconds a terminating pod may take: the drain, the end as the guard brings it about, and a little. */
export const stopGracePeriod = (drain: number) => drain + longestStop + 5;
/** Seconds until a load balancer outside the cluster, which hears of it later than the nodes do, sends nothing new either. */
const ingressDrain = 30;
/** Where Node finds the guard (ops/guard.ts). */
const guardPath = "/etc/authensor/guard";
const guardFile = "guard.cjs";
/** The user that the vendor's chart runs it as. */
const uid = 1000;

export interface ControlPlaneArgs extends PodArgs {
  namespace: pulumi.Input<string>;
  /** Whether others' pods run in this namespace too: then only those that carry `agents` may ask for decisions. */
  sharedNamespace: boolean;
  /** Whether an Ingress leads here too: then a pod that goes serves on for longer. */
  behindIngress: boolean;
  image: string;
  /** Pods at rest, and what autoscaling may reach; without an autoscaler, which needs metrics-server, where they are equal. */
  minPods: number;
  maxPods: number;
  /** Its URL of the database: the app role, through PgBouncer. */
  databaseUrl: SecretKey;
  /** What it makes its first admin key from. */
  adminToken: SecretKey;
  /** Secret with the certificates that the URL names. */
  trustSecret: pulumi.Input<string>;
  /** The bundled guard, which Node loads before it: ends it in order, and keeps its database connections young. */
  guard: string;
  /** Further environment; kept in a Secret, because webhook secrets are among it. Keys are known, values may be outputs. */
  env: Record<string, pulumi.Input<string>>;
}

/** Authensor's control plane, unmodified: fail-closed, unable to change the schema it runs on. */
export class ControlPlane extends pulumi.ComponentResource {
  readonly service: k8s.core.v1.Service;
  readonly deployment: k8s.apps.v1.Deployment;

  constructor(name: string, args: ControlPlaneArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:controlPlane:ControlPlane", name, {}, opts);
    const child = { parent: this };
    const labels = labelsOf("control-plane");
    const metadata = { namespace: args.namespace, labels };

    const drain = args.behindIngress ? ingressDrain : endpointDrain;
    const variables = Object.keys(args.env).sort();
    // None without a variable: an empty `stringData` differs from what the API server stored, at every preview.
    const env =
      variables.length === 0
        ? undefined
        : new k8s.core.v1.Secret(
            `${name}-env`,
            { metadata, immutable: true, stringData: pulumi.secret(args.env) },
            child,
          );
    const scales = args.maxPods > args.minPods;
    const guard = new k8s.core.v1.ConfigMap(
      `${name}-guard`,
      { metadata, immutable: true, data: { [guardFile]: args.guard } },
      child,
    );
    this.deployment = new k8s.apps.v1.Deployment(
      name,
      {
        metadata: { ...metadata, name: "control-plane", ...(!scales && { annotations: ownReplicas }) },
        spec: {
          replicas: args.minPods,
          selector: { matchLabels: labels },
          ...rolledOneByOne,
          template: podTemplate(args, {
            metadata: { labels: { ...labels, ...pgbouncerClient } },
            spec: {
              automountServiceAccountToken: false,
              // The variables they would add (…_PORT=tcp://…) are read as settings by many a Node program.
              enableServiceLinks: false,
              securityContext: restrictedPod(uid),
              terminationGracePeriodSeconds: stopGracePeriod(drain),
              topologySpreadConstraints: spread(labels),
              containers: [
                {
                  name: "control-plane",
                  image: args.image,
                  ports: [{ name: "http", containerPort: controlPlanePort, protocol: "TCP" }],
                  env: [
                    { name: "NODE_ENV", value: "production" },
                    { name: "NODE_OPTIONS", value: `--require=${guardPath}/${guardFile}` },
                    { name: "PORT", value: String(controlPlanePort) },
                    // Fail closed: without a policy every action is denied.
                    { name: "AUTHENSOR_ALLOW_FALLBACK_POLICY", value: "false" },
                    { name: "DATABASE_URL", valueFrom: { secretKeyRef: args.databaseUrl } },
                    { name: "AUTHENSOR_BOOTSTRAP_ADMIN_TOKEN", valueFrom: { secretKeyRef: args.adminToken } },
                    ...variables.map((key) => ({
                      name: key,
                      valueFrom: { secretKeyRef: { name: env?.metadata.name, key } },
                    })),
                  ],
                  // /health does not touch the database: restarting because of it would help nobody. Readiness does.
                  // It listens once its database has answered; the guard waits for that.
                  startupProbe: {
                    httpGet: { path: "/health", port: "http" },
                    periodSeconds: 1,
                    failureThreshold: firstAnswer + 60,
                  },
                  livenessProbe: {
                    httpGet: { path: "/health", port: "http" },
                    periodSeconds: 10,
                    timeoutSeconds: 3,
                    failureThreshold: 3,
                  },
                  readinessProbe: {
                    httpGet: { path: "/health/ready", port: "http" },
                    // Its query waits in the same pool as the requests. One agent's writer that holds all of it must not take
                    // every pod out of the Service: who asks then is told no, by a pod, and the next is told yes.
                    periodSeconds: 5,
                    timeoutSeconds: 5,
                    failureThreshold: 6,
                  },
                  // The kubelet's own: the image is somebody else's, and may have no program of that name.
                  lifecycle: { preStop: { sleep: { seconds: drain } } },
                  resources: { requests: { cpu: "250m", memory: "256Mi" }, limits: { cpu: "500m", memory: "512Mi" } },
                  securityContext: restrictedContainer,
                  volumeMounts: [
                    { name: "tmp", mountPath: "/tmp" },
                    { name: "no-migrations", mountPath: migrationsPath, readOnly: true },
                    { name: "guard", mountPath: guardPath, readOnly: true },
                    { name: "trust", mountPath: trustPath, readOnly: true },
                  ],
                },
              ],
              volumes: [
                { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
                { name: "no-migrations", emptyDir: { sizeLimit: "1Mi" } },
                { name: "guard", configMap: { name: guard.metadata.name } },
                { name: "trust", secret: { secretName: args.trustSecret, defaultMode: 0o440 } },
              ],
            },
          }),
        },
      },
      // From the first scaling on the number of pods is the autoscaler's.
      { ...child, ignoreChanges: scales ? ["spec.replicas"] : [], customTimeouts: rolloutTimeouts(args.maxPods) },
    );
    this.service = serve(
      name,
      {
        ...metadata,
        service: controlPlaneService,
        port: { name: "http", number: controlPlanePort },
        deployment: this.deployment,
      },
      this,
    );
    if (scales) {
      new k8s.autoscaling.v2.HorizontalPodAutoscaler(
        // What Pulumi says where the wait below fails, it says of this name.
        `${name}-needs-metrics-server`,
        {
          // Without metrics-server it would never scale, in silence: the deployment waits until it has read its first metric.
          metadata: { ...metadata, annotations: { "pulumi.com/waitFor": "condition=ScalingActive" } },
          spec: {
            scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: this.deployment.metadata.name },
            minReplicas: args.minPods,
            maxReplicas: args.maxPods,
            metrics: [
              { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } } },
            ],
          },
        },
        { ...child, customTimeouts: { create: "5m", update: "5m" } },
      );
    }
    new k8s.networking.v1.NetworkPolicy(
      name,
      podPolicy(metadata, {
        ingress: [
          {
            from: [
              { podSelector: args.sharedNamespace ? { matchLabels: agents } : {} },
              { namespaceSelector: { matchLabels: agents } },
            ],
            ports: [{ protocol: "TCP", port: controlPlanePort }],
          },
        ],
        egress: [
          dnsEgress,
          egressToPods("pgbouncer", pgbouncerPort),
          httpsEgress, // webhooks, the transparency log, telemetry collectors
        ],
      }),
      child,
    );

    this.registerOutputs({ service: this.service.metadata.name });
  }
}

/** Namespaces whose pods may ask for decisions carry this label; in a shared namespace, the pods do. */
const agents = { "authensor.io/agents": "true" };

/**
 * Where it looks for SQL to run at its start. An empty directory: with none it refuses to start, with the vendor's it
 * would lock `receipts` at each pod's start.
 */
const migrationsPath = "/app/packages/control-plane/dist/migrations";
