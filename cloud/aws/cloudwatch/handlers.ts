/** Alarms as resources: each is written down for the process that evaluates them. */
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Context, Handler, Properties, Resource } from "../../handler";
import { makeDirectory, writeWhole } from "../../host/files";
import { arn, AwsError, regionOf } from "../account";
import { recordedOutputs } from "../recorded";
import { files, readStates, type Alarm, type MetricAlarm } from "./definitions";
import { isComparison } from "./evaluate";
import { namedIn } from "./rule";
import { cloudWatchRoot } from "./service";
import { isStatistic, type Identity } from "./store";

export const metricAlarmType = "aws:cloudwatch/metricAlarm:MetricAlarm";
export const compositeAlarmType = "aws:cloudwatch/compositeAlarm:CompositeAlarm";

const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);
const statistic = z.string().refine(isStatistic, "a statistic that the local cloud knows");
const period = z
  .number()
  .refine(
    (seconds) => [10, 20, 30].includes(seconds) || (seconds > 0 && seconds % 60 === 0),
    "10, 20, 30 or a multiple of 60",
  );
const dimensions = optional(z.record(z.string(), z.string()));

const shared = z.looseObject({
  alarmDescription: optional(z.string()),
  actionsEnabled: optional(z.boolean()),
  alarmActions: optional(z.array(z.string())),
  okActions: optional(z.array(z.string())),
  insufficientDataActions: optional(z.array(z.string())),
});

const metricAlarm = shared.extend({
  comparisonOperator: z.string().refine(isComparison, "a comparison with a threshold"),
  threshold: z.number(),
  evaluationPeriods: z.int().min(1),
  datapointsToAlarm: optional(z.int().min(1)),
  treatMissingData: optional(z.enum(["missing", "ignore", "breaching", "notBreaching"])),
  namespace: optional(z.string()),
  metricName: optional(z.string()),
  statistic: optional(statistic),
  period: optional(period),
  dimensions,
  metricQueries: optional(
    z.array(
      z.looseObject({
        id: z.string().regex(/^[a-z]\w*$/),
        expression: optional(z.string()),
        returnData: optional(z.boolean()),
        metric: optional(
          z.looseObject({ namespace: z.string(), metricName: z.string(), stat: statistic, period, dimensions }),
        ),
      }),
    ),
  ),
});

const compositeAlarm = shared.extend({ alarmRule: z.string().min(1).max(10_240) });

/** Alarm periods that together are longer than a day are evaluated once an hour, which is not done here. */
const longest = 7 * 24 * 3600;

function read<T extends z.ZodType>(schema: T, inputs: Properties): z.infer<T> {
  const parsed = schema.safeParse(inputs);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AwsError("ValidationError", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

function actionsOf(inputs: z.infer<typeof shared>): Alarm["actions"] {
  const actions = {
    enabled: inputs.actionsEnabled ?? true,
    onAlarm: inputs.alarmActions ?? [],
    onOk: inputs.okActions ?? [],
    onInsufficientData: inputs.insufficientDataActions ?? [],
  };
  return actions;
}

type Series = Pick<MetricAlarm, "queries" | "expressions" | "compared" | "period">;

function seriesOf(inputs: z.infer<typeof metricAlarm>, region: string): Series {
  const { metricQueries } = inputs;
  if (metricQueries === undefined) {
    const { namespace, metricName: name, statistic: stat, period: seconds } = inputs;
    if (namespace === undefined || name === undefined || stat === undefined || seconds === undefined)
      throw new AwsError(
        "ValidationError",
        "namespace, metricName, statistic and period must be given, or metricQueries",
      );
    const metric: Identity = { region, namespace, name, dimensions: inputs.dimensions ?? {} };
    return { queries: [{ id: "m1", metric, statistic: stat }], expressions: [], compared: "m1", period: seconds };
  }
  const returned = metricQueries.filter(({ returnData }) => returnData ?? true);
  const queries = metricQueries.flatMap(({ id, metric }) =>
    metric
      ? [
          {
            id,
            metric: { ...metric, region, name: metric.metricName, dimensions: metric.dimensions ?? {} },
            statistic: metric.stat,
          },
        ]
      : [],
  );
  const [one] = metricQueries.flatMap(({ metric }) => metric?.period ?? []);
  if (returned.length !== 1 || one === undefined)
    throw new AwsError("ValidationError", "exactly one of metricQueries must have returnData, and one a metric");
  const expressions = metricQueries.flatMap(({ id, expression }) =>
    expression === undefined ? [] : [{ id, expression }],
  );
  return { queries, expressions, compared: returned[0]!.id, period: one };
}

function common(inputs: Properties, name: string, context: Context) {
  const region = regionOf(inputs, context);
  return { name, region, arn: arn("cloudwatch", region, `alarm:${name}`) };
}

function defineMetric(inputs: Properties, context: Context): MetricAlarm {
  const given = read(metricAlarm, inputs);
  const name = typeof inputs["name"] === "string" ? inputs["name"] : context.physicalName;
  const who = common(inputs, name, context);
  const series = seriesOf(given, who.region);
  const datapointsToAlarm = given.datapointsToAlarm ?? given.evaluationPeriods;
  if (datapointsToAlarm > given.evaluationPeriods || series.period * given.evaluationPeriods > longest)
    throw new AwsError(
      "ValidationError",
      "datapointsToAlarm must be at most evaluationPeriods, and those at most 7 days",
    );
  return {
    kind: "metric",
    ...who,
    description: given.alarmDescription ?? "",
    actions: actionsOf(given),
    ...series,
    condition: {
      comparison: given.comparisonOperator,
      threshold: given.threshold,
      evaluationPeriods: given.evaluationPeriods,
      datapointsToAlarm,
      treatMissingData: given.treatMissingData ?? "missing",
    },
  };
}

function defineComposite(inputs: Properties, context: Context): Alarm {
  const given = read(compositeAlarm, inputs);
  const who = common(inputs, String(inputs["alarmName"]), context);
  const known = new Set(
    [metricAlarmType, compositeAlarmType].flatMap((type) =>
      context
        .resources(type)
        .filter(({ outputs }) => outputs["region"] === who.region)
        .flatMap(({ outputs }) => [outputs["name"] ?? outputs["alarmName"], outputs["arn"]]),
    ),
  );
  for (const alarm of namedIn(given.alarmRule))
    if (!known.has(alarm))
      throw new AwsError("ValidationError", `AlarmRule: there is no alarm ${alarm} in ${who.region}`);
  return {
    kind: "composite",
    ...who,
    description: given.alarmDescription ?? "",
    actions: actionsOf(given),
    rule: given.alarmRule,
  };
}

const rootOf = (context: Context) => cloudWatchRoot(dirname(context.directory));
const fileOf = (alarmArn: string, context: Context) =>
  join(files(rootOf(context)).alarms, `${createHash("sha256").update(alarmArn).digest("hex").slice(0, 20)}.json`);

function handler(nameKey: "name" | "alarmName", define: (inputs: Properties, context: Context) => Alarm): Handler {
  const put = (inputs: Properties, context: Context) => {
    const alarm = define(inputs, context);
    makeDirectory(files(rootOf(context)).alarms, context.serviceUser);
    writeWhole(fileOf(alarm.arn, context), JSON.stringify(alarm), { owner: context.serviceUser });
    return recordedOutputs(inputs, context);
  };
  const stateOf = (current: Resource, context: Context) => readStates(rootOf(context))[String(current.outputs["arn"])];
  return {
    replaceOnChange: [nameKey, "region"],
    deleteBeforeReplace: () => true,
    // eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejected promise
    create: async (inputs, context) => put(inputs, context),
    // eslint-disable-next-line @typescript-eslint/require-await
    update: async (_current, inputs, context) => put(inputs, context).outputs,
    // eslint-disable-next-line @typescript-eslint/require-await
    async delete(current, context) {
      rmSync(fileOf(String(current.outputs["arn"]), context), { force: true });
    },
    // eslint-disable-next-line @typescript-eslint/require-await
    async status(current, context) {
      const state = stateOf(current, context);
      return {
        healthy: state?.state !== "ALARM",
        text: state ? `${state.state} since ${state.since}` : "not evaluated yet",
      };
    },
  };
}

export const handlers: Record<string, Handler> = {
  [metricAlarmType]: handler("name", defineMetric),
  [compositeAlarmType]: handler("alarmName", defineComposite),
};
