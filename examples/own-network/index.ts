/**
 * Into networks and under keys that a platform team has made: subnets of the cluster's VPC by their ids, a replica in a VPC that a
 * transit gateway connects already, security groups of the clients, a KMS key in each region. Nothing is made or changed of a network
 * but the servers' own security groups.
 */
import * as pulumi from "@pulumi/pulumi";
import * as audit from "authensor-database-components";

const regions = { primary: "eu-central-1", replica: "eu-west-1", backup: "eu-north-1" };

async function program() {
  const config = new pulumi.Config();
  const subnets = config.requireObject<{ primary: string[]; replica: string[] }>("subnets");
  const kmsKeyArns = config.requireObject<{ primary: string; replica: string; backup: string }>("kmsKeyArns");
  const aws = audit.awsProvider(regions.primary, {});
  const lookUp = { provider: aws };

  const cluster = await audit.lookUpCluster(
    { name: config.require("cluster"), region: regions.primary, subnetIds: subnets.primary },
    lookUp,
  );
  const place = await audit.lookUpReplicaPlace(
    regions.replica,
    { vpcId: config.require("replicaVpcId"), subnetIds: subnets.replica, connected: true },
    lookUp,
  );
  const database = new audit.Database(
    "audit",
    {
      regions,
      cluster,
      kmsKeyArns,
      clientSecurityGroupIds: config.requireObject<string[]>("clientSecurityGroupIds"),
      instanceClass: "db.r7g.large",
      replica: { place, instanceClass: "db.r7g.large" },
      copyRetentionDays: 7,
    },
    { providers: { aws } },
  );

  return { primary: database.primary.address, replica: database.replica?.address };
}

export = program;
