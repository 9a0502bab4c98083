import type { EgressRule } from "../pods/networkRules";
import type { Labels } from "../pods/podSecurity";
import type { SecretKey } from "../pods/secretKey";

/** Who connects where. */
export type ConnectionName =
  | "controlPlaneDatabase"
  | "audit"
  | "telemetry"
  | "auditor"
  | "verifier"
  | "archiver"
  | "owner"
  | "maintenance"
  | "monitor"
  | OfPooler
  | OfReplica;

/** Those there are only with PgBouncer. */
export type OfPooler = "monitorPool";

/** Those there are only with a replica; the owner's only where the deployment reboots the servers. */
export type OfReplica = "replica" | "verifierReplica" | "archiverReplica" | "monitorReplica" | "ownerReplica";

/** A way to the database: where its URL is kept, and what a pod needs in order to get there. */
export interface DatabaseConnection extends SecretKey {
  egress: EgressRule;
  /** Labels that admit the pod where the way leads. */
  podLabels?: Labels;
}

export type DatabaseConnections = Record<Exclude<ConnectionName, OfPooler | OfReplica>, DatabaseConnection> &
  Partial<Record<OfPooler | OfReplica, DatabaseConnection>>;
