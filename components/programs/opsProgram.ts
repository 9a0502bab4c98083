import * as k8s from "@pulumi/kubernetes";
import type { types } from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { databaseEgress, dnsEgress, type EgressRule, podPolicy } from "../pods/networkRules";
import { labelsOf, restrictedContainer, restrictedPod } from "../pods/podSecurity";
import { type PodArgs, podTemplate, type PodTemplate } from "../pods/podTemplate";
import { secretVolume, type SecretKey } from "../pods/secretKey";
import { trustPath } from "../pods/trust";

/** Where a program's own file is in its container. */
export const programPath = "/app/program";

/** Where it finds the URL of its database: a file, for an environment is inherited, and is shown by `/proc/<pid>/environ`. */
const databasePath = "/etc/authensor/database";

/** The user `node` of the Node images. */
const uid = 1000;

export interface OpsProgramArgs extends PodArgs {
  namespace: pulumi.Input<string>;
  /** A stock Node image. */
  image: string;
  /** The command's name; also the bundle's: `migrate` is `migrate.js`. */
  command: string;
  args?: string[];
  /** The bundled program. */
  bundle: string;
  /** URL of the database, the port that it names, and the blocks its address can be in. */
  database: { url: SecretKey; port: pulumi.Input<number>; blocks: readonly string[] };
  /** Secret with the certificates that the URL names. */
  trustSecret: pulumi.Input<string>;
  env?: Record<string, pulumi.Input<string>>;
  /** What it may reach beside names and the database. */
  egress?: readonly EgressRule[] | undefined;
  annotations?: Record<string, pulumi.Input<string>>;
  /** Further volumes by mount path, all read-only. */
  volumes?: Record<string, Omit<types.input.core.v1.Volume, "name">>;
  /** Further labels of the pod, that others' policies admit it by. */
  podLabels?: Record<string, string>;
  /** Who may reach it. Default: nobody. */
  ingress?: types.input.networking.v1.NetworkPolicyIngressRule[];
  /** What a program that stays is beside: the account it runs as, that it is started again, its port and its probes. */
  stays?: {
    serviceAccountName: pulumi.Input<string>;
    container: Pick<types.input.core.v1.Container, "ports" | "livenessProbe" | "readinessProbe">;
  };
}

/** The pod that one of our programs runs in, whoever starts it: a Job, a CronJob, a Deployment. */
export interface OpsProgram {
  labels: Record<string, string>;
  metadata: { namespace: pulumi.Input<string>; labels: Record<string, string> };
  template: PodTemplate;
}

/**
 * Makes what an ops program needs — its code in an immutable ConfigMap, and a policy that lets it reach DNS, its
 * database and what else it names, and nobody reach it — and describes its pod.
 */
export function opsProgram(name: string, args: OpsProgramArgs, parent: pulumi.Resource): OpsProgram {
  const labels = labelsOf(args.command);
  const { url } = args.database;
  const metadata = { namespace: args.namespace, labels };
  const code = new k8s.core.v1.ConfigMap(
    `${name}-code`,
    { metadata, immutable: true, data: { [`${args.command}.js`]: args.bundle } },
    { parent },
  );
  new k8s.networking.v1.NetworkPolicy(
    name,
    podPolicy(metadata, {
      ingress: args.ingress ?? [],
      egress: [dnsEgress, databaseEgress(args.database.blocks, args.database.port), ...(args.egress ?? [])],
    }),
    { parent },
  );

  const extra = Object.entries(args.volumes ?? {}).map(([mountPath, volume], index) => ({
    mount: { name: `extra-${index}`, mountPath, readOnly: true },
    volume: { name: `extra-${index}`, ...volume },
  }));
  const spec: PodTemplate["spec"] = {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    restartPolicy: args.stays ? "Always" : "Never",
    ...(args.stays && { serviceAccountName: args.stays.serviceAccountName }),
    securityContext: restrictedPod(uid),
    containers: [
      {
        name: args.command,
        image: args.image,
        command: ["node", `${programPath}/${args.command}.js`],
        args: args.args ?? [],
        env: [
          { name: "NODE_ENV", value: "production" },
          { name: "DATABASE_URL_FILE", value: `${databasePath}/${url.key}` },
          ...Object.entries(args.env ?? {}).map(([key, value]) => ({ name: key, value })),
        ],
        resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { cpu: "500m", memory: "256Mi" } },
        securityContext: restrictedContainer,
        ...args.stays?.container,
        volumeMounts: [
          { name: "code", mountPath: programPath, readOnly: true },
          { name: "database", mountPath: databasePath, readOnly: true },
          { name: "trust", mountPath: trustPath, readOnly: true },
          ...extra.map(({ mount }) => mount),
        ],
      },
    ],
    volumes: [
      { name: "code", configMap: { name: code.metadata.name } },
      { name: "database", ...secretVolume(url) },
      { name: "trust", secret: { secretName: args.trustSecret, defaultMode: 0o440 } },
      ...extra.map(({ volume }) => volume),
    ],
  };
  const podLabels = { ...labels, ...args.podLabels };
  const template = {
    metadata: { labels: podLabels, ...(args.annotations && { annotations: args.annotations }) },
    spec,
  };
  return { labels, metadata, template: podTemplate(args, template) };
}
