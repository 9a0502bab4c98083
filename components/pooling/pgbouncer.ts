import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { connectionLifetime } from "../../ops/guard/limits";
import type { Generations } from "../database/credentials";
import type { Pool } from "./connectionBudget";
import {
  admitted,
  type AdmittedRole,
  hbaFile,
  longestTransaction,
  paths,
  pgbouncerPort,
  renderHba,
  renderPgbouncerConfig,
  renderServices,
  renderUserlist,
} from "./pgbouncerConfig";
import { askConsole, drain, queryEveryPool } from "./pgbouncerHooks";
import { pgbouncerMemory } from "./pgbouncerMemory";
import { databaseEgress, dnsEgress, podPolicy } from "../pods/networkRules";
import { labelsOf, pgbouncerClient, restrictedContainer, restrictedPod, spread } from "../pods/podSecurity";
import { type PodArgs, podTemplate } from "../pods/podTemplate";
import { endpointDrain, ownReplicas, rolledOneByOne, rolloutTimeouts } from "../pods/rollout";
import { serve } from "../pods/servedPods";

/** Fixed: it is part of the address that every client's URL holds. */
const pgbouncerService = "pgbouncer";

/** Every name that Kubernetes gives the Service, the full one first, and localhost: `kubectl port-forward` is verified too. */
export function pgbouncerNames(namespace: string): [string, ...string[]] {
  const inNamespace = `${pgbouncerService}.${namespace}`;
  return [`${inNamespace}.svc.cluster.local`, `${inNamespace}.svc`, inNamespace, pgbouncerService, "localhost"];
}

/** Its name leads to each pod, for who asks all of them. */
const pgbouncerPodsService = "pgbouncer-pods";

/** `host:port` of every pod. */
export const pgbouncerPods = (namespace: string) =>
  `${pgbouncerPodsService}.${namespace}.svc.cluster.local:${pgbouncerPort}`;

/** Seconds to wait for clients to leave by themselves: the life of the control plane's connections, and a query's end. */
const clientDrain = connectionLifetime + 5;
/** Seconds a terminating pod may take: both drains, the longest transaction, and what it takes to leave. */
export const gracePeriod = endpointDrain + clientDrain + longestTransaction + 15;
/** The image's user. */
const uid = 998;

export interface PgbouncerArgs extends PodArgs {
  namespace: pulumi.Input<string>;
  image: string;
  /** Pods outside a rollout. */
  pods: number;
  /** Server connections per pod, by the connection budget. */
  pools: Record<Pool, number>;
  /** max_client_conn of one pod. */
  maxClients: number;
  /** The primary, as its clients reach it, and the blocks that its address can be in. */
  database: { host: pulumi.Input<string>; port: pulumi.Input<number>; blocks: readonly string[] };
  /** It lets both generations in, and logs in to the server as the current one. */
  credentials: Generations<AdmittedRole>;
  /** What it shows its clients, PEM. */
  certificate: { certificatePem: pulumi.Input<string>; keyPem: pulumi.Input<string> };
  /** Secret with `database-ca.pem`: what it verifies the primary by. */
  trustSecret: pulumi.Input<string>;
}

/**
 * PgBouncer in transaction mode, one pool per role, TLS on both sides. A rollout drops no transaction, and no request of a client
 * whose connections are short-lived: a pod that goes is first taken out of the Service, then left by its clients, then told
 * to finish what runs (SIGINT), and only then gone. One that comes serves once a query has gone through each of its pools.
 */
export class Pgbouncer extends pulumi.ComponentResource {
  readonly service: k8s.core.v1.Service;
  readonly deployment: k8s.apps.v1.Deployment;

  constructor(name: string, args: PgbouncerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:pooling:Pgbouncer", name, {}, opts);
    const child = { parent: this };
    const labels = labelsOf("pgbouncer");
    const metadata = { namespace: args.namespace, labels };

    const { current, previous } = args.credentials;
    const admittedLogins = admitted.flatMap((role) => [current[role], previous[role]]);
    // Immutable and auto-named: a change is a new object, the pod template changes with it, and the pods roll.
    const config = new k8s.core.v1.ConfigMap(
      `${name}-config`,
      {
        metadata,
        immutable: true,
        data: {
          "pgbouncer.ini": pulumi
            .output(args.database)
            .apply(({ host, port }) =>
              renderPgbouncerConfig({ host, port, pools: args.pools, maxClients: args.maxClients, logins: current }),
            ),
          [hbaFile]: renderHba(),
        },
      },
      child,
    );
    const userlist = new k8s.core.v1.Secret(
      `${name}-userlist`,
      {
        metadata,
        immutable: true,
        stringData: {
          "userlist.txt": pulumi.secret(pulumi.output(admittedLogins).apply(renderUserlist)),
          [servicesFile]: pulumi.secret(pulumi.output(current).apply(renderServices)),
        },
      },
      child,
    );
    const tls = new k8s.core.v1.Secret(
      `${name}-tls`,
      {
        metadata,
        immutable: true,
        type: "kubernetes.io/tls",
        stringData: { "tls.crt": args.certificate.certificatePem, "tls.key": pulumi.secret(args.certificate.keyPem) },
      },
      child,
    );

    const memory = pgbouncerMemory(args.maxClients);
    this.deployment = new k8s.apps.v1.Deployment(
      name,
      {
        metadata: { ...metadata, name: "pgbouncer", annotations: ownReplicas },
        spec: {
          replicas: args.pods,
          selector: { matchLabels: labels },
          ...rolledOneByOne,
          template: podTemplate(args, {
            metadata: { labels },
            spec: {
              automountServiceAccountToken: false,
              enableServiceLinks: false,
              securityContext: restrictedPod(uid),
              terminationGracePeriodSeconds: gracePeriod,
              topologySpreadConstraints: spread(labels),
              containers: [
                {
                  name: "pgbouncer",
                  image: args.image,
                  command: ["pgbouncer", `${paths.config}/pgbouncer.ini`],
                  ports: [{ name: "pgbouncer", containerPort: pgbouncerPort, protocol: "TCP" }],
                  env: [{ name: "PGSERVICEFILE", value: `${paths.auth}/${servicesFile}` }],
                  lifecycle: { preStop: { exec: { command: ["/bin/sh", "-c", drain(endpointDrain, clientDrain)] } } },
                  // Until it succeeds, however long that takes: a restart would not mend a wrong password or certificate, and
                  // would only make the pod wait longer and longer once the database is back.
                  startupProbe: {
                    exec: { command: ["/bin/sh", "-c", queryEveryPool] },
                    periodSeconds: 1,
                    timeoutSeconds: 30,
                    failureThreshold: 86_400,
                  },
                  // The port only, not the database behind it: while that is away, waiting here is better than an
                  // empty Service, and restarting PgBouncer would bring nothing back.
                  readinessProbe: { tcpSocket: { port: "pgbouncer" }, periodSeconds: 5, failureThreshold: 2 },
                  // A process that hangs has no transaction to finish: the clients' next connections are waiting.
                  livenessProbe: {
                    exec: { command: ["/bin/sh", "-c", askConsole] },
                    periodSeconds: 10,
                    timeoutSeconds: 10,
                    failureThreshold: 3,
                    terminationGracePeriodSeconds: endpointDrain,
                  },
                  // One thread: more than one CPU is of no use.
                  resources: {
                    requests: { cpu: "100m", memory: memory.request },
                    limits: { cpu: "1", memory: memory.limit },
                  },
                  securityContext: restrictedContainer,
                  volumeMounts: [
                    { name: "config", mountPath: paths.config, readOnly: true },
                    { name: "auth", mountPath: paths.auth, readOnly: true },
                    { name: "tls", mountPath: paths.tls, readOnly: true },
                    { name: "trust", mountPath: paths.trust, readOnly: true },
                    { name: "run", mountPath: paths.run },
                  ],
                },
              ],
              volumes: [
                { name: "config", configMap: { name: config.metadata.name } },
                { name: "auth", secret: { secretName: userlist.metadata.name, defaultMode: 0o440 } },
                { name: "tls", secret: { secretName: tls.metadata.name, defaultMode: 0o440 } },
                { name: "trust", secret: { secretName: args.trustSecret, defaultMode: 0o440 } },
                { name: "run", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
              ],
            },
          }),
        },
      },
      { ...child, customTimeouts: rolloutTimeouts(args.pods) },
    );
    this.service = serve(
      name,
      {
        ...metadata,
        service: pgbouncerService,
        port: { name: "pgbouncer", number: pgbouncerPort },
        deployment: this.deployment,
      },
      this,
    );
    // Headless: what a pod's console says is said of that pod alone.
    new k8s.core.v1.Service(
      `${name}-pods`,
      {
        metadata: { ...metadata, name: pgbouncerPodsService },
        spec: {
          type: "ClusterIP",
          clusterIP: "None",
          ipFamilyPolicy: "PreferDualStack",
          selector: labels,
          ports: [{ name: "pgbouncer", port: pgbouncerPort, targetPort: "pgbouncer", protocol: "TCP" }],
        },
      },
      { ...child, dependsOn: [this.deployment] },
    );
    new k8s.networking.v1.NetworkPolicy(
      name,
      podPolicy(metadata, {
        ingress: [
          {
            from: [{ podSelector: { matchLabels: pgbouncerClient } }],
            ports: [{ protocol: "TCP", port: pgbouncerPort }],
          },
        ],
        // By block: the database's address changes in a failover.
        egress: [dnsEgress, databaseEgress(args.database.blocks, args.database.port)],
      }),
      child,
    );

    this.registerOutputs({ service: this.service.metadata.name });
  }
}

/** Beside the user list: the same passwords, in the form that psql reads. */
const servicesFile = "services.conf";
