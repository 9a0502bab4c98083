/** Who connects where. */
export type ConnectionName =
  | "controlPlaneDatabase"
  | "audit"
  | "telemetry"
  | "auditor"
  | "owner"
  | "maintenance"
  | "monitor"
  | "monitorPool"
  | OfReplica;

/** Those there are only with a replica. */
export type OfReplica = "replica" | "monitorReplica";
