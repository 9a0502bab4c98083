import type * as pulumi from "@pulumi/pulumi";
import { firstAnswer, longestStop } from "../../ops/guard/limits";
import { restrictedContainer, restrictedPod, spread } from "../pods/podSecurity";
import { type PodArgs, type PodTemplate, podTemplate } from "../pods/podTemplate";
import { endpointDrain } from "../pods/rollout";
import { secretKeyRef, type SecretKey } from "../pods/secretKey";
import { trustPath } from "../pods/trust";
import { controlPlanePort } from "./address";

/** Seconds a terminating pod may take: the drain, the end as the guard brings it about, and a little. */
export const stopGracePeriod = (drain: number) => drain + longestStop + 5;
/** Seconds until a load balancer outside the cluster, which hears of it later than the nodes do, sends nothing new either. */
const ingressDrain = 30;
/** Where Node finds the guard (ops/guard.ts). */
const guardPath = "/etc/authensor/guard";
export const guardFile = "guard.cjs";
/** The user that the vendor's chart runs it as. */
const uid = 1000;

export interface ControlPlanePodArgs extends PodArgs {
  /** The control plane's image, with a tag or a digest. */
  image: string;
  /** Whether an Ingress leads here too: then a pod that goes serves on for longer. */
  behindIngress: boolean;
  /** Its URL of the database: the app role, through PgBouncer. */
  databaseUrl: SecretKey;
  /** What it makes its first admin key from. */
  adminToken: SecretKey;
  /** How many of its statements the guard prepares, no more than PgBouncer keeps; 0: none. */
  preparedStatements: number;
  /** Secret with the certificates that the URL names. */
  trustSecret: pulumi.Input<string>;
}

/** What is made for its pods. */
interface PodFiles {
  labels: Record<string, string>;
  /** ConfigMap with `guardFile`. */
  guard: pulumi.Input<string>;
  /** Secret with further variables of its environment. Default: there are none. */
  env: { secret: pulumi.Input<string>; variables: readonly string[] } | undefined;
}

/** The pod of the control plane, whose image is unmodified: the guard is loaded before it, and it can write nowhere but /tmp. */
export function controlPlanePod(args: ControlPlanePodArgs, { labels, guard, env }: PodFiles): PodTemplate {
  const drain = args.behindIngress ? ingressDrain : endpointDrain;
  return podTemplate(args, {
    metadata: { labels },
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
            { name: "PREPARED_STATEMENTS", value: String(args.preparedStatements) },
            { name: "PORT", value: String(controlPlanePort) },
            // Fail closed: without a policy every action is denied.
            { name: "AUTHENSOR_ALLOW_FALLBACK_POLICY", value: "false" },
            { name: "DATABASE_URL", valueFrom: { secretKeyRef: secretKeyRef(args.databaseUrl) } },
            { name: "AUTHENSOR_BOOTSTRAP_ADMIN_TOKEN", valueFrom: { secretKeyRef: secretKeyRef(args.adminToken) } },
            ...(env?.variables ?? []).map((key) => ({
              name: key,
              valueFrom: { secretKeyRef: { name: env?.secret, key } },
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
        { name: "guard", configMap: { name: guard } },
        { name: "trust", secret: { secretName: args.trustSecret, defaultMode: 0o440 } },
      ],
    },
  });
}

/**
 * Where it looks for SQL to run at its start. An empty directory: with none it refuses to start, with the vendor's it
 * would lock `receipts` at each pod's start.
 */
const migrationsPath = "/app/packages/control-plane/dist/migrations";
