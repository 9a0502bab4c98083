/** aws:rds/subnetGroup:SubnetGroup: recorded, once RDS would accept its subnets. */
import type { Context, Handler, Properties } from "../../handler";
import { allTags, arn, AwsError, regionOf, text, texts } from "../account";
import { clusterSubnet } from "../clusterNetwork";

function outputsOf(inputs: Properties, name: string, context: Context): Properties {
  const region = regionOf(inputs, context);
  const subnets = texts(inputs.subnetIds).map((id) => {
    const made = context.resources("aws:ec2/subnet:Subnet").find((subnet) => subnet.id === id);
    if (made !== undefined && made.outputs.region === region)
      return { vpcId: text(made.inputs.vpcId), zone: text(made.inputs.availabilityZone) };
    const given = clusterSubnet(id, region);
    if (given === undefined)
      throw new AwsError("InvalidSubnet", `The requested subnet ${id} is invalid, or does not exist in ${region}.`);
    return given;
  });
  const vpcs = [...new Set(subnets.map(({ vpcId }) => vpcId))];
  if (vpcs.length > 1)
    throw new AwsError("InvalidParameterValue", `The subnets are in different VPCs: ${vpcs.join(", ")}`);
  if (new Set(subnets.map(({ zone }) => zone)).size < 2) {
    const message =
      "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Add subnets to cover at least 2 AZs.";
    throw new AwsError("DBSubnetGroupDoesNotCoverEnoughAZs", message);
  }
  return {
    description: "Managed by Pulumi",
    ...inputs,
    name,
    region,
    vpcId: vpcs[0],
    arn: arn("rds", region, `subgrp:${name}`),
    supportedNetworkTypes: ["IPV4"],
    tagsAll: allTags(inputs, context),
  };
}

export const subnetGroup: Handler = {
  replaceOnChange: ["name", "namePrefix", "region"],
  create(inputs, context) {
    const name = (text(inputs.name) ?? context.physicalName).toLowerCase();
    return Promise.resolve({ id: name, outputs: outputsOf(inputs, name, context) });
  },
  update(current, inputs, context) {
    const outputs = outputsOf(inputs, current.id, context);
    if (outputs.vpcId !== current.outputs.vpcId)
      throw new AwsError(
        "InvalidParameterValue",
        "The new Subnets are not in the same Vpc as the existing subnet group",
      );
    return Promise.resolve(outputs);
  },
};
