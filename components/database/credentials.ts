import type { Input } from "@pulumi/pulumi";
import type { Login, RoleKey } from "../../ops/roles";

/** How one logs in to the database, or to the pooler in front of it. */
export interface Credentials<User extends string = Login> {
  user: User;
  password: Input<string>;
}

/** The roles that have two logins: all but the owner. */
export const createdRoleKeys = [
  "app",
  "telemetry",
  "monitor",
  "auditor",
  "verifier",
  "archiver",
  "maintenance",
] as const satisfies RoleKey[];
export type CreatedRoleKey = (typeof createdRoleKeys)[number];

/** What is deployed, and what pods of the generation of passwords before still use. */
export interface Generations<Role extends RoleKey = RoleKey> {
  current: Record<Role, Credentials>;
  previous: Record<Exclude<Role, "owner">, Credentials>;
}
