import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { DrillTarget } from "../backup/drillRights";
import type { ServerNetwork } from "../network/serverNetwork";
import { parameterGroupFamily, type TuningInput } from "../parameters/parameter";
import { primaryParameters } from "../parameters/primaryParameters";

export interface DrillGroundArgs extends TuningInput {
  /** In the copies' region. */
  network: ServerNetwork;
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

/**
 * What a drill (ops/drill) gives the instance that it restores the copies into, so that this comes up as the primary would: a place that
 * only the cluster reaches, and the primary's parameters. It costs nothing while no drill runs.
 */
export class DrillGround extends pulumi.ComponentResource {
  readonly target: Omit<DrillTarget, "copiesArn" | "copiesKeyArn">;

  constructor(name: string, args: DrillGroundArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:database:DrillGround", name, {}, opts);
    const { network, tags } = args;
    const { region } = network;
    const about = { region, description: "Authensor: scratch instances of drills", tags };
    const subnetGroup = new aws.rds.SubnetGroup(name, { ...about, subnetIds: network.subnetIds }, { parent: this });
    const parameterGroup = new aws.rds.ParameterGroup(
      name,
      {
        ...about,
        family: parameterGroupFamily(args.postgresVersion),
        parameters: primaryParameters(args).map(({ name, value, applyMethod }) => ({ name, value, applyMethod })),
      },
      { parent: this },
    );

    this.target = {
      region,
      subnetGroup: subnetGroup.name,
      securityGroup: network.securityGroup.id,
      parameterGroup: parameterGroup.name,
    };

    this.registerOutputs({ subnetGroup: subnetGroup.name, parameterGroup: parameterGroup.name });
  }
}
