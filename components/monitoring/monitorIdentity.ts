import * as pulumi from "@pulumi/pulumi";
import { namespace as metricNamespace } from "../../ops/monitor/metrics";
import { podIdentity, type PodIdentityArgs } from "../aws/podIdentity";

export type MonitorIdentityArgs = Pick<
  PodIdentityArgs,
  "namespace" | "region" | "eksClusterName" | "permissionsBoundaryArn" | "tags"
>;

/**
 * What the monitor may do on AWS. Made at the beginning, long before its pod: an association takes effect seconds after EKS has
 * answered (EKS, CreatePodIdentityAssociation: "eventually consistent"), and a pod that was admitted before that has no
 * credentials for as long as it lives.
 */
export class MonitorIdentity extends pulumi.ComponentResource {
  readonly region: string;
  readonly serviceAccountName: pulumi.Output<string>;

  constructor(name: string, args: MonitorIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:kubernetes:MonitorIdentity", name, {}, opts);
    this.region = args.region;
    const { serviceAccountName } = podIdentity(
      name,
      {
        ...args,
        serviceAccount: "monitor",
        description: "Authensor: the monitor publishes metrics",
        // PutMetricData knows no resource: the namespace is what it can be narrowed to.
        statements: [
          {
            Effect: "Allow",
            Action: "cloudwatch:PutMetricData",
            Resource: "*",
            Condition: { StringEquals: { "cloudwatch:namespace": metricNamespace } },
          },
        ],
      },
      this,
    );
    this.serviceAccountName = serviceAccountName;

    this.registerOutputs({ serviceAccountName });
  }
}
