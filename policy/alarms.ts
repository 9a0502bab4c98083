/** That somebody is told. */
import type { PolicyResource } from "@pulumi/policy";
import { instance, listOf, refersTo } from "./resources";
import type { Properties, Rule } from "./rule";

const alarm = "aws:cloudwatch/metricAlarm:MetricAlarm";
const subscription = "aws:sns/topicSubscription:TopicSubscription";

/** The metrics of an alarm: its own, or those of its queries. */
const metricsOf = ({ metricName, namespace, dimensions, metricQueries }: Properties): Properties[] =>
  metricName
    ? [{ metricName, namespace, dimensions }]
    : listOf(metricQueries as Properties).flatMap(({ metric }) => listOf(metric as Properties));

/** Whether an alarm watches a metric that RDS publishes of this database. */
const watches = (one: PolicyResource, metric: string, database: PolicyResource) => {
  if (!metricsOf(one.props).some((of) => of.metricName === metric && of.namespace === "AWS/RDS")) return false;
  const sources = ["dimensions", "metricQueries"].flatMap((property) => one.propertyDependencies[property] ?? []);
  return sources.length > 0
    ? sources.some(({ urn }) => urn === database.urn)
    : metricsOf(one.props).some(({ dimensions }) => dimensions?.DBInstanceIdentifier === database.props.identifier);
};

export const alarmRules: Rule[] = [
  {
    name: "alarms-tell",
    holds: "Alarms tell somebody when they begin and when they end.",
    reason: "An alarm without actions is a red line that nobody looks at.",
    each: {
      [alarm]: ({ alarmActions, okActions, actionsEnabled }) => {
        if (actionsEnabled === false) return "actionsEnabled is false: set it to true";
        const missing = Object.entries({ alarmActions, okActions }).filter(
          ([, actions]) => listOf(actions as string).length === 0,
        );
        return missing.length === 0
          ? undefined
          : `${missing.map(([property]) => property).join(" and ")} not set: name the topic that tells somebody`;
      },
    },
  },
  {
    name: "alarms-reach-somebody",
    holds: "Topics have a subscriber.",
    reason: "An alarm that is published to nobody is not heard.",
    among: {
      "aws:sns/topic:Topic": (topic, all) =>
        all.some((one) => one.type === subscription && refersTo(one, "topic", topic, () => [topic.props.arn]))
          ? undefined
          : "it has no TopicSubscription: add an address",
    },
  },
  {
    name: "database-alarms",
    holds:
      "Each database has alarms on storage, CPU and memory; each replica on its lag too; and `metrics` have one each.",
    reason: "A full disk stops every write, and a replica that falls behind is no way out of a lost region.",
    // As "<namespace> <metric>": what a program publishes of its own.
    defaults: { metrics: [] },
    among: {
      [instance]: (database, all, { metrics }) => {
        const alarms = all.filter(({ type }) => type === alarm);
        const isReplica = "replicateSourceDb" in database.props;
        const wanted = ["FreeStorageSpace", "CPUUtilization", "FreeableMemory", ...(isReplica ? ["ReplicaLag"] : [])];
        const unwatched = wanted.filter((metric) => !alarms.some((one) => watches(one, metric, database)));
        const published = alarms
          .flatMap(({ props }) => metricsOf(props))
          .map((of) => `${of.namespace} ${of.metricName}`);
        const own = isReplica ? [] : (metrics as string[]).filter((metric) => !published.includes(metric));
        const missing = [...unwatched, ...own];
        return missing.length === 0 ? undefined : `no MetricAlarm watches ${missing.join(", ")}: add one each`;
      },
    },
  },
];
