import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { because } from "../aws/lookUpError";

/** Whether RDS has not promoted a server yet: asked of RDS, since a deployment that was cut off has not told the state. */
export async function isReplica(identifier: string, region: string, opts?: pulumi.InvokeOptions): Promise<boolean> {
  const { replicateSourceDb } = await aws.rds
    .getInstance({ dbInstanceIdentifier: identifier, region }, opts)
    .catch(
      because(
        `the server ${identifier}, which is to be promoted, cannot be looked up in ${region}`,
        `with aws rds describe-db-instances --db-instance-identifier ${identifier} --region ${region}`,
      ),
    );
  return replicateSourceDb !== "";
}
