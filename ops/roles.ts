/** The database this project deploys, and the login roles in it: the one list that programs, components and tests share. */
export const databaseName = "authensor";

export const roles = {
  /** RDS' master user: owns everything, runs migrations. Not a superuser. */
  owner: "authensor_owner",
  /** The control plane's: writes receipts, changes neither structure nor history. */
  app: "authensor_app",
  /** Writes telemetry, which a crash may lose the last moments of. */
  telemetry: "authensor_telemetry",
  /** Reads the server's statistics (`pg_monitor`). */
  monitor: "authensor_monitor",
  /** Reads the audit trail, and no key's hash. */
  auditor: "authensor_auditor",
  /** Reads what the auditor reads, and tells how a verification ended. What verifies on schedule logs in as this role. */
  verifier: "authensor_verifier",
  /** Reads what the auditor reads, and tells what is in the locked bucket. */
  archiver: "authensor_archiver",
  /** Makes partitions, through functions of the owner's; reads nothing. */
  maintenance: "authensor_maintenance",
} as const;

/** Of the maintenance role: a run on schedule, one by hand, and one to cancel either. */
export const maintenanceConnections = 3;

/** Of the monitor on the primary: the heartbeat's, and two for its sources, so that one that hangs does not keep the others. */
export const monitorConnections = { heartbeat: 1, sources: 2 } as const;

export type RoleKey = keyof typeof roles;

/** The roles that migrations create; the owner comes with the server. */
export const createdRoles = [
  roles.app,
  roles.telemetry,
  roles.monitor,
  roles.auditor,
  roles.verifier,
  roles.archiver,
  roles.maintenance,
] as const;

/**
 * Each of them has a second login with the same rights, its member. Two generations of passwords work side by side: one by the role
 * itself, the next by its second login. So both the pods that go and those that come can log in while passwords change.
 */
export const secondLogin = <Role extends CreatedRole>(role: Role): `${Role}_b` => `${role}_b`;
export const createdLogins = createdRoles.flatMap((role) => [role, secondLogin(role)]);

type CreatedRole = (typeof createdRoles)[number];
export type Login = CreatedRole | `${CreatedRole}_b` | typeof roles.owner;

/** The login of a role in a generation of passwords. The owner, whom nobody's request waits for, has one only. */
export function loginOf(role: RoleKey, generation: number): Login {
  const name = roles[role];
  return name === roles.owner || generation % 2 === 1 ? name : secondLogin(name);
}

/** The role that a login is of, whichever of the two it is. */
export const roleOf = (login: string): string => createdRoles.find((role) => login === secondLogin(role)) ?? login;
