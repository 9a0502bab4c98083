/** EKS Pod Identity on this machine: what a pod of an associated service account is given to call AWS with. */
import { dirname } from "node:path";
import type { Context } from "../handler";
import { parseArn, regionOf } from "./account";
import { endpointEnvironment } from "./endpoints";
import { keyEnvironment, keysOf } from "./iam/keys";

const associationType = "aws:eks/podIdentityAssociation:PodIdentityAssociation";

/** Nothing where no association names the account: its calls fail for want of credentials, as they would in a cluster. */
export function podIdentityEnvironment(
  pod: { namespace: string; serviceAccountName: string },
  context: Context,
): Record<string, string> {
  const association = context
    .resources(associationType)
    .find(({ inputs }) => inputs["namespace"] === pod.namespace && inputs["serviceAccount"] === pod.serviceAccountName);
  if (association === undefined) return {};
  const root = dirname(context.directory);
  const region = regionOf(association.inputs, context);
  const role = parseArn(String(association.inputs["roleArn"]))?.resource.split("/").at(-1) ?? "";
  return {
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    ...keyEnvironment(keysOf(root, role)),
    ...endpointEnvironment(root),
  };
}
