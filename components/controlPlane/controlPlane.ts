import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { dnsEgress, egressToPods, httpsEgress, podPolicy } from "../pods/networkRules";
import { labelsOf } from "../pods/podSecurity";
import { ownReplicas, rolledOneByOne, rolloutTimeouts } from "../pods/rollout";
import type { SecretKey } from "../pods/secretKey";
import { serve } from "../pods/servedPods";
import { poolerPort } from "../pooling/pgbouncerEntries";
import { controlPlanePort, controlPlaneService } from "./address";
import { AdminToken } from "./adminToken";
import { controlPlanePod, type ControlPlanePodArgs, guardFile } from "./controlPlanePod";
import { ControlPlaneIngress, type ControlPlaneIngressArgs } from "./ingress";

export interface ControlPlaneArgs extends Omit<ControlPlanePodArgs, "adminToken" | "behindIngress"> {
  /** Namespace of the pods. */
  namespace: pulumi.Input<string>;
  /** Whether others' pods run in this namespace too: then only those that carry `agents` may ask for decisions. */
  sharedNamespace: boolean;
  /** Pods at rest. */
  minPods: number;
  /** What autoscaling may reach; there is no autoscaler, which needs metrics-server, where it equals `minPods`. */
  maxPods: number;
  /** The bundled guard, which Node loads before it: ends it in order, and keeps its database connections young. */
  guard: string;
  /** Further environment; kept in a Secret, because webhook secrets are among it. Keys are known, values may be outputs. */
  env: Record<string, pulumi.Input<string>>;
  /** A way in for agents outside the cluster. Default: there is none. */
  ingress?: Omit<ControlPlaneIngressArgs, "namespace"> | undefined;
}

/** Authensor's control plane, unmodified: fail-closed, unable to change the schema it runs on. */
export class ControlPlane extends pulumi.ComponentResource {
  readonly service: k8s.core.v1.Service;
  readonly deployment: k8s.apps.v1.Deployment;
  /** Where the token is kept that its first admin key is made from. */
  readonly adminToken: SecretKey & { name: pulumi.Output<string> };

  constructor(name: string, args: ControlPlaneArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:controlPlane:ControlPlane", name, {}, opts);
    const child = { parent: this };
    const labels = labelsOf("control-plane");
    const metadata = { namespace: args.namespace, labels };

    const { secret: adminToken } = new AdminToken(`${name}-admin-token`, { namespace: args.namespace }, child);
    this.adminToken = adminToken;
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
          template: controlPlanePod(
            { ...args, adminToken, behindIngress: args.ingress !== undefined },
            {
              labels,
              guard: guard.metadata.name,
              env: env && { secret: env.metadata.name, variables },
            },
          ),
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
        ports: { http: controlPlanePort },
        deployment: this.deployment,
      },
      this,
    );
    if (scales) {
      new k8s.autoscaling.v2.HorizontalPodAutoscaler(
        // What Pulumi says where the wait below fails, it says of this name.
        `${name}-needs-metrics-server`,
        {
          // Without metrics-server it would never scale, in silence: the deployment waits until it has read its first metric. Its
          // APIService is not looked up before: the provider fails a read, in a preview too, where it does not reach the cluster
          // (pulumi-kubernetes, provider.go, Read), so that no role without access to it could preview (docs/pipeline.md). And one that is
          // there says nothing of whether it answers.
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
          egressToPods("pgbouncer", poolerPort.decisions),
          httpsEgress, // webhooks, the transparency log, telemetry collectors
        ],
      }),
      child,
    );
    if (args.ingress)
      new ControlPlaneIngress(
        `${name}-ingress`,
        { namespace: args.namespace, ...args.ingress },
        { ...child, dependsOn: this.service },
      );

    this.registerOutputs({ service: this.service.metadata.name });
  }
}

/** Namespaces whose pods may ask for decisions carry this label; in a shared namespace, the pods do. */
const agents = { "authensor.io/agents": "true" };
