import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Credentials, Generations } from "../database/credentials";
import { databaseEgress, dnsEgress, podPolicy } from "../pods/networkRules";
import { labelsOf, pgbouncerClient } from "../pods/podSecurity";
import { ownReplicas, rolledOneByOne, rolloutTimeouts } from "../pods/rollout";
import { serve, servicePorts } from "../pods/servedPods";
import type { Pool } from "./connectionBudget";
import { renderHba, renderServices, renderUserlist } from "./pgbouncerAccess";
import { configFile, hbaFile, renderPgbouncerConfig } from "./pgbouncerConfig";
import {
  type AdmittedRole,
  type ControlPlaneLogin,
  poolerClients,
  poolerPort,
  poolers,
  servedPorts,
} from "./pgbouncerEntries";
import { pgbouncerPod, type PgbouncerPodArgs, servicesFile } from "./pgbouncerPod";

/** Fixed: it is part of the address that every client's URL holds. */
const pgbouncerService = "pgbouncer";

/** Every name that Kubernetes gives the Service, the full one first, and localhost: `kubectl port-forward` is verified too. */
export function pgbouncerNames(namespace: string): [string, ...string[]] {
  const inNamespace = `${pgbouncerService}.${namespace}`;
  return [`${inNamespace}.svc.cluster.local`, `${inNamespace}.svc`, inNamespace, pgbouncerService, "localhost"];
}

/** Its name leads to each pod, for who asks all of them. */
const pgbouncerPodsService = "pgbouncer-pods";

/** `host:port` of every pod's processes, separated by commas. */
export const pgbouncerPods = (namespace: string): string =>
  poolers.map((pooler) => `${pgbouncerPodsService}.${namespace}.svc.cluster.local:${poolerPort[pooler]}`).join(",");

export interface PgbouncerArgs extends PgbouncerPodArgs {
  /** Namespace of the pods; PgBouncer's names are of it. */
  namespace: pulumi.Input<string>;
  /** Pods outside a rollout. */
  pods: number;
  /** Server connections per pod, by the connection budget. */
  pools: Record<Pool, number>;
  /** Statements that are kept prepared on each of them; 0: none. */
  preparedStatements: number;
  /** Chains that each agent's receipts are spread over, 1 to 256: docs/scaling.md. */
  lanes: number;
  /** The primary, as its clients reach it, and the blocks that its address can be in. */
  database: { host: pulumi.Input<string>; port: pulumi.Input<number>; blocks: readonly string[] };
  /** It lets both generations in, and logs in to the server as the current one. */
  credentials: Generations<AdmittedRole>;
  /** The control plane's own, which lead to its own pool and to nothing else. */
  controlPlane: Record<keyof Generations, Credentials<ControlPlaneLogin>>;
  /** What it shows its clients, PEM. */
  certificate: { certificatePem: pulumi.Input<string>; keyPem: pulumi.Input<string> };
}

/**
 * PgBouncer in transaction mode, one pool per role, TLS on both sides; a process for the control plane, and one for
 * everybody else. A rollout drops no transaction, and no request of a client whose connections are short-lived: a pod
 * that goes is first taken out of the Service, then left by its clients, then told to finish what runs (SIGINT), and
 * only then gone. One that comes serves once a query has gone through each of its pools.
 */
export class Pgbouncer extends pulumi.ComponentResource {
  readonly service: k8s.core.v1.Service;
  readonly deployment: k8s.apps.v1.Deployment;

  constructor(name: string, args: PgbouncerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:pooling:Pgbouncer", name, {}, opts);
    const child = { parent: this };
    const labels = labelsOf("pgbouncer");
    const metadata = { namespace: args.namespace, labels };

    const loginsOf = (generation: keyof Generations) => ({
      ...args.credentials[generation],
      controlPlane: args.controlPlane[generation],
    });
    const [current, previous] = [loginsOf("current"), loginsOf("previous")];
    const admitted = poolerClients.flatMap((client) => [current[client], previous[client]]);
    // Immutable and auto-named: a change is a new object, the pod template changes with it, and the pods roll.
    const config = new k8s.core.v1.ConfigMap(
      `${name}-config`,
      {
        metadata,
        immutable: true,
        data: {
          ...Object.fromEntries(
            poolers.map((pooler) => [
              configFile(pooler),
              pulumi
                .output(args.database)
                .apply(({ host, port }) => renderPgbouncerConfig(pooler, { ...args, host, port, logins: current })),
            ]),
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
          "userlist.txt": pulumi.secret(pulumi.output(admitted).apply(renderUserlist)),
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

    this.deployment = new k8s.apps.v1.Deployment(
      name,
      {
        metadata: { ...metadata, name: "pgbouncer", annotations: ownReplicas },
        spec: {
          replicas: args.pods,
          selector: { matchLabels: labels },
          ...rolledOneByOne,
          template: pgbouncerPod(args, {
            labels,
            config: config.metadata.name,
            auth: userlist.metadata.name,
            tls: tls.metadata.name,
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
        ports: servedPorts,
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
          ports: servicePorts(servedPorts),
        },
      },
      { ...child, dependsOn: [this.deployment] },
    );
    new k8s.networking.v1.NetworkPolicy(
      name,
      podPolicy(metadata, {
        ingress: [
          {
            from: [
              { podSelector: { matchLabels: labelsOf("control-plane") } },
              // Its console.
              { podSelector: { matchLabels: labelsOf("monitor") } },
            ],
            ports: [{ protocol: "TCP", port: poolerPort.decisions }],
          },
          {
            from: [{ podSelector: { matchLabels: pgbouncerClient } }],
            ports: [{ protocol: "TCP", port: poolerPort.others }],
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
