/** EKS Pod Identity on this machine: what a pod of an associated service account is given to call AWS with. */
import { dirname } from "node:path";
import type { Context } from "../handler";
import { regionOf } from "./account";
import { endpointOf } from "./cloudwatch/service";

export const associationType = "aws:eks/podIdentityAssociation:PodIdentityAssociation";

/** Nothing where no association names the account: its calls fail for want of credentials, as they would in a cluster. */
export function podIdentityEnvironment(
  pod: { namespace: string; serviceAccountName: string },
  context: Context,
): Record<string, string> {
  const association = context
    .resources(associationType)
    .find(({ inputs }) => inputs["namespace"] === pod.namespace && inputs["serviceAccount"] === pod.serviceAccountName);
  if (association === undefined) return {};
  const endpoint = endpointOf(dirname(context.directory));
  const region = regionOf(association.inputs, context);
  return {
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: "ASIALOCALCLOUD000000",
    AWS_SECRET_ACCESS_KEY: "local",
    ...(endpoint !== undefined && { AWS_ENDPOINT_URL_CLOUDWATCH: endpoint }),
  };
}
