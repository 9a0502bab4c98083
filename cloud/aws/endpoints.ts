/** The services that run here as processes. */
import { cloudWatch } from "./cloudwatch/service";
import { databaseCaDirectory, shareDatabaseCa } from "./databaseCa";
import { buildServices, startEndpoint, type StartOptions, stopEndpoint, urlOf } from "./endpoint";
import { ensureSecret } from "./iam/keys";
import { stopRestored } from "./rds/api/restored";
import { rdsApi, rdsRoot } from "./rds/api/service";
import { s3 } from "./s3/service";

export const endpoints = [cloudWatch, rdsApi, s3];

export async function startEndpoints(
  root: string,
  { programs = buildServices(endpoints), ...options }: Omit<StartOptions, "outdated">,
): Promise<void> {
  ensureSecret(root, options.serviceUser);
  await shareDatabaseCa(databaseCaDirectory(root), options.serviceUser);
  await Promise.all(endpoints.map((endpoint) => startEndpoint(endpoint, root, { ...options, programs })));
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
