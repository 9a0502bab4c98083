import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type Alarm, namespaceOf, type Place, severities, type Severity } from "./alarm";
import type { AlarmInputs } from "./alarmInputs";
import { alarmsFor } from "./alarmTable";
import type { ServerFacts } from "./serverAlarms";
import { alarmTopics, type AlarmTopicsArgs } from "./alarmTopics";
import { metrics } from "../../ops/monitor/metrics";

interface Server extends ServerFacts {
  region: string;
  identifier: pulumi.Input<string>;
  /**
   * As the stack calls it. Its topics go by that, whose addresses have confirmed: they stay with a replica that is
   * promoted. Default: by its place.
   */
  name?: string | undefined;
}

export interface AlarmsArgs
  extends
    Pick<AlarmTopicsArgs, "emails" | "topicArns" | "tags">,
    Pick<AlarmInputs, "thresholds" | "monthsAhead" | "copies" | "drills" | "retires"> {
  /** The deployment's name: the metrics' dimension. */
  environment: string;
  primary: Server;
  /** ARNs of KMS keys to use for the topics, each of the region that it is named after; where none is named, one is made. */
  kmsKeyArns: { primary?: string | undefined; replica?: string | undefined };
  /** Default: there is none. */
  replica?: Server | undefined;
  /** One that is to come back: its topics stay, whose addresses have confirmed. Default: there is none. */
  removedReplica?: Pick<Server, "name" | "region"> | undefined;
}

/** Events of RDS' own, by how soon somebody should know (RDS, "Amazon RDS event categories"). */
const events: Record<Severity, string[]> = {
  page: ["failover", "failure", "low storage"],
  ticket: ["configuration change", "maintenance", "read replica", "recovery"],
};

/** Every alarm of the deployment, each in the region of what it watches, and who is told. */
export class Alarms extends pulumi.ComponentResource {
  /** Names of the alarms that say whether any of a severity is in ALARM, one for each region. */
  readonly composites: Record<Severity, pulumi.Output<string>[]> = { page: [], ticket: [] };
  readonly rows: readonly Alarm[];
  /** ARN of each row's alarm, by the row's name. */
  readonly arns: Record<string, pulumi.Output<string>> = {};

  constructor(name: string, args: AlarmsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:monitoring:Alarms", name, {}, opts);
    this.rows = alarmsFor(args);
    const places: [Place, Server][] = [["primary", args.primary]];
    if (args.replica) places.push(["replica", args.replica]);
    for (const [place, server] of places)
      this.place(place === "primary" ? name : `${name}-replica`, place, server, args);
    if (args.removedReplica) this.topics("replica", `${name}-replica`, args.removedReplica, args);

    this.registerOutputs({ composites: this.composites });
  }

  private topics(place: Place, name: string, server: Pick<Server, "name" | "region">, args: AlarmsArgs) {
    return alarmTopics(
      server.name?.replace(/-primary$/, "") ?? name,
      { ...args, region: server.region, kmsKeyArn: args.kmsKeyArns[place] },
      this,
    );
  }

  private place(name: string, place: Place, server: Server, args: AlarmsArgs): void {
    const { environment, tags } = args;
    const { region, identifier } = server;
    const child = { parent: this };
    const topics = this.topics(place, name, server, args);
    const rows = this.rows.filter((row) => row.place === place);
    const made = rows.map((row) => {
      const topic = topics[row.severity];
      const alarm = new aws.cloudwatch.MetricAlarm(
        `${name}-${row.name}`,
        {
          region,
          // What is read at night: fixed, and the runbook's.
          name: alarmName(environment, row),
          alarmDescription: `${row.says} Runbook: docs/runbooks/${row.name}.md`,
          ...compared(row, environment, identifier),
          comparisonOperator: row.comparison === "above" ? "GreaterThanThreshold" : "LessThanThreshold",
          threshold: row.threshold,
          datapointsToAlarm: row.datapoints[0],
          evaluationPeriods: row.datapoints[1],
          treatMissingData: row.missing,
          alarmActions: [topic],
          okActions: [topic],
          tags,
        },
        child,
      );
      this.arns[row.name] = alarm.arn;
      return { severity: row.severity, alarm };
    });
    for (const severity of severities) {
      const own = made.filter((one) => one.severity === severity).map(({ alarm }) => alarm);
      if (own.length > 0) this.composites[severity].push(this.composite(name, { severity, place, region, own, args }));
      new aws.rds.EventSubscription(
        `${name}-${severity}`,
        {
          region,
          snsTopic: topics[severity],
          sourceType: "db-instance",
          sourceIds: [identifier],
          eventCategories: events[severity],
          tags,
        },
        child,
      );
    }
  }

  /** Without actions: each alarm has told its own. It is what one looks at, and what a deployment can wait for. */
  private composite(name: string, { severity, place, region, own, args }: Composite): pulumi.Output<string> {
    const rule = pulumi
      .all(own.map((alarm) => alarm.name))
      .apply((names) => names.map((one) => `ALARM("${one}")`).join(" OR "));
    const composite = new aws.cloudwatch.CompositeAlarm(
      `${name}-${severity}`,
      {
        region,
        alarmName: alarmName(args.environment, { name: place === "primary" ? severity : `replica-${severity}` }),
        alarmDescription: `Whether any alarm of severity ${severity} is in ALARM in ${region}.`,
        alarmRule: rule,
        tags: args.tags,
      },
      // CloudWatch deletes no alarm that a composite names, and takes no composite that names one which is not there.
      { parent: this, dependsOn: own },
    );
    return composite.alarmName;
  }
}

interface Composite {
  severity: Severity;
  place: Place;
  region: string;
  own: aws.cloudwatch.MetricAlarm[];
  args: AlarmsArgs;
}

export const alarmName = (environment: string, { name }: Pick<Alarm, "name">): string =>
  `authensor-${environment}-${name}`;

/** The metric, or the expression over it, as CloudWatch takes either. */
function compared(
  { measured, statistic, period }: Alarm,
  environment: string,
  identifier: pulumi.Input<string>,
): Partial<aws.cloudwatch.MetricAlarmArgs> {
  const namespace = namespaceOf(measured);
  const { metric: metricName } = measured;
  if (measured.of === "monitor") {
    const metric = metrics[measured.metric];
    const by = "by" in metric && measured.label !== undefined ? { [metric.by]: measured.label } : {};
    return { namespace, metricName, statistic, period, dimensions: { Environment: environment, ...by } };
  }
  const dimensions = { DBInstanceIdentifier: identifier };
  if (measured.expression === undefined) return { namespace, metricName, statistic, period, dimensions };
  return {
    metricQueries: [
      { id: "m1", metric: { namespace, metricName, stat: statistic, period, dimensions }, returnData: false },
      { id: "e1", expression: measured.expression, label: metricName, returnData: true },
    ],
  };
}
