import * as k8s from "@pulumi/kubernetes";
import type { types } from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { podIdentity, type PodIdentityArgs } from "../aws/podIdentity";
import { dnsEgress, type EgressRule, httpsEgress, podIdentityEgress, podPolicy } from "../pods/networkRules";
import { type Labels, labelsOf, restrictedContainer, restrictedPod } from "../pods/podSecurity";
import { type PodArgs, podTemplate, type PodTemplate } from "../pods/podTemplate";
import { secretVolume } from "../pods/secretKey";
import { trustPath } from "../pods/trust";
import type { DatabaseConnection } from "./databaseConnection";
import { opsImage } from "./opsImage";
import { programCode, type ProgramCode } from "./programCode";

/** Where a program's own file is in its container, and where those that it starts are. */
const programPath = "/app/program";
const helperPath = (helper: string) => `/app/${helper}`;

/** Where it finds a URL of the database: a file, for an environment is inherited, and is shown by `/proc/<pid>/environ`. */
const urlPath = (which: string) => `/etc/authensor/${which.toLowerCase()}`;

/** The user `node` of the Node images. */
const uid = 1000;

export interface OpsProgramArgs extends PodArgs {
  /** Namespace of the pods, and of what they are given. */
  namespace: string;
  /** A stock Node image. Default: `opsImage`. */
  image?: string;
  /** The command's name. */
  command: string;
  args?: string[];
  /** The bundled program, or where it is already because others run it too. */
  bundle: string | ProgramCode;
  /** Programs that it starts itself, by their names: VERIFY_PROGRAM is the path of `verify`. */
  helpers?: Readonly<Record<string, ProgramCode>>;
  /** Its database, whose URL is in the file that DATABASE_URL_FILE names. */
  database: DatabaseConnection;
  /** Further ones, each under a name such as REPLICA: REPLICA_URL_FILE names the file. */
  databases?: Record<string, DatabaseConnection | undefined>;
  /** Secret with the certificates that the URL names. */
  trustSecret: pulumi.Input<string>;
  env?: Record<string, pulumi.Input<string>>;
  /** What it may reach beside names and its databases. */
  egress?: readonly EgressRule[] | undefined;
  /** Its memory limit. Default: 256Mi, room for one Node process. */
  memory?: string | undefined;
  /** Seconds from the order to end until it is killed. Default: Kubernetes' 30. */
  gracePeriod?: number | undefined;
  annotations?: Record<string, pulumi.Input<string>>;
  /** Further volumes by mount path, all read-only. */
  volumes?: Record<string, Omit<types.input.core.v1.Volume, "name">>;
  /** What it may do on AWS, and in which region its clients are. Default: nothing. */
  aws?: Omit<PodIdentityArgs, "namespace" | "serviceAccount"> | undefined;
  /** Who may reach it. Default: nobody. */
  ingress?: types.input.networking.v1.NetworkPolicyIngressRule[];
  /** Of a program that stays, and is started again where it ends: its port and its probes. */
  stays?: Pick<types.input.core.v1.Container, "ports" | "livenessProbe" | "readinessProbe">;
}

/** The pod that one of our programs runs in, whoever starts it: a Job, a CronJob, a Deployment. */
export interface OpsProgram {
  labels: Record<string, string>;
  metadata: { namespace: pulumi.Input<string>; labels: Record<string, string> };
  template: PodTemplate;
  /** What must be there before its pods. */
  dependsOn: pulumi.Input<pulumi.Resource>[];
}

/**
 * Makes what an ops program needs — its code where nobody else has made that, a policy that lets it reach DNS, its databases and
 * what else it names, and nobody reach it, and its identity on AWS — and describes its pod.
 */
export function opsProgram(name: string, args: OpsProgramArgs, parent: pulumi.Resource): OpsProgram {
  const labels = labelsOf(args.command);
  const connections = Object.entries({ DATABASE: args.database, ...args.databases }).filter(isThere);
  const metadata = { namespace: args.namespace, labels };
  const identity =
    args.aws && podIdentity(name, { ...args.aws, namespace: args.namespace, serviceAccount: args.command }, parent);
  const code =
    typeof args.bundle === "string"
      ? programCode(`${name}-code`, { metadata, source: args.command, text: args.bundle }, { parent })
      : args.bundle;
  const helpers = Object.entries(args.helpers ?? {}).map(([helper, { configMap, file }]) => ({
    env: { name: `${helper.toUpperCase()}_PROGRAM`, value: `${helperPath(helper)}/${file}` },
    mount: { name: `${helper}-code`, mountPath: helperPath(helper), readOnly: true },
    volume: { name: `${helper}-code`, configMap: { name: configMap } },
  }));
  new k8s.networking.v1.NetworkPolicy(
    name,
    podPolicy(metadata, {
      ingress: args.ingress ?? [],
      egress: [
        dnsEgress,
        ...connections.map(([, { egress }]) => egress),
        ...(args.aws ? [podIdentityEgress, httpsEgress] : []),
        ...(args.egress ?? []),
      ],
    }),
    { parent },
  );

  const urls = connections.map(([which, secret]) => ({
    env: { name: `${which}_URL_FILE`, value: `${urlPath(which)}/${secret.key}` },
    mount: { name: which.toLowerCase(), mountPath: urlPath(which), readOnly: true },
    volume: { name: which.toLowerCase(), ...secretVolume(secret) },
  }));
  const extra = Object.entries(args.volumes ?? {}).map(([mountPath, volume], index) => ({
    mount: { name: `extra-${index}`, mountPath, readOnly: true },
    volume: { name: `extra-${index}`, ...volume },
  }));
  const spec: PodTemplate["spec"] = {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    restartPolicy: args.stays ? "Always" : "Never",
    ...(identity && { serviceAccountName: identity.serviceAccountName }),
    ...(args.gracePeriod !== undefined && { terminationGracePeriodSeconds: args.gracePeriod }),
    securityContext: restrictedPod(uid),
    containers: [
      {
        name: args.command,
        image: args.image ?? opsImage,
        command: ["node", `${programPath}/${code.file}`],
        args: args.args ?? [],
        env: [
          { name: "NODE_ENV", value: "production" },
          ...urls.map(({ env }) => env),
          ...helpers.map(({ env }) => env),
          ...(args.aws ? [{ name: "AWS_REGION", value: args.aws.region }] : []),
          ...Object.entries(args.env ?? {}).map(([key, value]) => ({ name: key, value })),
        ],
        resources: {
          requests: { cpu: "50m", memory: "64Mi" },
          limits: { cpu: "500m", memory: args.memory ?? "256Mi" },
        },
        securityContext: restrictedContainer,
        ...args.stays,
        volumeMounts: [
          { name: "code", mountPath: programPath, readOnly: true },
          ...helpers.map(({ mount }) => mount),
          ...urls.map(({ mount }) => mount),
          { name: "trust", mountPath: trustPath, readOnly: true },
          ...extra.map(({ mount }) => mount),
        ],
      },
    ],
    volumes: [
      { name: "code", configMap: { name: code.configMap } },
      ...helpers.map(({ volume }) => volume),
      ...urls.map(({ volume }) => volume),
      { name: "trust", secret: { secretName: args.trustSecret, defaultMode: 0o440 } },
      ...extra.map(({ volume }) => volume),
    ],
  };
  const admitting = connections.map(([, { podLabels }]) => podLabels);
  const template = {
    metadata: {
      labels: Object.assign({}, ...admitting, labels) as Labels,
      ...(args.annotations && { annotations: args.annotations }),
    },
    spec,
  };
  return { labels, metadata, template: podTemplate(args, template), dependsOn: identity?.inForce ?? [] };
}

const isThere = <T>(entry: [string, T | undefined]): entry is [string, T] => entry[1] !== undefined;
