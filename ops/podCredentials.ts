/**
 * Where a pod's AWS credentials come from: EKS Pod Identity (AWS_CONTAINER_CREDENTIALS_FULL_URI), or the environment. Bundles have
 * this in place of the SDK's own chain (components/programs/opsBundle.ts), most of which looks for what no pod has: profiles, single
 * sign-on, an instance's role. With it a bundle does not fit into a ConfigMap.
 */
import { fromEnv } from "@aws-sdk/credential-provider-env";
import { fromHttp } from "@aws-sdk/credential-provider-http";

export const defaultProvider =
  (init: Parameters<typeof fromHttp>[0] = {}) =>
  () =>
    process.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] === undefined ? fromEnv(init)() : fromHttp(init)();
