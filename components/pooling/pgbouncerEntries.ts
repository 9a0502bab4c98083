import { databaseName, type Login, type RoleKey, roles, secondLogin } from "../../ops/roles";
import type { Pool } from "./connectionBudget";

/** The role that a pool's connections are logged in as. */
export const pooledRole = {
  controlPlane: "app",
  app: "app",
  telemetry: "telemetry",
  auditor: "auditor",
} as const satisfies Record<Pool, RoleKey>;

export type PooledRole = (typeof pooledRole)[Pool];

/**
 * The name that a pool's clients connect to. Pool sizes belong to a database entry and apply to each user of it, so each
 * pool has an entry of its own.
 */
export const pooledDatabase: Record<Pool, string> = {
  controlPlane: `${databaseName}_control_plane`,
  app: databaseName,
  telemetry: `${databaseName}_telemetry`,
  auditor: `${databaseName}_auditor`,
};

/** The name of PgBouncer's own console, which answers also while every client's place is taken. */
export const consoleService = "console";

/** Who may come in: the pooled roles, and the reader of the statistics. Never the owner, who comes to the server itself. */
export const admitted = ["app", "telemetry", "auditor", "monitor"] as const satisfies RoleKey[];
export type AdmittedRole = (typeof admitted)[number];

export const bothLogins = (role: AdmittedRole): Login[] => [roles[role], secondLogin(roles[role])];
