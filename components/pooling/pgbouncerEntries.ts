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

/**
 * The processes of a pod, and the port that each listens on. The control plane has one to itself. Whether a session is
 * reset between two clients is a setting of the whole process (src/objects.c, release_server): what shields other
 * clients from each other would cost each decision a fourth of the database's work. It also has a thread to itself.
 */
export const poolerPort = { decisions: 6432, others: 6433 } as const;
export type Pooler = keyof typeof poolerPort;
export const poolers = Object.keys(poolerPort) as Pooler[];

/**
 * How Services call the ports. The first has the name from before there were two: a rollout comes before the Service's
 * own update.
 */
export const portName: Record<Pooler, string> = { decisions: "pgbouncer", others: "others" };
/** What a Service of the pods has. */
export const servedPorts: Record<string, number> = Object.fromEntries(
  poolers.map((pooler) => [portName[pooler], poolerPort[pooler]]),
);

export const poolerOf: Record<Pool, Pooler> = {
  controlPlane: "decisions",
  app: "others",
  telemetry: "others",
  auditor: "others",
};

export const poolsOf = (pooler: Pooler): Pool[] =>
  (Object.keys(poolerOf) as Pool[]).filter((pool) => poolerOf[pool] === pooler);

/** How psql calls a process' own console, which answers also while every client's place is taken. */
export const consoleOf = (pooler: Pooler): string => `console-${pooler}`;

/** Roles that may come in by logins of their own: the pooled ones, and the reader of the statistics. Never the owner, who comes to the server itself. */
const admittedRoles = ["app", "telemetry", "auditor", "monitor"] as const satisfies RoleKey[];
export type AdmittedRole = (typeof admittedRoles)[number];

/** Who may come in: each of those roles, and the control plane. A pool's own client has the pool's name. */
export const poolerClients = ["controlPlane", ...admittedRoles] as const;
export type PoolerClient = (typeof poolerClients)[number];

/**
 * The control plane's own two logins, used in turn by generations of passwords as a role's are. They are PgBouncer's alone: the server
 * has no such role, and the control plane becomes the app role there. Sessions of its pool are not reset, so nobody else may have one,
 * the app role's other clients included.
 */
const controlPlaneLogins = [`${databaseName}_control_plane`, `${databaseName}_control_plane_b`] as const;
export type ControlPlaneLogin = (typeof controlPlaneLogins)[number];
export const controlPlaneLogin = (generation: number): ControlPlaneLogin =>
  controlPlaneLogins[generation % 2 === 1 ? 0 : 1];

export const bothLogins = (client: PoolerClient): readonly (Login | ControlPlaneLogin)[] =>
  client === "controlPlane" ? controlPlaneLogins : [roles[client], secondLogin(roles[client])];
