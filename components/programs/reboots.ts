import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { awaitedJob } from "./awaitedJob";
import type { PodIdentityArgs } from "../aws/podIdentity";
import { staticSettings } from "../parameters/parameter";
import type { DatabaseConnection } from "./databaseConnection";
import { opsProgram, type OpsProgramArgs } from "./opsProgram";

const parametersPath = "/app/parameters";

export interface RebootedServer {
  /** Its ARN, and what it must report in `pg_settings`. */
  server: { arn: pulumi.Input<string>; expectedSettings: Record<string, string> };
  /** As the owner: the other roles are the migrations' to make, which come after this. */
  connection: DatabaseConnection;
}

export interface RebootsArgs
  extends
    Pick<OpsProgramArgs, "namespace" | "image" | "bundle" | "trustSecret" | "pod" | "transform">,
    Pick<PodIdentityArgs, "region" | "eksClusterName" | "permissionsBoundaryArn" | "tags"> {
  postgresVersion: string;
  primary: RebootedServer;
  /** Default: there is none. */
  replica?: RebootedServer | undefined;
}

/**
 * Reboots the servers whose changed parameters wait for it, one after the other, before the migrations check what is in force. Run
 * again only when such a parameter or the program has changed: both are part of the pod template.
 */
export class Reboots extends pulumi.ComponentResource {
  readonly job: k8s.batch.v1.Job;

  constructor(name: string, args: RebootsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:programs:Reboots", name, {}, opts);
    const { region, eksClusterName, permissionsBoundaryArn, tags, primary, replica } = args;
    const wanted = ({ server }: RebootedServer) => staticSettings(server.expectedSettings, args.postgresVersion);
    const content = { primary: wanted(primary), ...(replica && { replica: wanted(replica) }) };
    const parameters = new k8s.core.v1.ConfigMap(
      `${name}-parameters`,
      {
        metadata: { namespace: args.namespace },
        immutable: true,
        data: { "parameters.json": `${JSON.stringify(content, undefined, 2)}\n` },
      },
      { parent: this },
    );
    const program = opsProgram(
      name,
      {
        ...args,
        command: "reboot",
        database: primary.connection,
        databases: { REPLICA: replica?.connection },
        aws: {
          ...{ region, eksClusterName, permissionsBoundaryArn, tags },
          description: "Authensor: reboots the database servers for changed parameters",
          statements: [
            {
              Effect: "Allow",
              Action: ["rds:DescribeDBInstances", "rds:RebootDBInstance"],
              Resource: [primary, ...(replica ? [replica] : [])].map(({ server }) => server.arn),
            },
          ],
        },
        env: {
          PRIMARY_ARN: primary.server.arn,
          ...(replica && { REPLICA_ARN: replica.server.arn }),
          PARAMETERS_FILE: `${parametersPath}/parameters.json`,
          // As long as a server may take to come back.
          CONNECT_TIMEOUT_SECONDS: "300",
        },
        volumes: { [parametersPath]: { configMap: { name: parameters.metadata.name } } },
      },
      this,
    );
    this.job = awaitedJob(name, program, deadline, this);

    this.registerOutputs({ job: this.job.metadata.name });
  }
}

/** Seconds for both reboots; RDS may first have to take over the parameter groups' change. */
const deadline = 3600;
