import * as k8s from "@pulumi/kubernetes";

export interface Cluster {
  name: string;
  region: string;
  endpoint: string;
  /** PEM of the API server's authority, base64: as EKS gives it. */
  certificateAuthority: string;
}

/**
 * A kubeconfig for an EKS cluster that holds no credential: a token is asked for each time, by the AWS CLI and with the AWS
 * identity of the moment, or as the role.
 */
export function kubeconfig({ name, region, endpoint, certificateAuthority }: Cluster, roleArn?: string): string {
  const asRole = roleArn === undefined ? [] : ["--role-arn", roleArn];
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{ name, cluster: { server: endpoint, "certificate-authority-data": certificateAuthority } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    users: [
      {
        name,
        user: {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1",
            command: "aws",
            args: ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json", ...asRole],
            interactiveMode: "Never",
          },
        },
      },
    ],
  });
}

/** How the program acts on the cluster. */
export function kubernetesProvider(cluster: Cluster & { arn: string }, roleArn?: string): k8s.Provider {
  return new k8s.Provider("kubernetes", {
    kubeconfig: kubeconfig(cluster, roleArn),
    // EKS renews a cluster's authority. Without an identifier another kubeconfig is another cluster: all objects would be made anew.
    clusterIdentifier: cluster.arn,
  });
}
