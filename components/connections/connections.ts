import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { databaseName, type RoleKey, roles } from "../../ops/roles";
import type { Pool } from "../pooling/connectionBudget";
import type { ConnectionName, OfReplica } from "../programs/connectionName";
import { databaseUrl } from "./databaseUrl";
import { pgbouncerPort, pooledDatabase, pooledRole } from "../pooling/pgbouncerConfig";
import type { SecretKey } from "../pods/secretKey";
import { trustPath } from "../pods/trust";

export interface Endpoint {
  host: pulumi.Input<string>;
  port: pulumi.Input<number>;
}

export interface ConnectionsArgs {
  namespace: pulumi.Input<string>;
  primary: Endpoint;
  /** Default: there is none, and no URL of it. */
  replica?: Endpoint;
  /** PgBouncer's Service as its clients name it. */
  pgbouncerHost: string;
  passwords: Record<RoleKey, pulumi.Input<string>>;
  /** PEM of what signs the database servers' certificates. */
  databaseCa: string;
  /** PEM of what signs PgBouncer's. */
  pgbouncerCa: pulumi.Input<string>;
}

type ConnectionSecret = SecretKey & { name: pulumi.Output<string> };

/**
 * Every way to the database, each a Secret of its own, so that a pod is given one and not all, and the certificates that
 * the URLs verify servers by. Immutable: a new password is a new Secret, and who uses it rolls.
 */
export class Connections extends pulumi.ComponentResource {
  /** Secret with `database-ca.pem` and `pgbouncer-ca.pem`; mounted at `trustPath`, where the URLs look for them. */
  readonly trustSecret: pulumi.Output<string>;
  readonly urls: Record<Exclude<ConnectionName, OfReplica>, ConnectionSecret> &
    Partial<Record<OfReplica, ConnectionSecret>>;

  constructor(name: string, args: ConnectionsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:kubernetes:Connections", name, {}, opts);
    const metadata = { namespace: args.namespace };

    const trust = new k8s.core.v1.Secret(
      `${name}-trust`,
      {
        metadata,
        immutable: true,
        stringData: { "database-ca.pem": args.databaseCa, "pgbouncer-ca.pem": args.pgbouncerCa },
      },
      { parent: this },
    );
    this.trustSecret = trust.metadata.name;

    const pgbouncer = { host: args.pgbouncerHost, port: pgbouncerPort };
    const secret = (connection: string, role: RoleKey, to: Endpoint, database: string) => {
      const caFile = `${trustPath}/${to === pgbouncer ? "pgbouncer-ca.pem" : "database-ca.pem"}`;
      const url = pulumi
        .all([to.host, to.port, args.passwords[role]])
        .apply(([host, port, password]) => databaseUrl({ user: roles[role], password, host, port, database, caFile }));
      const { metadata: made } = new k8s.core.v1.Secret(
        `${name}-${connection}`,
        { metadata, immutable: true, stringData: { url: pulumi.secret(url) } },
        { parent: this },
      );
      return { name: made.name, key: "url" };
    };
    const pooled = (pool: Pool, connection: string) =>
      secret(connection, pooledRole[pool], pgbouncer, pooledDatabase[pool]);
    this.urls = {
      controlPlaneDatabase: pooled("controlPlane", "control-plane-database"),
      audit: pooled("app", "audit"),
      telemetry: pooled("telemetry", "telemetry"),
      auditor: pooled("auditor", "auditor"),
      owner: secret("owner", "owner", args.primary, databaseName),
      maintenance: secret("maintenance", "maintenance", args.primary, databaseName),
      monitor: secret("monitor", "monitor", args.primary, databaseName),
      // Through the pool that nobody's decision waits for.
      monitorPool: secret("monitor-pool", "monitor", pgbouncer, pooledDatabase.auditor),
      ...(args.replica && {
        replica: secret("replica", "auditor", args.replica, databaseName),
        monitorReplica: secret("monitor-replica", "monitor", args.replica, databaseName),
      }),
    };

    this.registerOutputs({ urls: this.urls, trustSecret: this.trustSecret });
  }
}
