import * as aws from "@pulumi/aws";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

export interface PodIdentityArgs {
  /** Region of the cluster. */
  region: string;
  /** The EKS cluster that the pods run in. */
  eksClusterName: string;
  /** Namespace of the pods. */
  namespace: string;
  /** The service account's name; fixed, because the role names it. */
  serviceAccount: string;
  description: string;
  /** Statements of the role's policy; what they name may be known only once it is made. */
  statements: readonly pulumi.Input<object>[];
  /** Policy that bounds the role. Default: none does. */
  permissionsBoundaryArn?: string | undefined;
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

export interface PodIdentity {
  serviceAccountName: string;
  /** What its pods depend on, to come no earlier than the identity is in force. */
  inForce: pulumi.Input<pulumi.Resource>[];
}

/**
 * A service account and the IAM role of its pods (EKS Pod Identity; the cluster needs the add-on eks-pod-identity-agent, which EKS
 * Auto Mode has built in). The role can be had by pods of this account in this namespace, and by nobody else.
 */
export function podIdentity(name: string, args: PodIdentityArgs, parent: pulumi.Resource): PodIdentity {
  const { region, eksClusterName, namespace, serviceAccount, tags } = args;
  const account = new k8s.core.v1.ServiceAccount(
    name,
    { metadata: { name: serviceAccount, namespace }, automountServiceAccountToken: false },
    { parent },
  );
  const role = new aws.iam.Role(
    name,
    {
      description: args.description,
      permissionsBoundary: args.permissionsBoundaryArn,
      assumeRolePolicy: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Principal: { Service: "pods.eks.amazonaws.com" },
            Action: ["sts:AssumeRole", "sts:TagSession"],
            Condition: {
              StringEquals: {
                "aws:RequestTag/eks-cluster-name": eksClusterName,
                "aws:RequestTag/kubernetes-namespace": namespace,
                "aws:RequestTag/kubernetes-service-account": serviceAccount,
              },
            },
          },
        ],
      }),
      tags,
    },
    // Of one service account of one cluster: another one's is a new role, whose age says that its association is new too.
    { parent, replaceOnChanges: ["assumeRolePolicy"] },
  );
  const policy = new aws.iam.RolePolicy(
    name,
    { role: role.name, policy: pulumi.jsonStringify({ Version: "2012-10-17", Statement: args.statements }) },
    { parent },
  );
  const association = new aws.eks.PodIdentityAssociation(
    name,
    { region, clusterName: eksClusterName, namespace, serviceAccount, roleArn: role.arn, tags },
    { parent, dependsOn: [policy] },
  );
  const inForce = pulumi.all([role.createDate, association.id]).apply(([created]) => {
    const wait = pulumi.runtime.isDryRun() ? 0 : untilInForce(created);
    return new Promise<pulumi.Resource>((resolve) => setTimeout(resolve, wait, association));
  });
  return { serviceAccountName: serviceAccount, inForce: [account, inForce] };
}

/**
 * Milliseconds to wait before a pod may use an identity whose role was made then. An association takes effect "several seconds" after
 * EKS has answered (CreatePodIdentityAssociation), and whoever admits a pod before that leaves it without credentials for as long as
 * it lives. A role of some minutes ago was made by an earlier run, however the clocks differ.
 */
export function untilInForce(roleCreated: string | undefined, now = Date.now()): number {
  return now - Date.parse(roleCreated ?? "") < 600_000 ? 20_000 : 0;
}
