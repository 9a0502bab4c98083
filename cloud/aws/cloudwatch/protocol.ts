/** CloudWatch's API as AWS' SDKs speak it: AWS JSON 1.0, signed, its body compressed where it is long. */
import { gunzipSync } from "node:zlib";
import type { IncomingHttpHeaders } from "node:http";
import { z } from "zod";
import { AwsError } from "../account";
import type { Alarm, AlarmState, States } from "./definitions";
import { getMetricData } from "./metricData";
import type { Identity, Store, Summary } from "./store";

const dimensions = z.array(z.object({ Name: z.string().min(1), Value: z.string().min(1) })).max(30);

const summary = z.object({ SampleCount: z.number(), Sum: z.number(), Minimum: z.number(), Maximum: z.number() });

const datum = z
  .object({
    MetricName: z.string().min(1).max(255),
    Dimensions: dimensions.optional(),
    /** Seconds since 1970. */
    Timestamp: z.number().optional(),
    Value: z.number().optional(),
    Values: z.array(z.number()).max(150).optional(),
    Counts: z.array(z.number()).max(150).optional(),
    StatisticValues: summary.optional(),
    StorageResolution: z.union([z.literal(1), z.literal(60)]).optional(),
    Unit: z.string().optional(),
  })
  .refine(
    ({ Value, Values, StatisticValues }) =>
      [Value, Values, StatisticValues].filter((one) => one !== undefined).length === 1,
    "exactly one of Value, Values and StatisticValues must be given",
  )
  .refine(({ Values, Counts }) => Counts === undefined || Counts.length === Values?.length, "one count for each value");

const putMetricData = z.object({
  Namespace: z
    .string()
    .min(1)
    .max(255)
    .refine((name) => !name.startsWith("AWS/"), "must not begin with AWS/"),
  MetricData: z.array(datum).min(1).max(1000),
});

/** PutMetricData takes a body of 1 MB, compressed or not. */
const mostBytes = 1024 * 1024;

/** CloudWatch takes what is up to two weeks old and at most two hours ahead. */
const oldest = 14 * 24 * 3600;
const ahead = 2 * 3600;

export interface Request {
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Cloud {
  store: Store;
  alarms: () => readonly Alarm[];
  /** The body of a dashboard; undefined where there is none of that name. */
  dashboard: (name: string) => string | undefined;
  states: States;
  /** Seconds since 1970. */
  now: () => number;
}

/** @throws AwsError with what the service would refuse */
export function answer({ headers, body }: Request, cloud: Cloud): unknown {
  if (body.length > mostBytes) throw new AwsError("RequestEntityTooLarge", "the request is larger than 1 MB");
  const region = /Credential=[^/]+\/\d{8}\/([a-z0-9-]+)\/monitoring\/aws4_request/.exec(
    headers.authorization ?? "",
  )?.[1];
  if (region === undefined) throw new AwsError("MissingAuthenticationToken", "the request is not signed");
  const text = headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
  const input: unknown = text.length === 0 ? {} : JSON.parse(text.toString("utf8"));
  const operation = String(headers["x-amz-target"]).split(".").at(-1) ?? "";
  switch (operation) {
    case "PutMetricData":
      return putData(input, region, cloud);
    case "DescribeAlarms":
      return describeAlarms(region, cloud);
    case "GetMetricData":
      return getMetricData(input, region, cloud.store);
    case "GetDashboard":
      return getDashboard(input, cloud);
    default:
      throw new AwsError("InvalidAction", `the local cloud does not know ${operation} of CloudWatch`);
  }
}

function putData(input: unknown, region: string, { store, now }: Cloud): unknown {
  const parsed = putMetricData.safeParse(input);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new AwsError("InvalidParameterValue", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  }
  const { Namespace: namespace, MetricData: data } = parsed.data;
  const time = now();
  for (const { Timestamp: at = time, MetricName: name } of data)
    if (at < time - oldest || at > time + ahead)
      throw new AwsError(
        "InvalidParameterValue",
        `${name}: the timestamp must be within two weeks before now and two hours after`,
      );
  for (const one of data) {
    const of = Object.fromEntries((one.Dimensions ?? []).map(({ Name, Value }) => [Name, Value]));
    const metric: Identity = { region, namespace, name: one.MetricName, dimensions: of };
    store.add(metric, one.Timestamp ?? time, summarize(one), one.StorageResolution ?? 60);
  }
  return {};
}

function summarize({ Value, Values, Counts, StatisticValues }: z.infer<typeof datum>): Summary {
  if (StatisticValues)
    return {
      count: StatisticValues.SampleCount,
      sum: StatisticValues.Sum,
      minimum: StatisticValues.Minimum,
      maximum: StatisticValues.Maximum,
    };
  const values = Values ?? [Value ?? 0];
  const counts = Counts ?? values.map(() => 1);
  return {
    count: counts.reduce((sum, count) => sum + count, 0),
    sum: values.reduce((sum, value, index) => sum + value * (counts[index] ?? 1), 0),
    minimum: Math.min(...values),
    maximum: Math.max(...values),
  };
}

function getDashboard(input: unknown, { dashboard }: Cloud): unknown {
  const name = String((input as { DashboardName?: string }).DashboardName);
  const body = /^[\w-]+$/.test(name) ? dashboard(name) : undefined;
  if (body === undefined) throw new AwsError("ResourceNotFound", `there is no dashboard ${name}`);
  return { DashboardName: name, DashboardBody: body };
}

function describeAlarms(region: string, { alarms, states }: Cloud): unknown {
  const described = alarms()
    .filter((alarm) => alarm.region === region)
    .map((alarm) => ({ kind: alarm.kind, description: describe(alarm, states[alarm.arn]) }));
  const of = (kind: Alarm["kind"]) =>
    described.filter((one) => one.kind === kind).map(({ description }) => description);
  return { MetricAlarms: of("metric"), CompositeAlarms: of("composite") };
}

function describe(alarm: Alarm, state: AlarmState | undefined): object {
  return {
    AlarmName: alarm.name,
    AlarmArn: alarm.arn,
    AlarmDescription: alarm.description,
    ActionsEnabled: alarm.actions.enabled,
    AlarmActions: alarm.actions.onAlarm,
    OKActions: alarm.actions.onOk,
    StateValue: state?.state ?? "INSUFFICIENT_DATA",
    StateReason: state?.reason ?? "",
    ...(state && { StateUpdatedTimestamp: Date.parse(state.since) / 1000 }),
    ...(alarm.kind === "composite"
      ? { AlarmRule: alarm.rule }
      : {
          Threshold: alarm.condition.threshold,
          ComparisonOperator: alarm.condition.comparison,
          EvaluationPeriods: alarm.condition.evaluationPeriods,
          DatapointsToAlarm: alarm.condition.datapointsToAlarm,
          TreatMissingData: alarm.condition.treatMissingData,
          Period: alarm.period,
        }),
  };
}
