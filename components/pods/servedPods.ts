import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

export interface ServedPods {
  namespace: pulumi.Input<string>;
  /** Of the pods, and of what is made here. */
  labels: Record<string, string>;
  /** Fixed: clients hold the address that it is part of. */
  service: string;
  /** The number that clients know, by the container port's name. */
  ports: Record<string, number>;
  deployment: k8s.apps.v1.Deployment;
}

/** One address for the pods of a Deployment, and a budget by which nodes are drained of them one pod at a time. */
export function serve(name: string, args: ServedPods, parent: pulumi.Resource): k8s.core.v1.Service {
  const { namespace, labels, deployment } = args;
  new k8s.policy.v1.PodDisruptionBudget(
    name,
    {
      metadata: { namespace, labels },
      spec: {
        maxUnavailable: 1,
        // A node can be drained while its pods are not ready: they serve nobody, and holding on to them (the default) would block
        // every drain for as long as the database is away.
        unhealthyPodEvictionPolicy: "AlwaysAllow",
        selector: { matchLabels: labels },
      },
    },
    { parent },
  );
  return new k8s.core.v1.Service(
    name,
    {
      metadata: { namespace, labels, name: args.service },
      spec: {
        type: "ClusterIP",
        // An address of both families where the cluster has both.
        ipFamilyPolicy: "PreferDualStack",
        selector: labels,
        ports: servicePorts(args.ports),
      },
    },
    { parent, dependsOn: [deployment] },
  );
}

/** Of a Service, from the container ports' names and the numbers that clients know. */
export const servicePorts = (ports: Record<string, number>) =>
  Object.entries(ports).map(([name, port]) => ({ name, port, targetPort: name, protocol: "TCP" }));
