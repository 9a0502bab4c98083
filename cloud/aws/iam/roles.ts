/** Roles and their policies: written down by whoever makes them, read by the services at every request. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, readIfThere, writeWhole } from "../../host/files";
import type { ServiceUser } from "../../host/user";
import { accountId, hex } from "../account";
import { accessKeyOf, iamRoot } from "./keys";
import { readPolicy, type Statement } from "./policy";

export interface Identity {
  /** ARN. */
  principal: string;
  /** Of its policies; undefined for the account's owner, who may do everything that nothing denies. */
  statements: Statement[] | undefined;
}

const directoryOf = (root: string, accessKeyId: string) => join(iamRoot(root), accessKeyId);
const roleFile = (root: string, accessKeyId: string) => join(directoryOf(root, accessKeyId), "role");
const policyFile = (root: string, role: string, name: string) =>
  join(directoryOf(root, accessKeyOf(role)), `${hex(name, 20)}.json`);

/** @param root the directory of all resources' directories */
export function writeRole(root: string, role: string, arn: string, owner: ServiceUser | undefined): boolean {
  makeDirectory(directoryOf(root, accessKeyOf(role)), owner);
  return writeWhole(roleFile(root, accessKeyOf(role)), arn, { owner });
}

export const removeRole = (root: string, role: string) =>
  rmSync(directoryOf(root, accessKeyOf(role)), { recursive: true, force: true });

export function writePolicy(
  root: string,
  { role, name, policy }: { role: string; name: string; policy: string },
  owner: ServiceUser | undefined,
): boolean {
  makeDirectory(directoryOf(root, accessKeyOf(role)), owner);
  return writeWhole(policyFile(root, role, name), policy, { owner });
}

export const removePolicy = (root: string, role: string, name: string) =>
  rmSync(policyFile(root, role, name), { force: true });

/** Whose key it is; undefined for a key that nobody has. */
export function identityOf(root: string, accessKeyId: string): Identity | undefined {
  if (accessKeyId === accessKeyOf()) return { principal: `arn:aws:iam::${accountId}:root`, statements: undefined };
  if (!/^ASIA[0-9A-F]{16}$/.test(accessKeyId)) return undefined;
  const principal = readIfThere(roleFile(root, accessKeyId));
  if (principal === undefined) return undefined;
  const files = readdirSync(directoryOf(root, accessKeyId)).filter((name) => name.endsWith(".json"));
  const policies = files.flatMap((name) => readIfThere(join(directoryOf(root, accessKeyId), name)) ?? []);
  return { principal, statements: policies.flatMap(readPolicy) };
}
