/** GetMetricData: series of periods, of metrics and of expressions over them. */
import { z } from "zod";
import { AwsError } from "../account";
import { calculate, type Series } from "./math";
import { isStatistic, statistics, type Store } from "./store";

const metricStat = z.object({
  Metric: z.object({
    Namespace: z.string(),
    MetricName: z.string(),
    Dimensions: z.array(z.object({ Name: z.string(), Value: z.string() })).optional(),
  }),
  Period: z.int().positive(),
  Stat: z.string().refine(isStatistic, "a statistic that the local cloud knows"),
});

const query = z
  .object({
    Id: z.string().regex(/^[a-z]\w*$/),
    MetricStat: metricStat.optional(),
    Expression: z.string().optional(),
    Label: z.string().optional(),
    ReturnData: z.boolean().optional(),
    Period: z.int().positive().optional(),
  })
  .refine(
    ({ MetricStat, Expression }) => (MetricStat === undefined) !== (Expression === undefined),
    "exactly one of MetricStat and Expression must be given",
  );

const request = z.object({
  MetricDataQueries: z.array(query).min(1).max(500),
  /** Seconds since 1970. */
  StartTime: z.number(),
  EndTime: z.number(),
  ScanBy: z.enum(["TimestampAscending", "TimestampDescending"]).optional(),
});

type Query = z.infer<typeof query>;
type Request = z.infer<typeof request>;

/** Data points of one answer. */
const mostPoints = 100_800;

export function getMetricData(input: unknown, region: string, store: Store): unknown {
  const parsed = request.safeParse(input);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new AwsError("InvalidParameterValue", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  }
  const { MetricDataQueries: queries, ScanBy: order = "TimestampDescending" } = parsed.data;
  const series: Record<string, Series> = {};
  const results = queries.map((one) => {
    const span = spanOf(one, parsed.data);
    const { Id, Label, MetricStat, Expression = "" } = one;
    series[Id] = MetricStat ? measured(MetricStat, region, span, store) : calculate(Expression, { series, ...span });
    return { Id, Label: Label ?? MetricStat?.Metric.MetricName ?? Expression, ...found(series[Id], span, order) };
  });
  return {
    MetricDataResults: results.filter((_, place) => queries[place]?.ReturnData ?? true),
    Messages: [],
  };
}

interface Span {
  /** The first period's beginning, in seconds since 1970. */
  since: number;
  period: number;
  /** How many periods. */
  length: number;
}

/** Of an expression: that of the first metric of the request, unless it says its own. */
function spanOf(one: Query, { MetricDataQueries, StartTime, EndTime }: Request): Span {
  const first = MetricDataQueries.find(({ MetricStat }) => MetricStat);
  const period = one.MetricStat?.Period ?? one.Period ?? first?.MetricStat?.Period ?? 60;
  const since = Math.floor(StartTime / period) * period;
  const length = Math.ceil((EndTime - since) / period);
  if (length < 1 || length * MetricDataQueries.length > mostPoints)
    throw new AwsError("InvalidParameterValue", `the time must span 1 to ${mostPoints} data points in all`);
  return { since, period, length };
}

function measured(stat: z.infer<typeof metricStat>, region: string, span: Span, store: Store): Series {
  const { Namespace: namespace, MetricName: name, Dimensions = [] } = stat.Metric;
  const dimensions = Object.fromEntries(Dimensions.map(({ Name, Value }) => [Name, Value]));
  const summaries = store.periods({ region, namespace, name, dimensions }, span);
  return summaries.map((summary) => summary && statistics[stat.Stat](summary));
}

/** What there is of a series: a period without data is no data point. */
function found(series: Series, { since, period }: Span, order: NonNullable<Request["ScanBy"]>) {
  const points = series.flatMap((value, place) => (value === undefined ? [] : [{ at: since + place * period, value }]));
  if (order === "TimestampDescending") points.reverse();
  return {
    Timestamps: points.map(({ at }) => at),
    Values: points.map(({ value }) => value),
    StatusCode: "Complete",
  };
}
