import type * as pulumi from "@pulumi/pulumi";
import { connectionLifetime } from "../../ops/guard/limits";
import { restrictedContainer, restrictedPod, spread } from "../pods/podSecurity";
import { type PodArgs, type PodTemplate, podTemplate } from "../pods/podTemplate";
import { endpointDrain } from "../pods/rollout";
import { configFile, longestTransaction, paths } from "./pgbouncerConfig";
import { poolerPort, poolers, portName } from "./pgbouncerEntries";
import { askConsole, drain, queryEveryPool } from "./pgbouncerHooks";
import { pgbouncerMemory } from "./pgbouncerMemory";

/** Seconds to wait for clients to leave by themselves: the life of the control plane's connections, and a query's end. */
const clientDrain = connectionLifetime + 5;
/** Seconds a terminating pod may take: both drains, the longest transaction, and what it takes to leave. */
export const gracePeriod = endpointDrain + clientDrain + longestTransaction + 15;
/** The image's user. */
const uid = 998;

/** Beside the user list: the same passwords, in the form that psql reads. */
export const servicesFile = "services.conf";

export interface PgbouncerPodArgs extends PodArgs {
  /** An image of PgBouncer 1.25.2 or later. */
  image: string;
  /** max_client_conn of each process. */
  maxClients: number;
  /** Secret with `database-ca.pem`: what it verifies the primary by. */
  trustSecret: pulumi.Input<string>;
}

/** What is made for its pods: names of a ConfigMap and of two Secrets. */
interface PodFiles {
  labels: Record<string, string>;
  config: pulumi.Input<string>;
  auth: pulumi.Input<string>;
  tls: pulumi.Input<string>;
}

/** A pod of PgBouncer: when it serves, how it is left by its clients, and when it is started anew. */
export function pgbouncerPod(args: PgbouncerPodArgs, { labels, config, auth, tls }: PodFiles): PodTemplate {
  const memory = pgbouncerMemory(args.maxClients);
  return podTemplate(args, {
    metadata: { labels },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: restrictedPod(uid),
      terminationGracePeriodSeconds: gracePeriod,
      topologySpreadConstraints: spread(labels),
      containers: poolers.map((pooler) => ({
        name: pooler,
        image: args.image,
        command: ["pgbouncer", `${paths.config}/${configFile(pooler)}`],
        ports: [{ name: portName[pooler], containerPort: poolerPort[pooler], protocol: "TCP" }],
        env: [{ name: "PGSERVICEFILE", value: `${paths.auth}/${servicesFile}` }],
        lifecycle: { preStop: { exec: { command: ["/bin/sh", "-c", drain(pooler, endpointDrain, clientDrain)] } } },
        // Until it succeeds, however long that takes: a restart would not mend a wrong password or certificate, and
        // would only make the pod wait longer and longer once the database is back.
        startupProbe: {
          exec: { command: ["/bin/sh", "-c", queryEveryPool(pooler)] },
          periodSeconds: 1,
          timeoutSeconds: 30,
          failureThreshold: 86_400,
        },
        // The port only, not the database behind it: while that is away, waiting here is better than an
        // empty Service, and restarting PgBouncer would bring nothing back.
        readinessProbe: { tcpSocket: { port: portName[pooler] }, periodSeconds: 5, failureThreshold: 2 },
        // A process that hangs has no transaction to finish: the clients' next connections are waiting.
        livenessProbe: {
          exec: { command: ["/bin/sh", "-c", askConsole(pooler)] },
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
        ],
      })),
      volumes: [
        { name: "config", configMap: { name: config } },
        { name: "auth", secret: { secretName: auth, defaultMode: 0o440 } },
        { name: "tls", secret: { secretName: tls, defaultMode: 0o440 } },
        { name: "trust", secret: { secretName: args.trustSecret, defaultMode: 0o440 } },
      ],
    },
  });
}
