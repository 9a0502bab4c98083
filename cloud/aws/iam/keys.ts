/**
 * Access keys of the local cloud's one account: its owner's, and one of each role. Their secrets follow from one that is made
 * with the deployment, so that a service needs no more than that to check a signature.
 */
import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import { makeDirectory, readIfThere, writeWhole } from "../../host/files";
import type { ServiceUser } from "../../host/user";
import { accountId, hex } from "../account";

export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
}

/** Below the directory of all resources' directories. */
export const iamRoot = (root: string) => join(root, "iam");

const secretFile = (root: string) => join(iamRoot(root), "secret");

/** Made once; what was signed before stays valid. */
export function ensureSecret(root: string, owner?: ServiceUser): void {
  if (readIfThere(secretFile(root)) !== undefined) return;
  makeDirectory(iamRoot(root), owner);
  writeWhole(secretFile(root), randomBytes(32).toString("hex"), { owner });
}

/** Of a role by its name; of the account's owner where none is given. */
export const accessKeyOf = (role?: string) =>
  role === undefined ? `AKIA${hex(accountId, 16).toUpperCase()}` : `ASIA${hex(role, 16).toUpperCase()}`;

/** What an access key's holder signs with; undefined before the account has any. */
export function secretOf(root: string, accessKeyId: string): string | undefined {
  const secret = readIfThere(secretFile(root));
  return secret === undefined ? undefined : createHmac("sha256", secret).update(accessKeyId).digest("base64url");
}

export function keysOf(root: string, role?: string): Keys {
  const accessKeyId = accessKeyOf(role);
  const secretAccessKey = secretOf(root, accessKeyId);
  if (secretAccessKey === undefined)
    throw new Error(`${iamRoot(root)} holds no keys: the local cloud was never started`);
  return { accessKeyId, secretAccessKey };
}

/** As environment variables that AWS' SDKs and command line read. */
export const keyEnvironment = ({ accessKeyId, secretAccessKey }: Keys) => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  // This machine's Node may be older than the images'. The SDK would warn in every log of what later versions of it will need.
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
});
