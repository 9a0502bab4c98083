/** The services that run here as processes. */
import type { ServiceUser } from "../host/user";
import { cloudWatch } from "./cloudwatch/service";
import { databaseCaDirectory, shareDatabaseCa } from "./databaseCa";
import { startEndpoint, stopEndpoint, urlOf } from "./endpoint";
import { ensureSecret } from "./iam/keys";
import { stopRestored } from "./rds/api/restored";
import { rdsApi, rdsRoot } from "./rds/api/service";
import { s3 } from "./s3/service";

const endpoints = [cloudWatch, rdsApi, s3];

export async function startEndpoints(
  root: string,
  options: { serviceUser?: ServiceUser | undefined; signal: AbortSignal },
): Promise<void> {
  ensureSecret(root, options.serviceUser);
  await shareDatabaseCa(databaseCaDirectory(root), options.serviceUser);
  await Promise.all(endpoints.map((endpoint) => startEndpoint(endpoint, root, options)));
}

export async function stopEndpoints(root: string): Promise<void> {
  for (const endpoint of endpoints) await stopEndpoint(endpoint, root);
  await stopRestored(rdsRoot(root));
}

/** What tells AWS' SDKs where each service is. */
export function endpointEnvironment(root: string): Record<string, string> {
  return Object.fromEntries(
    endpoints.flatMap((endpoint) => {
      const url = urlOf(endpoint, root);
      return url === undefined ? [] : [[endpoint.variable, url]];
    }),
  );
}
