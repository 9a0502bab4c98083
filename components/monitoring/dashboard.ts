import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { partitionOf } from "../aws/partition";
import type { Alarm } from "./alarm";
import { dashboardBody } from "./dashboardBody";

interface Server {
  region: string;
  identifier: pulumi.Input<string>;
}

export interface DashboardArgs {
  /** The deployment's name: the metrics' dimension. */
  environment: string;
  rows: readonly Alarm[];
  /** ARN of each alarm, by its row's name. */
  arns: pulumi.Input<Record<string, pulumi.Input<string>>>;
  primary: Server;
  /** Default: there is none. */
  replica?: Server | undefined;
}

/** One page of CloudWatch that answers whether all is well, made of the same tables as the metrics and the alarms. */
export class Dashboard extends pulumi.ComponentResource {
  readonly dashboardName: pulumi.Output<string>;
  /** In AWS' console. */
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: DashboardArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:monitoring:Dashboard", name, {}, opts);
    const { environment, rows, arns, primary, replica } = args;
    const dashboard = new aws.cloudwatch.Dashboard(
      name,
      {
        region: primary.region,
        // A dashboard's name is the account's: fixed, so that people can keep a link to it.
        dashboardName: name,
        dashboardBody: pulumi
          .all([arns, primary.identifier, replica?.identifier])
          .apply(([known, ofPrimary, ofReplica]) =>
            JSON.stringify(
              dashboardBody({
                environment,
                rows,
                arns: known,
                primary: { region: primary.region, identifier: ofPrimary },
                replica: replica && { region: replica.region, identifier: ofReplica! },
              }),
            ),
          ),
      },
      { parent: this },
    );
    this.dashboardName = dashboard.dashboardName;
    this.url = this.dashboardName.apply((known) => dashboardUrl(primary.region, known));
    this.registerOutputs({ dashboardName: this.dashboardName, url: this.url });
  }
}

const consoles: Record<string, string> = {
  aws: "console.aws.amazon.com",
  "aws-cn": "console.amazonaws.cn",
  "aws-us-gov": "console.amazonaws-us-gov.com",
};

const dashboardUrl = (region: string, name: string) =>
  `https://${region}.${consoles[partitionOf(region)]}/cloudwatch/home?region=${region}#dashboards/dashboard/${name}`;
