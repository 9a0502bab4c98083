import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { databaseName, type RoleKey } from "../../ops/roles";
import { connection, directly, type Server } from "./connection";
import type { Credentials } from "../database/credentials";
import type { Endpoint } from "../database/servers";
import type { Pool } from "../pooling/connectionBudget";
import { egressToPods } from "../pods/networkRules";
import { pgbouncerClient } from "../pods/podSecurity";
import type { DatabaseConnections } from "../programs/databaseConnection";
import {
  type ControlPlaneLogin,
  pooledDatabase,
  pooledRole,
  type PoolerClient,
  poolerOf,
  poolerPort,
} from "../pooling/pgbouncerEntries";
import { databaseCaName, pgbouncerCaName } from "../pods/trust";

export interface ConnectionsArgs {
  /** Namespace of the Secrets, and of the pods that use them. */
  namespace: pulumi.Input<string>;
  /** Where the primary is, from `Database.endpoints`. */
  primary: Endpoint;
  /** Default: there is none, and no URL of it. */
  replica?: Endpoint | undefined;
  /** Whether the owner connects to the replica, as who reboots the servers does. Default: no, and there is no URL for it. */
  ownerOnReplica?: boolean;
  /**
   * PgBouncer's Service as its clients name it, the PEM of what signs its certificate, and the control plane's login to it. Default: there
   * is none, and all connect directly.
   */
  pgbouncer?: { host: string; ca: pulumi.Input<string>; controlPlane: Credentials<ControlPlaneLogin> };
  /** A login of each role, from `Database.secrets`. */
  credentials: Record<RoleKey, Credentials>;
  /** PEM of what signs the database servers' certificates. */
  databaseCa: string;
}

/**
 * Every way to the database, each a Secret of its own, so that a pod is given one and not all, and the certificates that
 * the URLs verify servers by. Immutable: a new password is a new Secret, and who uses it rolls.
 */
export class Connections extends pulumi.ComponentResource {
  /** Secret with `database-ca.pem` and `pgbouncer-ca.pem`; mounted at `trustPath`, where the URLs look for them. */
  readonly trustSecret: pulumi.Output<string>;
  /** Each way by its name: the Secret, and what a pod needs to get there. */
  readonly urls: DatabaseConnections;

  constructor(name: string, args: ConnectionsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:connections:Connections", name, {}, opts);
    const metadata = { namespace: args.namespace };

    const trust = new k8s.core.v1.Secret(
      `${name}-trust`,
      {
        metadata,
        immutable: true,
        stringData: {
          [databaseCaName]: args.databaseCa,
          ...(args.pgbouncer && { [pgbouncerCaName]: args.pgbouncer.ca }),
        },
      },
      { parent: this },
    );
    this.trustSecret = trust.metadata.name;

    // The server knows the control plane as the app role only.
    const controlPlane = args.pgbouncer?.controlPlane ?? args.credentials[pooledRole.controlPlane];
    const logins: Record<RoleKey | PoolerClient, Credentials<string>> = { ...args.credentials, controlPlane };
    const connect = (suffix: string, client: keyof typeof logins, to: Server, database: string) =>
      connection(`${name}-${suffix}`, { metadata, to, database, login: logins[client] }, this);
    const direct = (suffix: string, client: keyof typeof logins, server: Endpoint) =>
      connect(suffix, client, directly(server), databaseName);
    const pooled = (suffix: string, pool: Pool, client: PoolerClient = pool) => {
      if (!args.pgbouncer) return direct(suffix, client, args.primary);
      const port = poolerPort[poolerOf[pool]];
      const egress = egressToPods("pgbouncer", port);
      const { host } = args.pgbouncer;
      const to: Server = { host, port, ca: pgbouncerCaName, egress, podLabels: pgbouncerClient };
      return connect(suffix, client, to, pooledDatabase[pool]);
    };
    this.urls = {
      controlPlaneDatabase: pooled("control-plane-database", "controlPlane"),
      audit: pooled("audit", "app"),
      telemetry: pooled("telemetry", "telemetry"),
      auditor: pooled("auditor", "auditor"),
      // For hours where there is no replica: the pool may have one connection for all auditors, and ends what is long.
      verifier: direct("verifier", "verifier", args.primary),
      archiver: direct("archiver", "archiver", args.primary),
      owner: direct("owner", "owner", args.primary),
      maintenance: direct("maintenance", "maintenance", args.primary),
      monitor: direct("monitor", "monitor", args.primary),
      // Through the pool that nobody's decision waits for.
      ...(args.pgbouncer && { monitorPool: pooled("monitor-pool", "auditor", "monitor") }),
      ...(args.replica && {
        replica: direct("replica", "auditor", args.replica),
        verifierReplica: direct("verifier-replica", "verifier", args.replica),
        archiverReplica: direct("archiver-replica", "archiver", args.replica),
        monitorReplica: direct("monitor-replica", "monitor", args.replica),
        ...(args.ownerOnReplica && { ownerReplica: direct("owner-replica", "owner", args.replica) }),
      }),
    };

    this.registerOutputs({ urls: this.urls, trustSecret: this.trustSecret });
  }
}
